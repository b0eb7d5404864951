#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `pve-vgpu remove`: what pve-vgpu has made, and nothing else.

load helper

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

U1=11111111-aaaa-4bbb-8ccc-000000000001

@test "remove: by UUID in any case, and by address, with its record" {
	local id

	a40
	id=$(pve_vgpu create A40-24A --json | jq -r .uuid)
	run -0 pve_vgpu remove "${id^^}"
	assert_equal "$output" 'removed A40-24A on 0000:e8:00.4'
	pve_vgpu create A40-24A
	run -0 pve_vgpu remove e8:00.4
	assert_equal "$(mdevs)" ''
	assert_equal "$(ls "$ROOT/run/pve-vgpu/standalone")" ''
	ROOT=$BATS_TEST_TMPDIR/second
	a40 '"framework": "nvidia-vfio"'
	pve_vgpu create A40-24A
	run -0 pve_vgpu remove 0000:E8:00.4
	assert_equal "$(vendor_vgpus)$(ls "$ROOT/run/pve-vgpu/standalone")" ''
}

@test "remove: twice is once too often" {
	a40
	pve_vgpu create A40-24A --uuid $U1
	pve_vgpu remove $U1
	run -1 pve_vgpu remove $U1
	assert_output "remove '$U1': there is no vGPU '$U1'"
	assert_output 'hint: `pve-vgpu list` shows those that there are'
	run -1 pve_vgpu remove 0000:e8:00.4
	assert_output "there is no vGPU '0000:e8:00.4'"
}

@test "remove --dry-run: says so and changes nothing" {
	local before

	a40
	pve_vgpu create A40-24A --uuid $U1
	before=$(tree)
	ops_reset
	run -0 pve_vgpu remove $U1 --dry-run
	assert_equal "$output" 'would remove A40-24A on 0000:e8:00.4'
	assert_equal "$(ops)" 0
	assert_equal "$(tree)" "$before"
	assert_equal "$(mdevs)" $U1
}

@test "remove: what a process has open stays, and the process is named" {
	local f dev

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		dev=$(pve_vgpu create A40-24A --json | jq -r '.uuid // .parent')
		qemu 100 "$dev"
		run -1 pve_vgpu remove "$dev"
		assert_output 'process 400100 has it open'
		assert_output 'hint: stop what uses it first'
		qemu_gone 100
		run -0 pve_vgpu remove "$dev"
	done
}

@test "remove: what others have made is left alone, with how it would go" {
	node a40-foreign
	run -1 pve_vgpu remove 31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13
	assert_output 'A40-4A on 0000:e8:01.2 was not made by pve-vgpu, so it is left alone'
	assert_output 'echo 1 > /sys/bus/mdev/devices/31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13/remove'
	run -1 pve_vgpu remove 0000:e8:01.2
	assert_output 'was not made by pve-vgpu'
	assert_equal "$(mdevs | wc -l)" 2
	ROOT=$BATS_TEST_TMPDIR/second
	a40 '"framework": "nvidia-vfio"' '{"parent": "0000:e8:00.4", "type": 575}'
	run -1 pve_vgpu remove 0000:e8:00.4
	assert_output 'echo 0 > /sys/bus/pci/devices/0000:e8:00.4/nvidia/current_vgpu_type'
	assert_equal "$(current 0000:e8:00.4)" 575
}

@test "remove: a VM's vGPU stays while the VM lives or starts, and goes when it is dead" {
	local f dev

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		vm 100
		settings '[vm 100]' 'hostpci0 = A40-24A'
		hook 100 pre-start
		dev=$(pve_vgpu list --json | jq -r '.[0] | .uuid // .parent')
		pve_lock 100
		run -1 pve_vgpu remove "$dev"
		assert_output "it is vm 100's, and PVE holds the lock of its config"
		assert_output 'hint: qm stop 100 removes it'
		pve_unlock
		qemu 100 "$dev"
		run -1 pve_vgpu remove "$dev"
		assert_output "it is vm 100's, and its QEMU runs (pid 400100)"
		qemu_gone 100
		run -0 pve_vgpu remove "$dev"
		assert_equal "$(pve_vgpu list)" ''
		[ ! -e "$ROOT/run/pve-vgpu/100.json" ]
	done
}

@test "remove: of several vGPUs on one PF one must be named by its UUID" {
	node p40x2
	pve_vgpu create P40-2Q --uuid $U1 --gpu 0000:3b:00.0
	pve_vgpu create P40-2Q --gpu 0000:3b:00.0
	run -1 pve_vgpu remove 0000:3b:00.0
	assert_output "'0000:3b:00.0' holds 2 vGPUs"
	assert_output 'hint: name one by its UUID; `pve-vgpu list` shows them'
	pve_vgpu remove $U1
	run -0 pve_vgpu remove 0000:3b:00.0
	assert_equal "$(mdevs)" ''
}

@test "remove: a vGPU that went by itself leaves its record, and that goes" {
	a40
	pve_vgpu create A40-24A --uuid $U1
	echo 1 > "$SYS/bus/mdev/devices/$U1/remove"
	run -0 pve_vgpu remove $U1
	assert_equal "$(pve_vgpu list)" ''
}

@test "remove: a driver that refuses, or says yes and keeps it, is a failure, and the record stays" {
	local e

	a40
	pve_vgpu create A40-24A --uuid $U1
	for e in EBUSY EIO LOST; do
		fault write '*/remove' $e
		run -1 pve_vgpu remove $U1
		assert_output "remove '$U1'"
	done
	assert_output 'the driver reported success and the vGPU is still there'
	run -0 pve_vgpu remove $U1
}

@test "remove: two at once remove it once, and neither harms" {
	local i

	a40
	pve_vgpu create A40-24A --uuid $U1
	pve_vgpu create A40-24A
	delay '*/remove' 50
	for i in 1 2; do
		"$PVE_VGPU" --root "$ROOT" remove $U1 > /dev/null 2>&1 &
		PIDS+=" $!"
	done
	for i in $PIDS; do
		wait "$i" || true
	done
	PIDS=''
	assert_equal "$(mdevs | wc -l)" 1
	assert_equal "$(ls "$ROOT/run/pve-vgpu/standalone" | wc -l)" 1
}

@test "remove: where the kernel has taken the file away and not the vGPU, that is no success" {
	a40
	pve_vgpu create A40-24A --uuid $U1
	fault write '*/remove' ENOENT
	run -1 pve_vgpu remove $U1
	assert_output "/remove': the kernel has taken that file away, and the vGPU is still there"
	assert_output 'hint: where it stays so'
	assert_equal "$(mdevs)" $U1
	run -0 pve_vgpu remove $U1
	assert_equal "$(mdevs)" ''
}
