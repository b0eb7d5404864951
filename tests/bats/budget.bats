#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# How often each command goes to the driver.

load helper

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

# at_most N: operations since ops_reset
at_most() {
	[ "$(ops)" -le "$1" ] || { echo "more than $1:"; cat "$SYS/.sim/ops"; return 1; }
}

# touched: the attributes that were read or written
touched() {
	jq -r 'del(.total) | keys | join(" ")' "$SYS/.sim/ops"
}

@test "types: the very first run on a node with one A40 takes 2N+2, every later one 2" {
	a40
	ops_reset
	pve_vgpu types > /dev/null
	at_most $((2 * 22 + 2))
	ops_reset
	pve_vgpu types > /dev/null
	at_most 2
}

@test "types: the very first run beside vGPUs, on a full GPU and on PFs as parents takes no more" {
	local n

	for n in a40-foreign a40-full-mdev; do
		ROOT=$BATS_TEST_TMPDIR/$n
		node $n
		ops_reset
		pve_vgpu types > /dev/null
		at_most $((2 * 22 + 2))
	done
	ROOT=$BATS_TEST_TMPDIR/p40
	node p40x2
	ops_reset
	pve_vgpu types > /dev/null
	at_most $((2 * (2 * 25 + 2)))
}

@test "types: MIG-backed types and mixed sizes take 3N+2" {
	a40 '"types": "A100", "totalvfs": 16, "mig": true, "gpu_instances": [{"id": 3, "slices": 1}]'
	ops_reset
	pve_vgpu types > /dev/null
	at_most $((3 * 13 + 2))
	ROOT=$BATS_TEST_TMPDIR/mixed
	a40 '"mixed_size": true' '{"parent": "0000:e8:00.4", "type": 575, "uuid": "11111111-aaaa-4bbb-8ccc-000000000001"}'
	ops_reset
	pve_vgpu types > /dev/null
	at_most $((3 * 22 + 2))
}

@test "types: vendor VFIO takes one list a GPU and one attribute a VF" {
	a40 '"framework": "nvidia-vfio"'
	ops_reset
	pve_vgpu types > /dev/null
	at_most $((32 + 1))
	assert_equal "$(touched)" 'creatable_vgpu_types current_vgpu_type'
}

@test "list: asks nothing of the driver but names, once; on vendor VFIO one attribute a VF" {
	node a40-foreign
	ops_reset
	pve_vgpu list > /dev/null
	at_most $((2 * 22))
	ops_reset
	pve_vgpu list > /dev/null
	at_most 0
	ROOT=$BATS_TEST_TMPDIR/vfio
	node a40-full-vfio
	ops_reset
	pve_vgpu list > /dev/null
	at_most $((32 + 2))
}

@test "16 GPUs with 64 VFs each: types takes 2 a GPU, and the names once" {
	node a40x16-64vf-mdev
	ops_reset
	pve_vgpu types > /dev/null
	at_most $((2 * 22 + 2 * 16))
	assert_equal "$(touched)" 'available_instances description name'
}

@test "16 GPUs with 64 VFs each: create takes 2 on mdev, and no other attribute" {
	node a40x16-64vf-mdev
	pve_vgpu types > /dev/null
	ops_reset
	pve_vgpu create A40-24A
	at_most 4
	assert_equal "$(touched)" 'available_instances create'
}

@test "16 GPUs with 64 VFs each: create by name on a fresh node reads names once beside that" {
	node a40x16-64vf-mdev
	ops_reset
	pve_vgpu create A40-24A
	at_most $((2 * 22 + 4))
	assert_equal "$(touched)" 'available_instances create description name'
}

@test "16 GPUs with 64 VFs each: create takes 3 on vendor VFIO, one more on a fresh node" {
	node a40x16-64vf-vfio
	ops_reset
	pve_vgpu create A40-24A
	at_most 4
	assert_equal "$(touched)" 'creatable_vgpu_types current_vgpu_type'
	ops_reset
	pve_vgpu create A40-24A
	at_most 3
}

