#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `params` of the settings: plugin parameters of a VM's vGPUs.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034,SC2030,SC2031

load hook_helper

VF=0000:e8:00.4

# params_of UUID-OR-BDF
params_of() {
	cat "$SYS/$(device "$1")/nvidia/vgpu_params"
}

# one FRAMEWORK PARAMS [LINE…]: an A40 and vm 100 with these params
one() {
	local framework=$1 params=$2

	shift 2
	a40 "\"framework\": \"$framework\""
	settings '[defaults]' 'lock-wait = 2' 'cleanup-wait = 0' '[vm 100]' 'hostpci0 = A40-24A' "params = $params" "$@"
	if [ "$framework" = mdev ]; then
		with_args 100
		DEV=$(uuid 100)
	else
		at 100 $VF
		DEV=$VF
	fi
}

each_framework() {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		echo "# $f"
		"$@" $f
	done
}

written() {
	one "$1" 'frame_rate_limiter=0, disable_vnc=1'
	run hook 100 pre-start
	assert_success
	assert_equal "$(params_of "$DEV")" frame_rate_limiter=0,disable_vnc=1
}

@test "params: written to the vGPU when it is made, on both frameworks" {
	each_framework written
}

cost() {
	local bare

	one "$1" 'frame_rate_limiter=0'
	hook 100 pre-start
	hook 100 post-stop
	sed -i /params/d "$ROOT/etc/pve/pve-vgpu.conf"
	ops_reset
	hook 100 pre-start
	bare=$(ops)
	hook 100 post-stop
	echo 'params = frame_rate_limiter=0' >> "$ROOT/etc/pve/pve-vgpu.conf"
	ops_reset
	hook 100 pre-start
	assert_equal "$(ops)" $((bare + 2))
	assert_equal "$(count_ops .vgpu_params.read) $(count_ops .vgpu_params.write)" "1 1"
}

@test "params: cost one write and one read" {
	each_framework cost
}

@test "params: each of a VM's vGPUs gets them, another VM's does not" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-8Q' 'params = vgpu-placement-id=12' \
		'[vm 101]' 'hostpci0 = A40-24A'
	vm 100
	vm 101
	hook 100 pre-start
	hook 101 pre-start
	assert_equal "$(params_of "$(uuid 100 0)")" vgpu-placement-id=12
	assert_equal "$(params_of "$(uuid 100 1)")" vgpu-placement-id=12
	assert_equal "$(params_of "$(uuid 101)")" ''
}

refused() {
	local e

	one "$1" 'frame_rate_limiter=0'
	for e in EINVAL EIO EPERM LOST; do
		fault write '*/vgpu_params' $e
		run -1 hook 100 pre-start
		assert_output "vm 100: pre-start: hostpci0: params: write 'frame_rate_limiter=0'"
		assert_output "hint: check the parameters' names"
		refute_output 'trying the next place'
		assert_equal "$(mdevs)$(vendor_vgpus)" ''
		assert_no_state 100
	done
	fault read '*/vgpu_params' EIO
	run -1 hook 100 pre-start
	assert_equal "$(mdevs)$(vendor_vgpus)$(reservations)" ''
	assert_no_state 100
	run hook 100 pre-start
	assert_success
}

