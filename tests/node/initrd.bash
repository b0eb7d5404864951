# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# Initramfs images of busybox, a first program and modules. Sourced after common.bash.

# initrd OUT INIT [TREE VERSION MODULE…]: an image whose /init is the file INIT, with these modules of the tree and what they
# need in /modules, in the order of /modules.order
initrd() {
	local out=$1 init=$2 dir file
	shift 2

	dir=$out.d
	mkdir -p "$dir"/{bin,dev,proc,sys,new,modules}
	cp /bin/busybox "$dir/bin/"
	ln -s busybox "$dir/bin/sh"
	install -m 0755 "$init" "$dir/init"
	if [ $# -gt 0 ]; then
		local tree=$1 version=$2 module
		shift 2
		for module; do
			modprobe -d "$tree" -S "$version" --show-depends "$module"
		done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r file; do
			cp "$file" "$dir/modules/"
			echo "${file##*/}"
		done > "$dir/modules.order"
	fi
	(cd "$dir" && find . | cpio -oH newc --quiet | gzip -1) > "$out"
	rm -rf "$dir"
}
