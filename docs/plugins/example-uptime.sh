#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A plug-in for glimpse-agent: how long this machine has been up and how busy it is. It sends nothing.
# The contract is docs/plugins.md. To use it, as root:
#
#   install -m 755 example-uptime.sh /usr/lib/glimpse/plugins/
#   glimpse-agent measure uptime samples=3
set -eu

describe() {
	cat <<-'END'
	{
	  "contract": 1,
	  "name": "uptime",
	  "options": [
	    {"name": "samples", "type": "integer", "default": 1, "min": 1, "max": 30, "unit": "samples",
	     "help": "looks at the load, a second apart"}
	  ],
	  "worst_case_bytes": 0,
	  "longest_run_ms": {"base": 2000, "per": {"samples": 1000}}
	}
	END
}

run() {
	# The options come as one line of JSON; their names and types have been checked.
	samples=$(sed -n 's/.*"samples":\([0-9]*\).*/\1/p')
	loads=
	taken=0
	while [ "$taken" -lt "$samples" ]; do
		[ "$taken" -eq 0 ] || sleep 1
		read -r load rest </proc/loadavg
		loads="$loads${loads:+,}$load"
		taken=$((taken + 1))
	done
	read -r uptime rest </proc/uptime
	echo "took $taken samples" >&2
	printf '{"probe_result":{"uptime_s":%s,"load":[%s]},"error":null,"bytes":{"sent":0,"received":0}}\n' \
		"$uptime" "$loads"
}

case ${1-} in
describe) describe ;;
run) run ;;
*)
	echo "usage: $0 describe|run" >&2
	exit 2
	;;
esac
