#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# The same life on NVIDIA's vendor VFIO files, where the VF itself is the device.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load whole_helper

setup_file() { node_with vendor; }

teardown() { clean_node; }

@test "vendor VFIO: hook, reservation, QEMU on its slot, and nothing left after the stop" {
	native 100 "$VF" nvidia-575 A40-24A
	works qm start 100
	contains "$output" "vm 100: hostpci0: A40-24A (nvidia-575) on $VF, GPU $GPU"
	equal "$(slot 100)" '0 16 10de VGA controller'
	equal "$(listed 100)" "A40-24A $VF true"
	equal "$(phase 100)" running
	equal "$(cat /run/qemu-server/pci-id-reservations)" "$VF 100 pid:$(cat /run/qemu-server/100.pid)"
	works qm stop 100
	nothing_left 100
}

@test "vendor VFIO: 8.4, and QEMU is killed" {
	PVE=8.4
	native 100 "$VF" nvidia-575 A40-24A
	works qm start 100
	equal "$(listed 100)" "A40-24A $VF true"
	works qm crash 100
	nothing_left 100
}

@test "vendor VFIO: a start that fails after pre-start leaves it to the next start" {
	native 100 "$VF" nvidia-575 A40-24A
	run qm --fail volumes start 100
	[ "$status" -eq 1 ]
	works qm start 100
	equal "$(listed 100)" "A40-24A $VF true"
	works qm stop 100
	nothing_left 100
}

@test "vendor VFIO: the card without SR-IOV has its mdevs beside it" {
	vm 101 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 101),id=hostpci0,bus=pci.0,addr=0x10 -uuid $(uuid 101)"
	intent 101 T4-4Q
	native 100 "$VF" nvidia-575 A40-24A
	works qm start 100
	works qm start 101
	equal "$(listed 101)" "T4-4Q $CARD true"
	equal "$(vgpus)" 2
	works qm poweroff 100
	works qm stop 101
	nothing_left 100 101
}

@test "vendor VFIO: what the driver counts, a start three operations" {
	native 100 "$VF" nvidia-575 A40-24A
	# The first start ever learns the names.
	works qm start 100
	works qm stop 100
	echo > "$OPS"
	works pve-vgpu 100 pre-start
	[ "$(jq .total "$OPS")" -le 3 ] || fail "$(cat "$OPS")"
	works pve-vgpu 100 post-stop
	nothing_left 100
}

@test "vendor VFIO: a driver that reports success and makes nothing is believed no more than that" {
	native 100 "$VF" nvidia-575 A40-24A
	echo 1 > "/sys/module/$DRIVER/parameters/lose_next"
	run pve-vgpu 100 pre-start
	[ "$status" -eq 1 ]
	contains "$output" 'made nothing'
	nothing_left 100
}
