#!/bin/sh
set -eu
test -s app/program.txt
echo "program.txt is not empty: good"
