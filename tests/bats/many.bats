#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Many at once, and a random life: SEED=n STEPS=n choose it, the seed is printed where it fails.

# bats runs each test in a subshell of its own:
# shellcheck disable=SC2030,SC2031

load helper

setup_file() {
	# shellcheck disable=SC2154	# bats sets it
	export RANDOM_LIFE=$BATS_FILE_TMPDIR/random

	${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -o "$RANDOM_LIFE" \
		"$BATS_TEST_DIRNAME/../stress/random.c"
}

teardown() {
	node_teardown
}

# --- words ------------------------------------------------------------------------------------

# vms FIRST LAST TYPE: VMs with an intent and PVE's leave to use it
vms() {
	local v

	for ((v = $1; v <= $2; v++)); do
		vm "$v"
		intent "$v" "$3"
	done
}

# at_once PHASE VMID…: the phase of all of them at once. What each said is in
# LOGS/<vmid>, OK and FAILED have those whose hook gave 0 and 1, OTHER the rest.
at_once() {
	local phase=$1 v
	local -A pid

	shift
	LOGS=$BATS_TEST_TMPDIR/logs
	OK='' FAILED='' OTHER=''
	mkdir -p "$LOGS"
	for v; do
		"$PVE_VGPU" --root "$ROOT" "$v" "$phase" > "$LOGS/$v" 2>&1 3>&- &
		pid[$v]=$!
		PIDS="${PIDS:-} $!"
	done
	for v; do
		status=0
		wait "${pid[$v]}" || status=$?
		case $status in
		0) OK="$OK $v" ;;
		1) FAILED="$FAILED $v" ;;
		*) OTHER="$OTHER $v:$status" ;;
		esac
	done
	PIDS=
}

words() {
	echo $#
}

# Run states as "VMID PARENT TYPE UUID" lines
states() {
	local f

	for f in "$ROOT"/run/pve-vgpu/*.json; do
		[ -e "$f" ] || continue
		jq -r '"\(.vmid) \(.vgpus[] | "\(.parent) \(.type) \(.uuid // "-")")"' "$f"
	done
}

# vGPUs in sysfs as "PARENT TYPE" lines; what slows the driver down ends here
there() {
	local d type

	delay clear
	# No cat and no basename for each of 256 VFs.
	for d in "$SYS"/bus/pci/devices/*/nvidia/current_vgpu_type; do
		[ -e "$d" ] || break
		read -r type < "$d"
		d=${d%/nvidia/*}
		[ "$type" = 0 ] || echo "${d##*/} nvidia-$type"
	done
	for d in "$SYS"/bus/mdev/devices/*; do
		[ -e "$d" ] || continue
		echo "$(basename "$(dirname "$(readlink "$d")")") $(basename "$(readlink "$d/mdev_type")")"
	done
}

gpu_of() {
	basename "$(readlink "$SYS/bus/pci/devices/$1/physfn")"
}

# Sixteen VMs have what there is: 16 VFs, two on each GPU, and all of it on record
assert_full_house() {
	local parents gpus

	assert_equal "$(states | cut -d' ' -f2,3 | sort)" "$(there | sort)"
	assert_equal "$(states | cut -d' ' -f1 | sort -n | xargs)" "$(xargs <<< "$OK")"
	parents=$(states | cut -d' ' -f2)
	assert_equal "$(sort -u <<< "$parents" | wc -l)" 16
	gpus=$(while read -r p; do gpu_of "$p"; done <<< "$parents" | sort | uniq -c | awk '{ print $1 }' | sort -u)
	assert_equal "$gpus" 2
}

# Nothing of a start remains, not even a file that was about to be renamed
assert_nothing_left() {
	assert_equal "$(there)" ""
	assert_equal "$(find "$ROOT/run/pve-vgpu" -name '*.json*')" ""
	if [ -s "$ROOT/run/qemu-server/pci-id-reservations" ]; then
		cat "$ROOT/run/qemu-server/pci-id-reservations"
		return 1
	fi
}

# slow_down [PATTERN MS]…
slow_down() {
	while [ $# -gt 0 ]; do
		delay "$1" "$2"
		shift 2
	done
}

# rush NODE [PATTERN MS]…: 96 VMs start at once where 16 have room
rush() {
	local begin v

	node "$1"
	shift
	# Each has its answer, also on a machine on which the last of them has to wait for minutes.
	settings '[defaults]' 'lock-wait = 600'
	vms 100 195 A40-24A
	vms 200 215 A40-24A
	slow_down "$@"

	begin=$SECONDS
	# shellcheck disable=SC2046
	at_once pre-start $(seq 100 195)
	echo "96 pre-starts took $((SECONDS - begin)) s"
	assert_equal "$OTHER" ""
	# shellcheck disable=SC2086
	assert_equal "$(words $OK) $(words $FAILED)" "16 80"
	for v in $FAILED; do
		output=$(< "$LOGS/$v")
		assert_output "pve-vgpu: vm $v: pre-start: "
		assert_output "A40-24A: no GPU of this node has room"
		# By the rules, or where they are not known yet, by the driver's word.
		[[ $output == *"full: 2 of 2"* || $output == *"the driver has no room"* ]]
	done
	assert_full_house
	assert_equal "$(find "$ROOT/run/pve-vgpu" -name '*.tmp')" ""

	slow_down "$@"
	# shellcheck disable=SC2086
	at_once post-stop $OK
	assert_equal "$FAILED$OTHER" ""
	assert_nothing_left
	slow_down "$@"
	# shellcheck disable=SC2046
	at_once pre-start $(seq 200 215)
	assert_equal "$FAILED$OTHER" ""
	assert_full_house
}

# --- 96 for 16 ----------------------------------------------------------------------------------

@test "96 VMs at once for 16 places: 16 start, 80 are told that it is full (mdev)" {
	rush a40x8-mdev
}

@test "96 VMs at once for 16 places: 16 start, 80 are told that it is full (vendor VFIO)" {
	rush a40x8-vfio
}

@test "96 VMs at once and a slow driver (mdev)" {
	rush a40x8-mdev '*/create' 100 '*/available_instances' 50
}

