#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# A hook that hangs in the driver of one GPU: VMs that need another come and go.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

# hang PATTERN: what is asked of the driver there stands; stands PATTERN: somebody does; go_on: all of it goes on
hang() { echo "$1 yes" > "$SYS/.sim/hang"; }
stands() { grep -qFx "$1 1" "$SYS/.sim/hang"; }
go_on() { echo clear > "$SYS/.sim/hang"; }

# two_gpus mdev|vfio: VM 100 is to get half of the first GPU; VMs 101 and 102 are of another size, for which the first has no room then
two_gpus() {
	local v

	node_json <<< "{\"gpus\": [
		{\"bdf\": \"$PF1\", \"framework\": \"$1\", \"totalvfs\": 4},
		{\"bdf\": \"$PF2\", \"framework\": \"$1\", \"totalvfs\": 4}]}"
	settings '[defaults]' 'cleanup-wait = 60' 'lock-wait = 60'
	vm 100
	intent 100 A40-24A
	for v in 101 102; do
		vm "$v"
		intent "$v" A40-12A
	done
	pve_vgpu types > /dev/null
}

# gpu_of VMID: where its record says that its vGPU is; nothing without one
gpu_of() {
	[ ! -e "$ROOT/run/pve-vgpu/$1.json" ] || state "$1" '.vgpus[0].gpu'
}

# device_of VMID: the UUID or VF
device_of() {
	state "$1" '.vgpus[0] | .uuid // .parent'
}

# another_lives VMID: it starts, runs and stops on the second GPU
another_lives() {
	run hook "$1" pre-start
	assert_success
	assert_equal "$(gpu_of "$1")" "$PF2"
	refute_output waiting
	qemu "$1" "$(device_of "$1")"
	run hook "$1" post-start
	assert_success
	qemu_gone "$1"
	# Else the driver gets its four fifths of cleanup-wait.
	sed -i 's/^cleanup-wait = 60/cleanup-wait = 0/' "$ROOT/etc/pve/pve-vgpu.conf"
	run hook "$1" post-stop
	assert_success
	refute_output waiting
	assert_no_state "$1"
}

# nothing_there: neither on the mdev bus nor on a vendor VF
nothing_there() {
	[ ! -e "$SYS/bus/mdev/devices" ] || assert_equal "$(mdevs)" ''
	assert_equal "$(vendor_vgpus)" ''
	assert_equal "$(find "$ROOT/run/pve-vgpu" -name '*.json*')" ''
	assert_equal "$(reservations)" ''
}

# create_hangs mdev|nvidia-vfio PATTERN
create_hangs() {
	two_gpus "$1"
	hang "$2"
	in_background 100 pre-start
	soon stands "$2"
	another_lives 101
	run pve_vgpu gc
	assert_success
	assert_output 'vm 100: kept'
	another_lives 102
	# It has stood there all that time.
	stands "$2"
	go_on
	finished
	assert_success
	assert_equal "$(gpu_of 100)" "$PF1"
	run hook 100 post-stop
	assert_success
	nothing_there
}

@test "create hangs on one GPU: VMs that need another come and go, and the one that stood there has its vGPU (mdev)" {
	create_hangs mdev "*/$VF1/mdev_supported_types/nvidia-575/create"
}

@test "create hangs on one GPU: VMs that need another come and go, and the one that stood there has its vGPU (vendor VFIO)" {
	create_hangs nvidia-vfio "*/$VF1/nvidia/current_vgpu_type"
}

# remove_hangs mdev|nvidia-vfio: VM 100's, which never ran, so that its post-stop goes to the driver at once
remove_hangs() {
	local pattern

	two_gpus "$1"
	run hook 100 pre-start
	assert_success
	pattern="*/$(device_of 100)/remove"
	[ "$1" = mdev ] || pattern="*/$VF1/nvidia/current_vgpu_type"
	hang "$pattern"
	in_background 100 post-stop
	soon stands "$pattern"
	another_lives 101
	run pve_vgpu gc
	assert_success
	another_lives 102
	assert_equal "$(gpu_of 100)" "$PF1"
	go_on
	finished
	assert_success
	nothing_there
}

@test "remove hangs on one GPU: VMs that need another come and go, and the one that stood there is done (mdev)" {
	remove_hangs mdev
}

@test "remove hangs on one GPU: VMs that need another come and go, and the one that stood there is done (vendor VFIO)" {
	remove_hangs nvidia-vfio
}

# --- waiting for what hangs -----------------------------------------------------------

@test "a claim that hangs is waited for by the clock, however long each look at it takes" {
	local trace=$BATS_TEST_TMPDIR/trace looks

	a40
	settings '[defaults]' 'lock-wait = 60'
	vm 100
	intent 100 A40-24A
	vm 101
	intent 101 A40-12A
	pve_vgpu types > /dev/null
	hang '*/create'
	in_background 100 pre-start
	soon stands '*/create'
	# As where many wait for the node lock. LeakSanitizer does not work where strace looks on.
	ASAN_OPTIONS=detect_leaks=0 run strace -o "$trace" -y -e trace=flock -e inject=flock:delay_enter=300000 "$PVE_VGPU" --root "$ROOT" 101 pre-start
	assert_failure 1
	assert_output 'no GPU of this node has room'
	looks=$(grep -c '/locks/node>' "$trace")
	# Five seconds of at least 0.35 each, and once more after what dead VMs hold was looked for; by the sleeps alone they would be a hundred.
	[ "$looks" -gt 0 ] && [ "$looks" -lt 30 ] || { echo "$looks looks under the node lock"; return 1; }
	go_on
	finished
	assert_success
}

# --- gc ---------------------------------------------------------------------------------

# ended PID
ended() { ! kill -0 "$1" 2> /dev/null; }

# dead_on_both mdev|nvidia-vfio PATTERN: VM 100 hangs on the first GPU; dead VMs have a place on it and all of the second one
dead_on_both() {
	local v

	two_gpus "$1"
	for v in 103 110 111; do
		vm "$v"
	done
	intent 103 A40-24A
	printf '[vm %s]\nhostpci0 = A40-48A\ngpu = %s\n' 110 "$PF2" 111 "$PF2" >> "$ROOT/etc/pve/pve-vgpu.conf"
	for v in 103 110; do
		run hook "$v" pre-start
		assert_success
		age "$v" 600
	done
	assert_equal "$(gpu_of 103) $(gpu_of 110)" "$PF1 $PF2"
	hang "$2"
	in_background 100 pre-start
	soon stands "$2"
	HANGING=$PID
}

# makes_room mdev|nvidia-vfio PATTERN: a start that finds its GPU full of what a dead VM has left
makes_room() {
	dead_on_both "$@"
	in_background 111 pre-start
	soon ended "$PID"
	finished
	assert_success
	assert_output 'made room: vm 110'
	assert_equal "$(gpu_of 111)" "$PF2"
	assert_equal "$(gpu_of 103)" "$PF1"
	go_on
	wait "$HANGING"
	run pve_vgpu gc
	assert_success
	assert_output 'vm 103: A40-24A on '
	assert_no_state 103
}

@test "a GPU hangs on which a dead VM has left something: a start that needs another has what is collected there (mdev)" {
	makes_room mdev '*/0000:67:00.*/mdev_supported_types/*'
}

@test "a GPU hangs on which a dead VM has left something: a start that needs another has what is collected there (vendor VFIO)" {
	makes_room nvidia-vfio '*/0000:67:00.*/nvidia/*'
}

@test "a GPU hangs on which a dead VM has left something: gc says so, and collects elsewhere (vendor VFIO)" {
	dead_on_both nvidia-vfio '*/0000:67:00.*/nvidia/*'
	in_background gc
	soon ended "$PID"
	finished
	assert_success
	assert_output 'vm 110: A40-48A on '
	assert_output "vm 103: kept: the lock of GPU $PF1 is held by vm 100 pre-start"
	go_on
	wait "$HANGING"
}

@test "a GPU hangs on which create has made one: gc leaves its record, and ends (vendor VFIO)" {
	two_gpus nvidia-vfio
	pve_vgpu create A40-24A --gpu $PF1
	age standalone/$VF1 600
	hang '*/0000:67:00.*/nvidia/*'
	in_background 100 pre-start
	soon stands '*/0000:67:00.*/nvidia/*'
	HANGING=$PID
	in_background gc
	soon ended "$PID"
	finished
	assert_success
	[ -e "$ROOT/run/pve-vgpu/standalone/$VF1.json" ]
	go_on
	wait "$HANGING"
}

@test "a UUID that somebody takes while the driver is asked: the start is refused, and that vGPU stays (mdev)" {
	two_gpus mdev
	hang "*/$VF1/mdev_supported_types/*/available_instances"
	in_background 100 pre-start
	soon stands "*/$VF1/mdev_supported_types/*/available_instances"
	make "$(uuid 100)" $VF1 nvidia-575
	go_on
	soon ended "$PID"
	finished
	assert_failure 1
	assert_output "UUID $(uuid 100) is in use by a A40-24A on $VF1"
	assert_output 'hint: `pve-vgpu list` shows whose it is'
	assert_equal "$(mdevs)" "$(uuid 100)"
}
