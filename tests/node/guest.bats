#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# A guest inside the node boots Linux with a vGPU.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load whole_helper

setup_file() { node_with mdev; }

teardown() { clean_node; }

@test "an emulated node that runs KVM has a timer that comes again by itself" {
	! grep -q '^model name.*QEMU TCG' /proc/cpuinfo || grep -q '^ event_handler: *tick_handle_periodic$' /proc/timer_list
}

@test "a guest boots Linux with it, sees it, and powers off" {
	local QEMU=(--kvm-arg -nodefaults --kvm-arg -display --kvm-arg none --kvm-arg -m --kvm-arg 256
		--kvm-arg -accel --kvm-arg kvm --kvm-arg -cpu --kvm-arg host) STOPPED=()
	local out=$BATS_TEST_TMPDIR/console begun=$SECONDS

	modprobe kvm_amd || modprobe kvm_intel
	vm 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100),id=hostpci0,bus=pci.0,addr=0x10 -kernel /payload/guest/vmlinux -initrd /payload/guest/initrd -append 'console=ttyS0 quiet panic=-1' -serial file:$out"
	intent 100 A40-24A
	works qm start 100
	until grep -q 'guest: done' "$out" || [ $((SECONDS - begun)) -ge 120 ]; do
		sleep 0.1
	done
	cat "$out"
	grep -q 'lspci: 00:10.0 0300: 10de:2235' "$out"
	# -no-shutdown keeps QEMU after the guest's power-off, as in PVE, until it is asked to quit.
	works qm poweroff 100
	contains "$(cat "$BATS_TEST_TMPDIR/trace")" 'hook 100 post-stop'
	nothing_left 100
}
