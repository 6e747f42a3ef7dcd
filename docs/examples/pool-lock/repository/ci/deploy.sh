#!/bin/sh
# The text of the lock says where the environment is; here a folder.
set -eu
where=$(cat environment/metadata)
echo "deploying $WHO to $(cat environment/name): $where"
cp app/program.txt "$where/program.txt"
echo "$WHO $(git -C app rev-parse HEAD)" > "$where/deployed"
