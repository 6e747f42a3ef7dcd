#!/bin/sh
# Tests one service against the shared libraries of the same commit.
set -eu

cd source
echo "testing $SERVICE at $(git rev-parse --short HEAD)"
greeting=$(cat libs/greeting.txt)
sh "services/$SERVICE/serve.sh" "$greeting" | grep "$SERVICE says $greeting"
