#!/bin/sh
set -eu
cp -R releases/. assembled
git -C app rev-parse HEAD > assembled/app
git -C toolbox rev-parse HEAD > assembled/toolbox
cd assembled
git add --all
git -c user.name=ci -c user.email=ci@localhost commit --quiet --allow-empty --message "assemble $(cat app)"
