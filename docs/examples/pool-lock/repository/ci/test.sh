#!/bin/sh
# Fails when somebody else has deployed meanwhile, or the program is bad.
set -eu
where=$(cat environment/metadata)
test "$(cat "$where/deployed")" = "$WHO $(git -C app rev-parse HEAD)"
grep good "$where/program.txt"
