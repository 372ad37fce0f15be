#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Called with the package's name and version: only the agent has one to tell.

case "$1" in
glimpse-agent | glimpse-agent-mini)
	glimpse-agent --version | grep -qF "$2"
	;;
*)
	exit 0
	;;
esac