@test "96 VMs at once and a slow driver (vendor VFIO)" {
	rush a40x8-vfio '*/current_vgpu_type' 100 '*/creatable_vgpu_types' 50
}

# --- gc -----------------------------------------------------------------------------------------

# two_gc NODE: eight dead VMs, two starting ones, two gc
two_gc() {
	local v one two

	node "$1"
	settings '[defaults]'
	vms 100 109 A40-24A
	at_once pre-start {100..109}
	assert_equal "$FAILED$OTHER" ""
	for v in {100..107}; do
		age "$v" 600
	done
	"$PVE_VGPU" --root "$ROOT" gc > "$BATS_TEST_TMPDIR/one" 2>&1 3>&- &
	one=$!
	"$PVE_VGPU" --root "$ROOT" gc > "$BATS_TEST_TMPDIR/two" 2>&1 3>&- &
	two=$!
	PIDS="$one $two"
	wait "$one"
	wait "$two"
	PIDS=
	cat "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two"
	assert_equal "$(states | cut -d' ' -f1 | xargs)" "108 109"
	assert_equal "$(states | cut -d' ' -f2,3 | sort)" "$(there | sort)"
	assert_equal "$(grep -h ': removed$' "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two" | sort -u | wc -l)" 8
}

@test "two gc at once share the dead and leave the young (mdev)" {
	two_gc a40x8-mdev
}

@test "two gc at once share the dead and leave the young (vendor VFIO)" {
	two_gc a40x8-vfio
}

# gc_against_starts NODE GRACE ATTRIBUTE: gc over and over while twenty VMs start
gc_against_starts() {
	local v lock gc

	node "$1"
	settings '[defaults]' "start-grace = $2"
	vms 100 119 A40-12Q
	delay "$3" 50
	if [ "$2" = 0 ]; then	# then PVE's lock alone protects a start
		for v in {100..119}; do
			exec {lock}> "$ROOT/run/lock/qemu-server/lock-$v.conf"
			flock "$lock"
		done
	fi
	(
		exec 3>&-
		while [ ! -e "$BATS_TEST_TMPDIR/stop" ]; do
			pve_vgpu gc || touch "$BATS_TEST_TMPDIR/failed"
		done
	) > "$BATS_TEST_TMPDIR/gc" 2>&1 &
	gc=$!
	at_once pre-start {100..119}
	pve_vgpu gc > /dev/null
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$gc"
	grep -q kept: "$BATS_TEST_TMPDIR/gc"
	[ ! -e "$BATS_TEST_TMPDIR/failed" ]
	assert_equal "$FAILED$OTHER" ""
	assert_equal "$(states | wc -l)" 20
	assert_equal "$(states | cut -d' ' -f2,3 | sort)" "$(there | sort)"
	if grep removed "$BATS_TEST_TMPDIR/gc"; then
		return 1
	fi
}

@test "gc takes nothing of twenty VMs that start (mdev)" {
	gc_against_starts a40x8-mdev 300 '*/create'
}

@test "gc takes nothing of twenty VMs that start (vendor VFIO)" {
	gc_against_starts a40x8-vfio 300 '*/current_vgpu_type'
}

@test "gc takes nothing while PVE holds the lock, be the claim as old as it may (mdev)" {
	gc_against_starts a40x8-mdev 0 '*/create'
}

