# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash

# devices DIR NAME…: at DIR, the /dev of a chroot, these devices of this machine and none of its others
devices() {
	local dir=$1 name

	shift
	mount -t tmpfs -o mode=0755 none "$dir"
	for name; do
		: > "$dir/$name"
		mount --bind "/dev/$name" "$dir/$name"
	done
	mkdir "$dir/shm"
	chmod 1777 "$dir/shm"
	ln -s /proc/self/fd "$dir/fd"
	ln -s /proc/self/fd/0 "$dir/stdin"
	ln -s /proc/self/fd/1 "$dir/stdout"
	ln -s /proc/self/fd/2 "$dir/stderr"
}
