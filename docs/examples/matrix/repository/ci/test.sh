#!/bin/sh
# One cell of the matrix.
set -eu
if grep -x "$RUNTIME $DATABASE" app/broken.txt; then
  echo "cell $RUNTIME $DATABASE is broken"
  exit 1
fi
echo "cell $RUNTIME $DATABASE is good"