@test "gc takes nothing while PVE holds the lock, be the claim as old as it may (vendor VFIO)" {
	gc_against_starts a40x8-vfio 0 '*/current_vgpu_type'
}

# --- a random life --------------------------------------------------------------------------------

random_life() {
	node "$1"
	run "$RANDOM_LIFE" "$ROOT" "$PVE_VGPU" "${SEED:-1}" "${STEPS:-300}"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "a random life of twenty VMs, with crashes and faults (mdev)" {
	random_life a40x8-mdev
}

@test "a random life of twenty VMs, with crashes and faults (vendor VFIO)" {
	random_life a40x8-vfio
}

# --- what the random life has found ---------------------------------------------------------------

# crash_before_create VMID: its pre-start is killed between the claim and the create
crash_before_create() {
	local pid

	delay '*/creatable_vgpu_types' 60000
	# Not through hook(), whose process would be the shell.
	"$PVE_VGPU" --root "$ROOT" "$1" pre-start > /dev/null 2>&1 3>&- &
	pid=$!
	PIDS=$pid
	until [ -e "$ROOT/run/pve-vgpu/$1.json" ]; do
		kill -0 "$pid"
		sleep 0.02
	done
	kill -9 "$pid"
	wait "$pid" || true
	PIDS=
	delay clear
}

# A node whose first VF holds a vGPU of somebody else's, of the type that vm 100 wants
foreign_on_first() {
	node a40x8-vfio
	settings '[defaults]' 'cleanup-wait = 0'
	vm 100
	intent 100 A40-24A
	pve_vgpu types > /dev/null
	echo 575 > "$SYS/bus/pci/devices/0000:67:00.4/nvidia/current_vgpu_type"
}

@test "crash before the create: a foreign vGPU on the claimed VF is not adopted (vendor VFIO)" {
	foreign_on_first
	crash_before_create 100
	run hook 100 pre-start
	assert_success
	[ "$(jq -r '.vgpus[0].parent' "$ROOT/run/pve-vgpu/100.json")" != 0000:67:00.4 ]
	run hook 100 post-stop
	assert_success
	assert_equal "$(there)" "0000:67:00.4 nvidia-575"
}

@test "crash before the create: gc drops the claim and leaves the foreign vGPU (vendor VFIO)" {
	foreign_on_first
	crash_before_create 100
	age 100 600
	run pve_vgpu gc
	assert_success
	assert_equal "$(states)" ""
	assert_equal "$(there)" "0000:67:00.4 nvidia-575"
}

@test "crash before the create: gc drops the claim though others have the VF open (vendor VFIO)" {
	foreign_on_first
	crash_before_create 100
	age 100 600
	qemu 900 0000:67:00.4
	run pve_vgpu gc
	assert_success
	assert_equal "$(states)" ""
	assert_equal "$(there)" "0000:67:00.4 nvidia-575"
}

@test "create: what cannot be read back is not left behind without a record (vendor VFIO)" {
	node a40x8-vfio
	settings '[defaults]' 'cleanup-wait = 0'
	vm 100
	intent 100 A40-24A
	pve_vgpu types > /dev/null
	fault read '*/current_vgpu_type' EIO 1
	run hook 100 pre-start
	fault clear
	assert_equal "$(states | cut -d' ' -f2,3)" "$(there)"
	run hook 100 post-stop
	assert_success
	assert_equal "$(there)" ""
}

@test "two vGPUs of one VM: where one is gone, the other does not serve for both (vendor VFIO)" {
	node a40x8-vfio
	settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-24A'
	vm 100
	run hook 100 pre-start
	assert_success
	echo 0 > "$SYS/bus/pci/devices/$(jq -r '.vgpus[0].parent' "$ROOT/run/pve-vgpu/100.json")/nvidia/current_vgpu_type"
	run hook 100 pre-start
	assert_success
	assert_equal "$(states | cut -d' ' -f2 | sort -u | wc -l)" 2
	assert_equal "$(states | cut -d' ' -f2,3 | sort)" "$(there | sort)"
}

@test "names: two that learn at once lose nothing of each other (vendor VFIO)" {
	node a40x8-vfio
	settings '[defaults]'
	vm 100
	intent 100 A40-24A
	# The first to look waits for the driver and needs one GPU; meanwhile another has learned all eight.
	delay '*/creatable_vgpu_types' 1000
	"$PVE_VGPU" --root "$ROOT" 100 pre-start > "$BATS_TEST_TMPDIR/slow" 2>&1 3>&- &
	PIDS=$!
	sleep 0.3
	delay clear
	pve_vgpu types > /dev/null
	wait "$PIDS"
	PIDS=
	assert_equal "$(jq '.gpus | length' "$ROOT"/var/lib/pve-vgpu/*.json)" 8
}
