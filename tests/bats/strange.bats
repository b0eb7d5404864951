#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Drivers that say one thing and do another, as real hosts have.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034,SC2030,SC2031

load hook_helper

GPU=0000:e8:00.0

# A vGPU is waited for 300 ms, and behind the first that has not come for less: 32 full waits were more than the limits here.

# made_nothing [VMID…]: the A40 whose VFs on nvidia take a create and make nothing; two are on vfio-pci
made_nothing() {
	local v

	node a40-created-nothing
	settings '[defaults]' 'lock-wait = 20' 'cleanup-wait = 0'
	for v; do
		intent "$v" A40-8Q
		vm "$v"
	done
	fault write '*/nvidia-*/create' LOST 100000
}

@test "a driver that makes nothing: the VM gets a VF of the other driver, at once" {
	made_nothing 100 101
	ops_reset
	took_less 6000 hook 100 pre-start
	assert_success
	# one that makes nothing tells of all under its driver
	assert_equal "$(count_ops .create.write)" 2
	assert_output "A40-8Q on 0000:e8:00.4: write '$(uuid 100)'"
	assert_output 'the driver reported success and made nothing; trying the next place'
	assert_equal "$(parent_of "$(uuid 100)") $(type_of "$(uuid 100)")" '0000:e8:04.0 vfio-pci-562'
	took_less 6000 hook 101 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 101)")" 0000:e8:04.1
	assert_equal "$(mdevs | wc -l)" 2
}

@test "a driver that makes nothing: where no other VF is free, the refusal says so, without a long wait at each" {
	made_nothing 100 101 102
	hook 100 pre-start
	hook 101 pre-start
	took_less 6000 hook 102 pre-start
	assert_failure
	assert_output "A40-8Q on $GPU: 30 of its 32 VFs took the create and made nothing, the last one 0000:e8:04.3"
	assert_output 'hint: the driver made nothing'
	assert_equal "$(grep -c 'trying the next place' <<< "$output")" 1
	assert_no_state 102
	assert_equal "$(mdevs | wc -l)" 2
}

@test "a driver that makes nothing: two vGPUs of one VM" {
	made_nothing
	settings '[vm 100]' 'hostpci0 = A40-8Q' 'hostpci1 = A40-8Q'
	vm 100
	took_less 6000 hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100 0)") $(parent_of "$(uuid 100 1)")" '0000:e8:04.0 0000:e8:04.1'
}

@test "a driver that makes nothing: create gets one too" {
	made_nothing
	took_less 6000 pve_vgpu create A40-8Q
	assert_success
	assert_output 'A40-8Q (nvidia-562) on 0000:e8:04.0'
}

@test "a driver that makes nothing once: the next VF of its kind serves" {
	a40
	# On a busy machine a second is over before the second place.
	settings '[defaults]' 'lock-wait = 20'
	intent 100 A40-24A
	vm 100
	fault write '*/create' LOST 1
	took_less 6000 hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100)")" 0000:e8:00.5
}

@test "a driver that makes nothing on any VF: refused without a long wait at each" {
	a40
	settings '[defaults]' 'lock-wait = 20'
	intent 100 A40-24A
	vm 100
	fault write '*/create' LOST 100000
	took_less 6000 hook 100 pre-start
	assert_failure
	assert_output "A40-24A on $GPU: 32 of its 32 VFs took the create and made nothing"
	assert_no_state 100
}

@test "a driver that makes nothing: another GPU comes first" {
	node_json <<< '{"gpus":[{"bdf":"0000:17:00.0"},{"bdf":"0000:65:00.0"}],
		"vf_drivers":{"0000:17:04.3":"vfio-pci"}}'
	intent 100 A40-24A
	vm 100
	fault write '*/0000:17:*/create' LOST 100000
	took_less 6000 hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100)")" 0000:65:00.4
}

@test "a driver that makes nothing: GPUs with a VF of another driver come before those without" {
	node_json <<< '{"gpus":[{"bdf":"0000:17:00.0"},{"bdf":"0000:65:00.0"}],
		"vf_drivers":{"0000:65:04.3":"vfio-pci"}}'
	intent 100 A40-24A
	vm 100
	fault write '*/nvidia-*/create' LOST 100000
	took_less 6000 hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100)")" 0000:65:04.3
	assert_equal "$(grep -c 'trying the next place' <<< "$output")" 1
}

@test "VFs of one GPU under different drivers: types remarks on it, and reads nothing for it" {
	node a40-created-nothing
	pve_vgpu types > /dev/null 2>&1
	run --separate-stderr pve_vgpu types
	assert_success
	assert_contains "$stderr" "GPU $GPU: its VFs were set up under different drivers: nvidia (0000:e8:00.4 and 29 more), vfio-pci (0000:e8:04.0 and 1 more)"
	ops_reset
	pve_vgpu types > /dev/null 2>&1
	assert_equal "$(ops)" 1
}

@test "VFs of one GPU under one driver: no remark" {
	node a40x8-mdev
	run --separate-stderr pve_vgpu types
	assert_success
	assert_equal "$stderr" ''
}
