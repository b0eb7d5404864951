# SPDX-License-Identifier: AGPL-3.0-or-later
# A node on which `set` finds what it needs: PVE's tools, the hookscript in a
# storage, and whether a VM's config and the settings are as they were.

# The tests use what is set here:
# shellcheck disable=SC2154,SC2034

load tools_helper

# set_node mdev|nvidia-vfio [NODE…]: as tools_node, with pve-vgpu installed on each node
set_node() {
	local name root

	tools_node "$@"
	shift
	storages < <(printf '%s\n' 'dir: local' $'\tpath /var/lib/vz' $'\tcontent backup,iso,snippets,vztmpl' '')
	mkdir -p "$ROOT/etc/pve/mapping"
	for name in here "$@"; do
		root=$(root_of "$name")
		pve_version 9.2.6 "$name"
		rm -f "$root/var/lib/vz/snippets/pve-vgpu"
		printf '#!/bin/sh\nexec "%s" --root "%s" "$@"\n' "$PVE_VGPU" "$root" > "$root/usr/bin/pve-vgpu"
		chmod +x "$root/usr/bin/pve-vgpu"
		# Relative, for who runs it does not know of ROOT
		ln -s ../../../../usr/bin/pve-vgpu "$root/var/lib/vz/snippets/pve-vgpu"
	done
}

# wrapper_here: it stands at /usr/bin/kvm, as its package puts it
wrapper_here() {
	mkdir -p "$ROOT/usr/lib/pve-vgpu"
	touch "$ROOT/usr/lib/pve-vgpu/qemu-wrapper" "$ROOT/usr/bin/kvm.distrib"
	ln -sfn ../lib/pve-vgpu/qemu-wrapper "$ROOT/usr/bin/kvm"
}

section() {
	cat "$ROOT/etc/pve/pve-vgpu.conf"
}

# remember VMID: its config and the settings as they are now
remember() {
	conf "$1" > "$BATS_TEST_TMPDIR/conf.$1"
	section > "$BATS_TEST_TMPDIR/settings.$1"
}

# assert_as_before VMID: both byte for byte
assert_as_before() {
	diff "$BATS_TEST_TMPDIR/conf.$1" <(conf "$1")
	diff "$BATS_TEST_TMPDIR/settings.$1" <(section)
}

# assert_setting VMID LINE: it stands in that section
assert_setting() {
	section | sed -n "/^\[vm $1\]/,/^\$/p" | grep -qxF -- "$2" || { echo "no '$2' in:"; section; return 1; }
}

refute_setting() {
	! section | sed -n "/^\[vm $1\]/,/^\$/p" | grep -E "^$2 =" || { section; return 1; }
}

# set_ok VMID ARG…: set, and it succeeds
set_ok() {
	run pve_vgpu set "$@"
	assert_success
}

unset_ok() {
	run pve_vgpu unset "$@"
	assert_success
}

# no_change COMMAND…: it succeeds, calls no tool that changes anything and writes nothing
no_change() {
	pve_log_reset
	cfs_writes_reset
	run "$@"
	assert_success
	assert_output 'nothing to change'
	assert_equal "$(pve_log)" ''
	assert_equal "$(cfs_writes | grep -v lock)" ''
}
