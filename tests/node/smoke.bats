#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# The test node itself: the cards, the driver with mdev, a QEMU. smoke_vendor.bats is the other framework.

load node_helper

UUID=00000000-0000-0000-0000-000000000100

setup_file() { driver_for mdev; }

teardown() {
	[ ! -e "/sys/bus/mdev/devices/$UUID" ] || echo 1 > "/sys/bus/mdev/devices/$UUID/remove"
}

# of_driver: the addresses of what the driver has
of_driver() { (cd /sys/bus/pci/drivers/nvidia && ls -d 0000:*); }

@test "the cards are there, and the driver has them: two with SR-IOV of 32 VFs each, one without" {
	local found gpu

	found=$(gpus)
	[ "$(wc -l <<< "$found")" -eq 2 ]
	for gpu in $found; do
		[ "$(vfs "$gpu" | wc -l)" -eq 32 ]
	done
	[ "$(card | wc -l)" -eq 1 ]
	[ "$(of_driver)" = "$(for gpu in $found; do echo "$gpu"; vfs "$gpu"; done | sort; card)" ]
	[ "$(of_driver | sed 's|.*|/sys/bus/pci/devices/&/iommu_group|' | xargs ls -d | wc -l)" -eq 67 ]
}

@test "mdev: each VF and the card without have the types" {
	[ "$(ls /sys/class/mdev_bus | wc -l)" -eq 65 ]
	[ "$(cat "/sys/class/mdev_bus/$(card)/mdev_supported_types"/*/name | grep -c T4)" -gt 0 ]
	[ "$(ls -d /sys/class/mdev_bus/*/mdev_supported_types/nvidia-575/create | wc -l)" -eq 64 ]
}

@test "mdev: a vGPU is made, a QEMU opens it, it is removed" {
	vf=$(vfs "$(gpus | head -n 1)" | head -n 1)
	type=/sys/class/mdev_bus/$vf/mdev_supported_types/nvidia-575
	[ "$(cat "$type/available_instances")" -eq 1 ]
	echo "$UUID" > "$type/create"
	[ "$(cat "$type/available_instances")" -eq 0 ]
	run qemu -device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$UUID,id=hostpci0"
	[ "$status" -eq 0 ]
	[[ "$output" == *"PCI device 10de:"* ]]
	echo 1 > "/sys/bus/mdev/devices/$UUID/remove"
	[ ! -e "/sys/bus/mdev/devices/$UUID" ]
	[ "$(cat "$type/available_instances")" -eq 1 ]
}

@test "a warning in the kernel's log fails the file" {
	run /payload/run-file -l before
	[[ "$output" == *$'\nok 1 '* ]]
	echo '<4>WARNING: said by a test of the test node' > /dev/kmsg
	run /payload/run-file -l after
	[[ "$output" == *$'\nnot ok 1 '*'said by a test of the test node'* ]]
	run /payload/run-file -l told
	[[ "$output" == *$'\nok 1 '* ]]
}

@test "pve-vgpu is installed and knows this node's types" {
	run pve-vgpu types
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *A40-24A* ]]
}
