#!/bin/sh
# Looks into the image that was pushed: is it of the commit, and is the page in it whole?
set -eu

site=candidate/rootfs/srv/site
test "$(cat "$site/commit")" = "$(git -C app rev-parse HEAD)"
grep '</html>' "$site/index.html"
echo "good: $(cat candidate/digest)"
