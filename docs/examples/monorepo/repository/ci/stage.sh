#!/bin/sh
# Puts one service and its libraries on top of what is in production.
set -eu

commit=$(git -C source rev-parse HEAD)
cp -R production/. staged
rm -rf "staged/$SERVICE"
mkdir "staged/$SERVICE"
cp -R "source/services/$SERVICE/." source/libs "staged/$SERVICE"
echo "$commit" > "staged/$SERVICE/COMMIT"

cd staged
git add --all
git -c user.name=ci -c user.email=ci@localhost commit --quiet --allow-empty --message "deploy $SERVICE $commit"
