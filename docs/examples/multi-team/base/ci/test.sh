#!/bin/sh
set -eu
grep '^good' base/base.txt
