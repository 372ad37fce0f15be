# SPDX-License-Identifier: Apache-2.0
# /lib/functions.sh for tests: what a package's scripts rely on, and no more. Written after what OpenWrt's does; the
# real one is met on a router.

root="${IPKG_INSTROOT}"

config_load() {
	CONFIG_FILE="/etc/config/$1"
	[ -f "$CONFIG_FILE" ]
}

# TARGET SECTION OPTION [DEFAULT]
config_get() {
	config_value="$(uci -q get "${CONFIG_FILE##*/}.$2.$3")"
	eval "$1=\"\${config_value:-\$4}\""
}

# A function, since busybox takes its own applet before a program of that name.
killall() {
	echo "killall $*" >> "$root/tmp/calls"
}

# FUNCTION TYPE
config_foreach() {
	for config_section in $(uci -q sections "${CONFIG_FILE##*/}" "$2"); do
		"$1" "$config_section"
	done
}

add_group_and_user() {
	local user uid group gid
	user="$(sed -n 's/^Require-User: *//p' "$root/usr/lib/opkg/info/$1.control")"
	[ -n "$user" ] || return 0
	group="${user#*:}"
	user="${user%%:*}"
	uid="${user#*=}"
	gid="${group#*=}"
	user="${user%=*}"
	group="${group%=*}"
	grep -q "^$group:" "$root/etc/group" || echo "$group:x:$gid:$user" >> "$root/etc/group"
	grep -q "^$user:" "$root/etc/passwd" ||
		echo "$user:x:$uid:$gid:$user:/var/run/$user:/bin/false" >> "$root/etc/passwd"
}

default_postinst() {
	local package list script result=0
	package="$(basename "${1%.*}")"
	list="$root/usr/lib/opkg/info/$package.list"
	add_group_and_user "$package"
	if [ -z "$root" ]; then
		for script in $(grep '^/etc/uci-defaults/' "$list"); do
			( [ -f "$script" ] && . "$script" ) && rm -f "$script"
		done
		uci commit
	fi
	if [ -f "$root/usr/lib/opkg/info/$package.postinst-pkg" ]; then
		( . "$root/usr/lib/opkg/info/$package.postinst-pkg" )
		result=$?
	fi
	for script in $(grep '^/etc/init.d/' "$list"); do
		if [ -n "$root" ]; then
			sh "$root/etc/rc.common" "$root$script" enable
		else
			[ "$PKG_UPGRADE" = 1 ] || "$script" enable
			"$script" start
		fi
	done
	return $result
}

default_prerm() {
	local package list script result=0
	package="$(basename "${1%.*}")"
	list="$root/usr/lib/opkg/info/$package.list"
	if [ -f "$root/usr/lib/opkg/info/$package.prerm-pkg" ]; then
		( . "$root/usr/lib/opkg/info/$package.prerm-pkg" )
		result=$?
	fi
	for script in $(grep '^/etc/init.d/' "$list"); do
		if [ -n "$root" ]; then
			sh "$root/etc/rc.common" "$root$script" disable
		else
			[ "$PKG_UPGRADE" = 1 ] || "$script" disable
			"$script" stop
		fi
	done
	return $result
}
