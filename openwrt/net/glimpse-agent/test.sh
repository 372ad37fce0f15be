#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What must hold of an installed package, without a network: called with the package's name and version.

case "$1" in
glimpse-agent | glimpse-agent-mini) ;;
*) exit 0 ;;
esac

fail() {
	echo "FAIL: $*"
	exit 1
}

glimpse-agent --help | grep -q 'glimpse-agent daemon' || fail "no help"
glimpse-agent --version | grep -qF "$2" || fail "another version than $2"
glimpse-agent capabilities --json >/tmp/glimpse-capabilities || fail "no capabilities"
for method in ping traceroute dnslookup httpdownload; do
	grep -q "\"$method\"" /tmp/glimpse-capabilities || fail "no method $method"
done
rm -f /tmp/glimpse-capabilities

glimpse-agent measure ping host=127.0.0.1 type=Tcp destination_port=1 count=1 >/dev/null || fail "no measurement"
glimpse-agent dance 2>/dev/null && fail "an unknown command was taken"

grep -q '^glimpse:' /etc/passwd || fail "no user glimpse"
[ -x /etc/init.d/glimpse-agent ] || fail "no init script"
sh -n /etc/init.d/glimpse-agent || fail "the init script is no shell"
sh -n /usr/libexec/glimpse-firewall || fail "the firewall's script is no shell"
[ "$(uci -q get glimpse.consent.enabled)" = 0 ] || fail "consent is not off"
for file in /etc/capabilities/glimpse-agent.json /usr/share/acl.d/glimpse-agent.json; do
	jsonfilter -i "$file" -e '@' >/dev/null || fail "$file is not JSON"
done
exit 0
