#!/bin/sh
echo "web says $1"