@test "16 GPUs with 64 VFs each: a start takes no more than a create" {
	local n

	for n in mdev vfio; do
		ROOT=$BATS_TEST_TMPDIR/$n
		node a40x16-64vf-$n
		pve_vgpu types > /dev/null
		vm 100
		settings '[vm 100]' 'hostpci0 = A40-24A' 'placement = spread'
		ops_reset
		hook 100 pre-start
		at_most 4
		refute_match "$(touched)"
	done
}

# refute_match ATTRIBUTES: none that a start has no business with
refute_match() {
	[[ $1 =~ ^((available_instances|create|creatable_vgpu_types|current_vgpu_type)( |$))+$ ]] || { echo "$1"; return 1; }
}

@test "remove: one write on mdev; with what is read back three on vendor VFIO" {
	local id

	a40
	id=$(pve_vgpu create A40-24A --json | jq -r .uuid)
	ops_reset
	pve_vgpu remove "$id"
	at_most 1
	ROOT=$BATS_TEST_TMPDIR/vfio
	a40 '"framework": "nvidia-vfio"'
	id=$(pve_vgpu create A40-24A --json | jq -r .parent)
	ops_reset
	pve_vgpu remove "$id"
	at_most 4
}

@test "plan: asks nothing of the driver once names are known" {
	a40
	pve_vgpu types > /dev/null
	vm 100
	intent 100 A40-24A
	ops_reset
	pve_vgpu plan 100
	at_most 0
}

# calls COMMAND…: its system calls
calls() {
	# LeakSanitizer does not work where strace looks on.
	ASAN_OPTIONS=detect_leaks=0 strace -qq -o "$BATS_TEST_TMPDIR/calls" "$PVE_VGPU" --root "$ROOT" "$@" > /dev/null 2>&1
	wc -l < "$BATS_TEST_TMPDIR/calls"
}

# fewest COMMAND…: the same, the least of twenty. openat2() has to be tried again, and a path then walked by hand, while anything
# is renamed or mounted anywhere on the machine; that adds to them, and nothing takes from them.
fewest() {
	local n=0 least=''

	for _ in {1..20}; do
		n=$(calls "$@")
		[ -n "$least" ] && [ "$n" -ge "$least" ] || least=$n
	done
	echo "$least"
}

# at_most_per_vf N FRAMEWORK COMMAND…: what each VF adds to them
at_most_per_vf() {
	local limit=$1 framework=$2 few many

	shift 2
	ROOT=$BATS_TEST_TMPDIR/few-$framework-$1
	a40 "\"framework\": \"$framework\", \"totalvfs\": 8"
	pve_vgpu types > /dev/null
	few=$(fewest "$@")
	ROOT=$BATS_TEST_TMPDIR/many-$framework-$1
	a40 "\"framework\": \"$framework\", \"totalvfs\": 32"
	pve_vgpu types > /dev/null
	many=$(fewest "$@")
	[ $((many - few)) -le $((24 * limit)) ] || { echo "$framework $*: $few calls with 8 VFs, $many with 32"; return 1; }
}

@test "types and list: a VF costs a look, no listing; on vendor VFIO one attribute; a start none of it" {
	local cmd

	for cmd in types list; do
		at_most_per_vf 3 mdev $cmd
		at_most_per_vf 4 nvidia-vfio $cmd
	done
	at_most_per_vf 1 mdev create A40-99A
	at_most_per_vf 1 nvidia-vfio create A40-99A
}

@test "list: a process that has nothing open costs four calls" {
	local few many pid

	a40 '' '{"parent": "0000:e8:00.4", "type": 575, "uuid": "11111111-aaaa-4bbb-8ccc-000000000001"}'
	pve_vgpu types > /dev/null
	few=$(fewest list)
	for pid in {500000..500049}; do
		mkdir -p "$ROOT/proc/$pid/fd"
	done
	many=$(fewest list)
	[ $((many - few)) -le $((50 * 4 + 2)) ] || { echo "$few calls without them, $many with 50 of them"; return 1; }
}
