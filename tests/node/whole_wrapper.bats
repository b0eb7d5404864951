#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# An admin's way with the wrapper at /usr/bin/kvm: set, start, a QEMU that has the
# vGPU, stop, unset, as each version of qemu-server goes it.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load wrapper_helper

setup_file() {
	node_with mdev
	pve_in
	wrapper_in
}

teardown_file() {
	wrapper_out
	pve_out
}

teardown() {
	hook_is_ours
	clean_node
	rm -f "$GIVEN"/*
}

# hook_is_ours: the hookscript that VMs have; hook_and COMMAND: it, and that before PVE goes on from pre-start
hook_is_ours() { ln -sf /usr/bin/pve-vgpu /var/lib/vz/snippets/pve-vgpu; }

hook_and() {
	rm /var/lib/vz/snippets/pve-vgpu
	printf '#!/bin/sh\npve-vgpu "$@" && { [ "$2" != pre-start ] || %s; }\n' "$1" > /var/lib/vz/snippets/pve-vgpu
	chmod +x /var/lib/vz/snippets/pve-vgpu
}

# story VERSION MODE SET-OPTION…: a VM's life, from a config without a vGPU back to it; QEMU has DEVICE and its -uuid
story() {
	pve_version "$1"
	gui_vm 100
	remember 100
	works pve-vgpu set 100 A40-24A "${@:3}"
	contains "$output" "vm 100: mode $2: "
	works qm start 100
	equal "$(slot 100)" '0 16 10de VGA controller'
	seen_by_pve 100
	equal "$(option device)" "vfio-pci,$DEVICE,id=hostpci0,bus=pci.0,addr=0x10"
	equal "$(option uuid)" "$SMBIOS"
	equal "$(listed 100)" "A40-24A $VF true"
	works qm stop 100
	nothing_left 100
	works pve-vgpu unset 100
	as_before 100
}

# by_wrapper VERSION FRAMEWORK: a story in which the wrapper brings the device
by_wrapper() {
	framework "$2"
	DEVICE=host=$VF
	[ "$2" = vendor ] || DEVICE=sysfsdev=/sys/bus/mdev/devices/$(uuid 100)
	story "$1" wrapper --mode wrapper
}

@test "the wrapper brings an mdev and -uuid, for each version" {
	local version

	for version in $WITH_MDEV; do
		by_wrapper "$version" mdev
	done
}

@test "qemu-server brings the mdev: an old one of the VF, which lacks the -uuid, a new one of the type's parents, a mapping that set makes" {
	# PVE gives the driver ten of its seconds to remove it by itself.
	local version=${WITH_MDEV%% *} TICK=0.05

	framework mdev
	DEVICE=sysfsdev=/sys/bus/mdev/devices/$(uuid 100)
	[[ $version != 7.1-* ]] || DEVICE=sysfsdev=/sys/bus/pci/devices/$VF/$(uuid 100)
	story "$version" native
}

# refused WORDS: a start ends with that from the wrapper, and QEMU was not even called
refused() {
	run qm start 100
	[ "$status" -eq 1 ] || fail "status $status: $output"
	contains "$output" "pve-vgpu qemu-wrapper: vm 100: run state '$STATES/100.json' $1"
	[ ! -e "$GIVEN/100" ] || fail 'QEMU was called'
	[ ! -e /run/qemu-server/100.pid ] || fail 'QEMU has a pid file'
}

@test "a run state that is broken: the wrapper refuses, QEMU is not started, and the next start mends it" {
	framework mdev
	pve_version "${WITH_MDEV##* }"
	gui_vm 100
	works pve-vgpu set 100 A40-24A --mode wrapper
	hook_and "echo { > $STATES/100.json"
	refused 'is damaged'
	contains "$output" "hint: the VM's next start replaces it"
	hook_and "chmod 0666 $STATES/100.json"
	refused 'is no plain file that root alone can write'
	hook_is_ours
	works qm start 100
	equal "$(listed 100)" "A40-24A $VF true"
	works qm stop 100
	nothing_left 100
}

# The last one, for the driver is loaded anew.
@test "vendor VFIO: the wrapper brings the VF and -uuid" { by_wrapper "$WITH_VENDOR" vendor; }
