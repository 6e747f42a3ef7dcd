#!/bin/sh
# Looks at every answer there is.
set -eu
for question in app/questions/*; do
  echo "asking $question"
  test "$(cat "$question")" = 42
done
