# SPDX-License-Identifier: AGPL-3.0-or-later
# SET_UNSET_COUNT configs made at random, from the number SET_UNSET_SEED on.

load tools_helper

setup() {
	MOUNTED='' PIDS='' ROOT=''
}

# ready NODE: our programs, and two hookscripts in its storage, ours and another
ready() {
	local root

	root=$(root_of "$1")
	mkdir -p "$root/usr/lib/pve-vgpu" "$root/var/lib/vz/snippets"
	cp "$PVE_VGPU" "$root/usr/bin/pve-vgpu"
	rm -f "$root/var/lib/vz/snippets/pve-vgpu"
	ln -s /usr/bin/pve-vgpu "$root/var/lib/vz/snippets/pve-vgpu"
	on "$1" snippet other.pl true
	# The wrapper stands at /usr/bin/kvm.
	touch "$root/usr/lib/pve-vgpu/qemu-wrapper" "$root/usr/bin/kvm.distrib"
	chmod +x "$root/usr/lib/pve-vgpu/qemu-wrapper" "$root/usr/bin/kvm.distrib"
	ln -s /usr/lib/pve-vgpu/qemu-wrapper "$root/usr/bin/kvm"
}

# any_config mdev|nvidia-vfio
any_config() {
	tools_node "$1" there
	tool pvesm set local --content snippets
	ready here
	ready there
	# It leaves a mapping of that node's GPUs.
	NODE=there pve_vm 150
	on there pve_vgpu set 150 A40-24A
	on there pve_vgpu unset 150
	run "$TOP/tests/pve/set_unset" --root "$ROOT" --pve-vgpu "$PVE_VGPU" --count "${SET_UNSET_COUNT:-500}" \
		--seed "${SET_UNSET_SEED:-1}" ${SHOW:+--show}
	[ -z "${SHOW:-}" ] || echo "$output" > "$SHOW"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "set, then unset: as it was, for any config, on the mdev bus" { any_config mdev; }
@test "set, then unset: as it was, for any config, on vendor VFIO" { any_config nvidia-vfio; }
