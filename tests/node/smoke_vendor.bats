#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# The test node itself: the driver with vendor VFIO, a QEMU.

load node_helper

setup_file() { driver_for vendor; }

@test "vendor VFIO: a vGPU is made, a QEMU opens it, it is removed" {
	vf=$(vfs "$(gpus | head -n 1)" | head -n 1)
	files=/sys/bus/pci/devices/$vf/nvidia
	grep -q '^575 ' "$files/creatable_vgpu_types"
	echo 575 > "$files/current_vgpu_type"
	[ "$(cat "$files/current_vgpu_type")" = 575 ]
	run qemu -device "vfio-pci,host=$vf,id=hostpci0"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"PCI device 10de:"* ]]
	echo 0 > "$files/current_vgpu_type"
	[ "$(cat "$files/current_vgpu_type")" = 0 ]
}
