#!/bin/sh
# Packs the program with the number that it is going to have.
set -eu
number=$(cat version/version)
mkdir app-files
cp app/program.txt app-files
git -C app rev-parse HEAD > app-files/commit
tar -cf "packed/app-$number.tar" -C app-files .
echo "packed $number"
