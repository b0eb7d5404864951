#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# A small part of what `make check-load` does, and that its oracle sees what is wrong.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

LOAD=$TOP/tests/load/run
export PVE_VGPU

# all_passed N: that many at least
all_passed() {
	assert_success
	[[ ${lines[-1]} =~ ^([0-9]+)\ passed,\ 0\ failed$ ]]
	[ "${BASH_REMATCH[1]}" -ge "$1" ]
}

@test "load: each rule that is broken on purpose is found broken" {
	run "$LOAD" --selftest mdev
	all_passed 20
}

@test "load: a hundred hooks of twenty VMs, twenty at a time (mdev)" {
	LOCKS=none run "$LOAD" --hooks 100 --vms 20 --at-once 20 mdev
	all_passed 8
	assert_output '100 hooks of 20 VMs'
}

@test "load: a hundred hooks of twenty VMs, twenty at a time (vendor VFIO)" {
	LOCKS=none run "$LOAD" --hooks 100 --vms 20 --at-once 20 nvidia-vfio
	all_passed 8
	assert_output '100 hooks of 20 VMs'
}
