#!/bin/sh
# Tests what main would be after the merge. The script is main's, so a pull request cannot change it.
set -eu

cd main
git fetch --quiet ../branch HEAD
git -c user.name=ci -c user.email=ci@localhost merge --quiet --no-edit FETCH_HEAD
test "$(sh sum.sh 2 3)" = 5
echo "2 and 3 are 5: good"
