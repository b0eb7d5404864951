#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# The test node itself: the cards, both frameworks of the driver, a QEMU and a guest.

load node_helper

UUID=00000000-0000-0000-0000-000000000100

setup_file() { driver; }

teardown() {
	[ ! -e "/sys/bus/mdev/devices/$UUID" ] || echo 1 > "/sys/bus/mdev/devices/$UUID/remove"
}

# qemu OPTION…: a QEMU that runs no guest, asked for its PCI devices and ended
qemu() {
	printf 'info pci\nquit\n' | timeout 60 qemu-system-x86_64 -M q35 -accel tcg -m 64 -nodefaults -display none -S -monitor stdio "$@"
}

@test "the cards are there: two with SR-IOV, one without" {
	[ "$(gpus | wc -l)" -eq 2 ]
	[ "$(card | wc -l)" -eq 1 ]
	for gpu in $(gpus) $(card); do
		[ "/sys/bus/pci/devices/$gpu/driver" -ef /sys/bus/pci/drivers/nvidia ]
	done
}

@test "each GPU with SR-IOV has 32 VFs, and the driver has them" {
	for gpu in $(gpus); do
		[ "$(vfs "$gpu" | wc -l)" -eq 32 ]
		for vf in $(vfs "$gpu"); do
			[ "/sys/bus/pci/devices/$vf/driver" -ef /sys/bus/pci/drivers/nvidia ]
			[ -e "/sys/bus/pci/devices/$vf/iommu_group" ]
		done
	done
}

@test "mdev: each VF and the card without have the types" {
	[ "$(ls /sys/class/mdev_bus | wc -l)" -eq 65 ]
	[ "$(cat "/sys/class/mdev_bus/$(card)/mdev_supported_types"/*/name | grep -c T4)" -gt 0 ]
	for gpu in $(gpus); do
		for vf in $(vfs "$gpu"); do
			[ -w "/sys/class/mdev_bus/$vf/mdev_supported_types/nvidia-575/create" ]
		done
	done
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

@test "a guest boots in the node on KVM, and sees the vGPU" {
	modprobe kvm_amd || modprobe kvm_intel
	[ -c /dev/kvm ]
	vf=$(vfs "$(gpus | head -n 1)" | head -n 1)
	echo "$UUID" > "/sys/class/mdev_bus/$vf/mdev_supported_types/nvidia-575/create"
	run timeout 100 qemu-system-x86_64 -M q35 -accel kvm -cpu host -m 256 -nodefaults -display none -no-reboot -serial stdio \
		-kernel /payload/guest/vmlinux -initrd /payload/guest/initrd -append 'console=ttyS0 quiet panic=-1' \
		-device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$UUID"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"guest: done"* ]]
	[[ "$output" == *"lspci: "*" 0300: 10de:"* ]]
}

@test "vendor VFIO: a vGPU is made, a QEMU opens it, it is removed" {
	driver framework=vendor
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
	driver
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
