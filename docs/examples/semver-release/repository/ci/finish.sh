#!/bin/sh
# The release is the candidate under its final name: what was tested is what is shipped.
set -eu
number=$(cat version/version)
cp candidates/app-*.tar "finished/app-$number.tar"
echo "$(cat candidates/version) becomes $number"