@test "params: where the driver does not take or keep them, the vGPU goes again and the VM does not start" {
	mdevs() { ls "$SYS/bus/mdev/devices" 2> /dev/null || true; }
	vendor_vgpus() { { grep -Hvx 0 "$SYS"/bus/pci/devices/*/nvidia/current_vgpu_type 2> /dev/null || true; }; }
	each_framework refused
}

@test "params: the second vGPU's are refused: the first goes too" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-24A' 'params = a=1'
	vm 100
	fault write "*/$(uuid 100 1)/nvidia/vgpu_params" EINVAL
	run -1 hook 100 pre-start
	assert_output "hostpci1: params: write 'a=1'"
	assert_equal "$(mdevs)" ''
	assert_no_state 100
}

adopted() {
	one "$1" 'frame_rate_limiter=0'
	hook 100 pre-start
	echo ' ' > "$SYS/$(device "$DEV")/nvidia/vgpu_params"
	run hook 100 pre-start
	assert_success
	assert_equal "$(params_of "$DEV")" frame_rate_limiter=0
	ops_reset
	run hook 100 pre-start
	assert_success
	assert_equal "$(count_ops .vgpu_params.read) $(count_ops .vgpu_params.write)" "1 1"
	assert_equal "$(count_ops .create.write)" 0
}

@test "params: a vGPU that was there before, and nobody has open, gets them" {
	each_framework adopted
}

adopted_refused() {
	one "$1" 'frame_rate_limiter=0'
	hook 100 pre-start
	fault write '*/vgpu_params' EINVAL
	ops_reset
	run -1 hook 100 pre-start
	assert_output 'hostpci0: params: '
	assert_equal "$(count_ops .remove.write) $(count_ops .current_vgpu_type.write)" "0 0"
	assert_equal "$(state 100 '.vgpus | length')" 1
	run hook 100 pre-start
	assert_success
	assert_equal "$(count_ops .create.write) $(count_ops .current_vgpu_type.write)" "0 0"
	assert_equal "$(params_of "$DEV")" frame_rate_limiter=0
}

@test "params: one that was there before and does not take them: no start, and it is still on record" {
	each_framework adopted_refused
}

held() {
	one "$1" 'frame_rate_limiter=0'
	hook 100 pre-start
	qemu 100 "$DEV"
	hook 100 post-start
	sed -i 's/^params.*/params = disable_vnc=1/' "$ROOT/etc/pve/pve-vgpu.conf"
	ops_reset
	run hook 100 pre-start
	assert_success
	assert_equal "$(count_ops .vgpu_params.write)" 0
	assert_equal "$(params_of "$DEV")" frame_rate_limiter=0
}

@test "params: what the VM's own QEMU has open keeps what it has" {
	each_framework held
}

@test "params: of another form stop that VM, with file and line, and no other" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A' 'params = frame_rate_limiter' '[vm 101]' 'hostpci0 = A40-24A'
	vm 100
	vm 101
	run -1 hook 100 pre-start
	assert_output "/etc/pve/pve-vgpu.conf:3: 'params': 'frame_rate_limiter' is not of the form name=value,name=value"
	assert_equal "$(mdevs)" ''
	run hook 101 pre-start
	assert_success
	assert_output "pve-vgpu.conf:3: 'params'"
}

@test "params: nothing of them reaches a shell or another file" {
	node a40x8-mdev
	# shellcheck disable=SC2016
	settings '[vm 100]' 'hostpci0 = A40-24A' 'params = a=$(touch${IFS}/tmp/x),b=../../../x,c=%s%n'
	vm 100
	run hook 100 pre-start
	assert_success
	# shellcheck disable=SC2016
	assert_equal "$(params_of "$(uuid 100)")" 'a=$(touch${IFS}/tmp/x),b=../../../x,c=%s%n'
}

@test "params: a type that takes none says so" {
	node gvtg
	name=$(pve_vgpu types --json | jq -r '.[0].name')
	settings '[vm 100]' "hostpci0 = $name" 'params = a=1'
	vm 100
	run -1 hook 100 pre-start
	assert_output 'hint: this driver takes no parameters: leave them out'
	assert_equal "$(mdevs)" ''
}

@test "params: what qemu-server makes itself would get none, and the start is refused" {
	node a40x8-mdev
	rm "$ROOT/etc/pve/local"
	settings '[vm 100]' 'hostpci0 = A40-24A' 'params = a=1'
	vm 100 'hostpci0: mapping=gpus,mdev=nvidia-575'
	run -1 hook 100 pre-start
	assert_output "hostpci0: qemu-server makes the vGPU itself, from mapping 'gpus' (which node this is cannot be told), and nobody would write its params"
	assert_no_state 100
}

@test "params: a driver that answers EAGAIN is a failure like another, at once" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A' 'params = frame_rate_limiter=0'
	vm 100
	pve_vgpu types > /dev/null
	fault write '*vgpu_params' EAGAIN 1000
	ops_reset
	run -1 hook 100 pre-start
	assert_output 'Resource temporarily unavailable'
	refute_output '(null)'
	[ "$(ops)" -le 6 ]
	assert_equal "$(mdevs)" ''
}
