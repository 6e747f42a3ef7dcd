#!/bin/sh
# The app on top of the base that team platform has released.
set -eu
cp -R production/. staged
git clone --quiet "$BASE" base
git -C base checkout --quiet "$BASE_COMMIT"
cat base/base.txt app/app.txt > staged/shop.txt
echo "$BASE_COMMIT" > staged/base
cd staged
git add --all
git -c user.name=ci -c user.email=ci@localhost commit --quiet --allow-empty --message "deploy on base $BASE_COMMIT"
