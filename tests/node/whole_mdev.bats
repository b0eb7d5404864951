#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# A VM's life with its vGPU on the kernel's mdev bus: hook, QEMU, hook.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load whole_helper

setup_file() { node_with mdev; }

teardown() { clean_node; }

@test "a vGPU by name: made, opened by QEMU on its slot, listed, and gone after the stop" {
	by_args 100 A40-24A
	works qm start 100
	contains "$output" "vm 100: hostpci0: A40-24A (nvidia-575) on $VF, GPU $GPU"
	equal "$(slot 100)" '0 16 10de VGA controller'
	equal "$(listed 100)" "A40-24A $VF true"
	equal "$(phase 100)" running
	works qm stop 100
	nothing_left 100
}

@test "QEMU is killed: the same end" {
	by_args 100 A40-24A
	works qm start 100
	works qm crash 100
	nothing_left 100
}

@test "a start that fails after pre-start leaves it to the next start" {
	by_args 100 A40-24A
	run qm --fail volumes start 100
	[ "$status" -eq 1 ]
	equal "$(vgpus)" 1
	works qm start 100
	equal "$(vgpus)" 1
	works qm stop 100
	nothing_left 100
}

@test "a start that failed and never comes again: gc clears it, and not before" {
	by_args 100 A40-24A
	run qm --fail volumes start 100
	[ "$status" -eq 1 ]
	works pve-vgpu gc
	equal "$(vgpus)" 1
	settings '[defaults]' 'start-grace = 0'
	intent 100 A40-24A
	works pve-vgpu gc
	contains "$output" 'vm 100: A40-24A'
	nothing_left 100
}

@test "QEMU takes its time to appear: nobody takes the vGPU meanwhile" {
	settings '[defaults]' 'cleanup-wait = 1' 'start-grace = 0'
	by_args 100 A40-24A
	printf '#!/bin/sh\ntouch /run/slow\nuntil [ -e /run/go ]; do sleep 0.1; done\nexec %s "$@"\n' "$KVM" > /run/slow-kvm
	chmod +x /run/slow-kvm
	rm -f /run/slow /run/go
	"$TESTS/pve/qm" --root / --kvm /run/slow-kvm "${QEMU[@]}" "${STOPPED[@]}" --pve 9.2 start 100 3>&- > /run/slow-out 2>&1 &
	local start=$! tries
	for ((tries = 0; tries < 1200; tries++)); do
		[ ! -e /run/slow ] || break
		sleep 0.1
	done
	equal "$(vgpus)" 1
	run pve-vgpu gc
	equal "$(vgpus)" 1
	contains "$output" 'PVE holds the lock of its config'
	touch /run/go
	wait "$start" || fail "$(cat /run/slow-out)"
	equal "$(listed 100)" "A40-24A $VF true"
	works qm stop 100
	nothing_left 100
}

@test "the card without SR-IOV: several VMs on its one function" {
	by_args 100 T4-4Q
	by_args 101 T4-4Q
	works qm start 100
	works qm start 101
	equal "$(listed 100)" "T4-4Q $CARD true"
	equal "$(listed 101)" "T4-4Q $CARD true"
	equal "$(slot 101)" '0 16 10de VGA controller'
	works qm poweroff 100
	equal "$(vgpus)" 1
	works qm crash 101
	nothing_left 100 101
}

@test "hostpci0 at an address: qemu-server takes what the hook has made, of each version of this release" {
	# PVE gives the driver ten of its seconds to remove it by itself.
	local TICK=0.05

	native 100 "$VF" nvidia-575 A40-24A
	for PVE in $WITH_HOSTPCI; do
		works qm start 100
		equal "$(slot 100)" '0 16 10de VGA controller'
		equal "$(listed 100)" "A40-24A $VF true"
		works qm stop 100
		nothing_left 100
	done
}

@test "q35 and PCIe: on the port that qemu-server gives" {
	local STOPPED=(--kvm-arg -S --kvm-arg -M --kvm-arg q35) TICK=0.05

	vm 100 "machine: q35" "hostpci0: $VF,mdev=nvidia-575,pcie=1"
	intent 100 A40-24A
	works qm start 100
	# No firmware has numbered the buses yet, so query-pci does not look behind the port.
	contains "$(qmp 100 qom-get '{"path": "/machine/peripheral/hostpci0", "property": "parent_bus"}')" /ich9-pcie-port-1
	works qm stop 100
	nothing_left 100
}

@test "what the driver counts: a start costs it two operations, a stop one" {
	by_args 100 A40-24A
	by_args 101 A40-24A
	# The first start ever learns the names.
	works qm start 101
	works qm stop 101
	echo > "$OPS"
	works pve-vgpu 100 pre-start
	jq -e '. == {total: 2, available_instances: {read: 1, write: 0}, create: {read: 0, write: 1}}' "$OPS" || fail "$(cat "$OPS")"
	echo > "$OPS"
	works pve-vgpu 100 post-stop
	jq -e 'del(.total) == {remove: {read: 0, write: 1}}' "$OPS" || fail "$(cat "$OPS")"
	nothing_left 100
}

@test "a driver that removes the vGPU itself after QEMU has gone" {
	local self=/sys/module/$DRIVER/parameters/selfclean_ms ms

	by_args 100 A40-24A
	for ms in 1 300 3000; do
		echo "$ms" > "$self"
		works qm start 100
		works qm stop 100
		[ "$ms" -gt 1000 ] || nothing_left 100
	done
	for _ in {1..600}; do
		[ "$(vgpus)" -gt 0 ] || break
		sleep 0.1
	done
	echo 0 > "$self"
	nothing_left 100
}
