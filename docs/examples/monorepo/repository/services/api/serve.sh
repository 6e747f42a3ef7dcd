#!/bin/sh
echo "api says $1"
