#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# One test for each kind of node: what fits before, beside and after a vGPU, a
# VM's start and stop, what is refused when it is full, and what it costs.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

# room PREFIX [GPU]: all types of the node or the GPU by how many more fit,
# "2: 8A 8Q; 1: 16A", the prefix of their names left out
room() {
	pve_vgpu types --json 2> "$BATS_TEST_TMPDIR/said" | jq -r --arg p "$1" --arg g "${2:-}" '
		[.[] | select($g == "" or .gpu == $g)] | group_by(.available) | reverse |
		map("\(.[0].available): " + (map(.name | ltrimstr($p)) | sort | join(" "))) | join("; ")'
}

# made TYPE [OPTION…]: make one, print its UUID or address
made() {
	pve_vgpu create "$@" --json | jq -r '.uuid // .parent'
}

# types_within N: the first run ever took no more operations than that, nor do later ones
types_within() {
	local i

	for i in 1 2; do
		ops_reset
		pve_vgpu types > /dev/null 2>&1
		[ "$(ops)" -le "$1" ] || { echo "run $i of types: more than $1"; cat "$SYS/.sim/ops"; return 1; }
	done
}

# fills TYPE N: N more can be made, and the one after that is refused
fills() {
	local i

	for ((i = 1; i <= $2; i++)); do
		run pve_vgpu create "$1"
		[ "$status" -eq 0 ] || { echo "$1: $i of $2"; echo "$output"; return 1; }
	done
	run -1 pve_vgpu create "$1"
	assert_output 'no GPU of this node has room'
}

# life TYPE PARENT: a start and a stop of vm 100 there, by an mdev in args
life() {
	settings '[defaults]' 'cleanup-wait = 0' '[vm 100]' "hostpci0 = $1"
	with_args 100
	pre_start_within 4
	assert_equal "$(parent_of "$(uuid 100)")" "$2"
	attached "$1" "$2" "$(uuid 100)"
	[ ! -e "$SYS/bus/mdev/devices/$(uuid 100)" ]
}

# pre_start_within N: vm 100 starts, and that takes no more operations
pre_start_within() {
	ops_reset
	run hook 100 pre-start
	assert_success
	[ "$(ops)" -le "$1" ] || { echo "pre-start: more than $1"; cat "$SYS/.sim/ops"; return 1; }
}

# life_vfio TYPE VF NUMBER: the same on a vendor VF in hostpci0
life_vfio() {
	short_waits
	intent 100 "$1"
	at 100 "$2" "nvidia-$3"
	pre_start_within 6
	assert_equal "$(current "$2")" "$3"
	assert_contains "$(reservations)" "$2 100 time:"
	attached "$1" "$2" "$2"
	assert_equal "$(current "$2")" 0
	assert_equal "$(reservations)" ''
}

# attached TYPE PARENT DEVICE: QEMU opens it, it is in the list, QEMU ends, post-stop
attached() {
	qemu 100 "$3"
	run hook 100 post-start
	assert_success
	assert_equal "$(pve_vgpu list --json | jq -c '.[] | select(.vmid == 100) | [.index, .parent, .name, .owner, .exists, .in_use]')" \
		"[0,\"$2\",\"$1\",\"vm\",true,true]"
	run hook 100 pre-stop
	assert_success
	qemu_gone 100
	run hook 100 post-stop
	assert_success
	assert_equal "$(pve_vgpu list --json | jq '[.[] | select(.vmid == 100)] | length')" 0
	assert_no_state 100
}

# listed: "PARENT NAME OWNER" of each vGPU
listed() {
	pve_vgpu list --json | jq -r '.[] | "\(.parent) \(.name) \(.owner)"'
}

# --- PFs as parents: GPUs without SR-IOV ------------------------------------------

@test "nodes: two T4" {
	local free='16: 1A 1B 1B4 1Q; 8: 2A 2B 2B4 2Q; 4: 4A 4C 4Q; 2: 8A 8C 8Q; 1: 16A 16C 16Q' id

	node t4x2
	types_within $((2 * (2 * 17 + 2)))
	assert_equal "$(room T4- 0000:3b:00.0)" "$free"
	assert_equal "$(room T4- 0000:86:00.0)" "$free"
	id=$(made T4-2Q)
	assert_equal "$(listed)" '0000:3b:00.0 T4-2Q standalone'
	assert_equal "$(room T4- 0000:3b:00.0)" '7: 2A 2B 2B4 2Q; 0: 16A 16C 16Q 1A 1B 1B4 1Q 4A 4C 4Q 8A 8C 8Q'
	assert_equal "$(room T4- 0000:86:00.0)" "$free"
	pve_vgpu remove "$id"
	assert_equal "$(room T4- 0000:3b:00.0)" "$free"
	life T4-2Q 0000:3b:00.0
	fills T4-8A 4
	assert_output 'full: 2 of 2'
}

@test "nodes: two V100 of 16 GB" {
	local free='16: 1A 1B 1B4 1Q; 8: 2A 2B 2B4 2Q; 4: 4A 4C 4Q; 2: 8A 8C 8Q; 1: 16A 16C 16Q' id

	node v100x2
	types_within $((2 * (2 * 17 + 2)))
	assert_equal "$(room V100- 0000:41:00.0)" "$free"
	id=$(made V100-8Q --gpu 0000:c1:00.0)
	assert_equal "$(room V100- 0000:41:00.0)" "$free"
	assert_equal "$(room V100- 0000:c1:00.0)" '1: 8A 8C 8Q; 0: 16A 16C 16Q 1A 1B 1B4 1Q 2A 2B 2B4 2Q 4A 4C 4Q'
	assert_equal "$(listed)" '0000:c1:00.0 V100-8Q standalone'
	pve_vgpu remove "$id"
	assert_equal "$(room V100- 0000:c1:00.0)" "$free"
	life V100-8C 0000:41:00.0
	fills V100-16A 2
}

@test "nodes: a Quadro RTX 6000" {
	local free='24: 1A 1B 1Q; 12: 2A 2B 2Q; 8: 3A 3Q; 6: 4A 4C 4Q; 4: 6A 6C 6Q; 3: 8A 8C 8Q; 2: 12A 12C 12Q; 1: 24A 24C 24Q' id

	node rtx6000
	types_within $((2 * 23 + 2))
	assert_equal "$(room RTX6000-)" "$free"
	id=$(made 'GRID RTX6000-3Q')
	assert_equal "$(room RTX6000- | cut -d';' -f1)" '7: 3A 3Q'
	pve_vgpu remove "$id"
	assert_equal "$(room RTX6000-)" "$free"
	life RTX6000-12Q 0000:41:00.0
	fills RTX6000-6C 4
	assert_equal "$(listed | sort -u)" '0000:41:00.0 RTX6000-6C standalone'
}

@test "nodes: a P40 with one 2 GB vGPU has 11 of every 2 GB type and none of the rest" {
	local one='11: 2A 2B 2B4 2Q; 0: 12A 12C 12Q 1A 1B 1B4 1Q 24A 24C 24Q 3A 3Q 4A 4C 4Q 6A 6C 6Q 8A 8C 8Q' id

	node p40-one-2gb
	types_within $((2 * 25 + 2))
	assert_equal "$(room P40-)" "$one"
	assert_equal "$(listed)" '0000:01:00.0 P40-2Q foreign'
	id=$(made P40-2B4)
	assert_equal "$(room P40- | cut -d';' -f1)" '10: 2A 2B 2B4 2Q'
	pve_vgpu remove "$id"
	assert_equal "$(room P40-)" "$one"
	life P40-2B 0000:01:00.0
	run -1 pve_vgpu create P40-4Q
	assert_output 'holds P40-2Q of 2048 MiB'
	fills P40-2A 11
	assert_output 'full: 12 of 12'
}

@test "nodes: two boards of unlike memory count each for itself" {
	local rtx='24: 1A 1B 1Q; 12: 2A 2B 2Q; 8: 3A 3Q; 6: 4A 4C 4Q; 4: 6A 6C 6Q; 3: 8A 8C 8Q; 2: 12A 12C 12Q; 1: 24A 24C 24Q'
	local v100='16: 1A 1B 1B4 1Q; 8: 2A 2B 2B4 2Q; 4: 4A 4C 4Q; 2: 8A 8C 8Q; 1: 16A 16C 16Q' id

	node two-memories
	types_within $((2 * 23 + 2 + 2 * 17 + 2))
	assert_equal "$(room RTX6000- 0000:41:00.0)" "$rtx"
	assert_equal "$(room V100- 0000:c1:00.0)" "$v100"
	id=$(made V100-4C)
	assert_equal "$(listed)" '0000:c1:00.0 V100-4C standalone'
	assert_equal "$(room RTX6000- 0000:41:00.0)" "$rtx"
	assert_equal "$(room V100- 0000:c1:00.0 | cut -d';' -f1)" '3: 4A 4C 4Q'
	pve_vgpu remove "$id"
	assert_equal "$(room V100- 0000:c1:00.0)" "$v100"
	life V100-2Q 0000:c1:00.0
	fills RTX6000-24Q 1
	assert_output 'does not offer RTX6000-24Q'
}

@test "nodes: parents of others beside a P40 are shown, listed when they hold an mdev, and never offered" {
	local free='24: 1A 1B 1B4 1Q; 12: 2A 2B 2B4 2Q; 8: 3A 3Q; 6: 4A 4C 4Q; 4: 6A 6C 6Q; 3: 8A 8C 8Q; 2: 12A 12C 12Q; 1: 24A 24C 24Q' id t gpu=0000:01:00.0

	node p40-foreign-parents
	types_within $((2 * 25 + 2))
	assert_equal "$(room P40- $gpu)" "$free"
	assert_equal "$(pve_vgpu list --json | jq -c '.[] | [.parent, .gpu, .type, .owner, .vmid]')" \
		'["0.0.0313",null,"vfio_ccw-io","foreign",null]'
	# a listing, and nothing read of theirs
	ops_reset
	assert_equal "$(pve_vgpu types --json | jq -c '.[] | select(.offered | not) | [.gpu, .type, .available, .parent, .path, .driver]')" \
'[null,"vfio_ccw-io",0,"0.0.0313","/sys/devices/css0/0.0.0313","vfio_ccw"]
[null,"mtty-1",0,"mtty","/sys/devices/virtual/mtty/mtty","mtty"]
[null,"mtty-2",0,"mtty","/sys/devices/virtual/mtty/mtty","mtty"]'
	[ "$(ops)" -le 2 ]
	run -0 pve_vgpu types
	assert_output $'0.0.0313\t(vfio_ccw: no GPU, not offered)\tvfio_ccw-io\t?\t?\t0'
	assert_output $'mtty\t(mtty: no GPU, not offered)\tmtty-1\t?\t?\t0'
	run -0 pve_vgpu plan --fit --json
	refute_output mtty
	refute_output vfio_ccw
	settings '[vm 100]' 'hostpci0 = mtty-1'
	vm 100
	for t in 'plan 100' '100 pre-start'; do
		# shellcheck disable=SC2086
		run -1 pve_vgpu $t
		assert_output "'mtty-1' is no vGPU type of this node"
	done
	for t in vfio_ccw-io io mtty-2 'Dual port serial'; do
		run -1 pve_vgpu create "$t"
		assert_output 'is no vGPU type of this node'
	done
	run -1 pve_vgpu remove 0c3f9a52-7d41-4e68-b1f0-93a5c87e2d14
	assert_equal "$(mdevs)" 0c3f9a52-7d41-4e68-b1f0-93a5c87e2d14
	id=$(made P40-24Q)
	assert_equal "$(room P40- $gpu | grep -c ';')" 0
	assert_equal "$(listed | LC_ALL=C sort)" $'0.0.0313 null foreign\n0000:01:00.0 P40-24Q standalone'
	run -1 pve_vgpu create P40-24Q
	assert_output 'full: 1 of 1 (standalone)'
	pve_vgpu remove "$id"
	assert_equal "$(room P40- $gpu)" "$free"
	life P40-1B4 0000:01:00.0
}

# --- VFs as parents on the mdev bus ------------------------------------------------

@test "nodes: an A10" {
	local free='24: 1A 1B 1Q; 12: 2A 2B 2Q; 8: 3A 3Q; 6: 4A 4C 4Q; 4: 6A 6C 6Q; 3: 8A 8C 8Q; 2: 12A 12C 12Q; 1: 24A 24C 24Q' id

	node a10
	types_within $((2 * 23 + 2))
	assert_equal "$(room A10-)" "$free"
	id=$(made A10-8C)
	assert_equal "$(listed)" '0000:41:00.4 A10-8C standalone'
	assert_equal "$(room A10- | cut -d';' -f1)" '2: 8A 8C 8Q'
	pve_vgpu remove "$id"
	assert_equal "$(room A10-)" "$free"
	life A10-4Q 0000:41:00.4
	fills A10-2B 12
	assert_output 'full: 12 of 12 (standalone, standalone, standalone, standalone, 8 more)'
}

@test "nodes: an L40S on the mdev bus" {
	local free='32: 1A 1B 1Q; 24: 2A 2B 2Q; 16: 3A 3Q; 12: 4A 4Q; 8: 6A 6Q; 6: 8A 8Q; 4: 12A 12Q; 3: 16A 16Q; 2: 24A 24Q; 1: 48A 48Q' id

	node l40s-mdev
	types_within $((2 * 22 + 2))
	assert_equal "$(room L40S-)" "$free"
	id=$(made L40S-12A)
	assert_equal "$(room L40S- | cut -d';' -f1)" '3: 12A 12Q'
	pve_vgpu remove "$id"
	assert_equal "$(room L40S-)" "$free"
	life L40S-48A 0000:26:00.4
	fills L40S-1Q 32
	assert_output 'full: 32 of 32'
}

@test "nodes: an A40 and an L40S" {
	local free='32: 1A 1B 1Q; 24: 2A 2B 2Q; 16: 3A 3Q; 12: 4A 4Q; 8: 6A 6Q; 6: 8A 8Q; 4: 12A 12Q; 3: 16A 16Q; 2: 24A 24Q; 1: 48A 48Q' id

	node two-boards
	types_within $((2 * 22 + 2 + 2 * 23 + 2))
	assert_equal "$(room A40- 0000:17:00.0)" "$free"
	assert_equal "$(room L40S- 0000:65:00.0)" "${free/16: 3A 3Q/16: 3A 3B 3Q}"
	id=$(made L40S-24Q)
	assert_equal "$(listed)" '0000:65:00.4 L40S-24Q standalone'
	assert_equal "$(room A40- 0000:17:00.0)" "$free"
	assert_equal "$(room L40S- 0000:65:00.0 | cut -d';' -f1)" '1: 24A 24Q'
	pve_vgpu remove "$id"
	life A40-24A 0000:17:00.4
	fills L40S-48Q 1
	fills A40-24Q 2
	assert_output 'A40-24Q on 0000:65:00.0: does not offer A40-24Q'
}

@test "nodes: an A40 in mixed-size mode has room for what fits into the memory" {
	local free='32: 1A 1B 1Q; 24: 2A 2B 2Q; 16: 3A 3Q; 12: 4A 4Q; 8: 6A 6Q; 6: 8A 8Q; 4: 12A 12Q; 3: 16A 16Q; 2: 24A 24Q; 1: 48A 48Q' id

	node a40-mixed-size
	types_within $((3 * 22 + 2))
	assert_equal "$(room A40-)" "$free"
	id=$(made A40-24Q)
	assert_equal "$(room A40-)" \
		'24: 1A 1B 1Q; 12: 2A 2B 2Q; 8: 3A 3Q; 6: 4A 4Q; 4: 6A 6Q; 3: 8A 8Q; 2: 12A 12Q; 1: 16A 16Q 24A 24Q; 0: 48A 48Q'
	types_within $((3 * 22 + 2))
	pve_vgpu remove "$id"
	assert_equal "$(room A40-)" "$free"
	life A40-16Q 0000:17:00.4
	# and what it has room for can start
	id=$(made A40-24Q)
	life A40-8Q 0000:17:00.5
	pve_vgpu remove "$id"
	fills A40-24A 2
}

@test "nodes: two boards whose types share a name count apart, and the name alone is refused" {
	local id

	node same-name
	types_within $((2 * (2 * 2 + 2)))
	assert_equal "$(room '' 0000:17:00.0)" '6: 3050; 4: 3060'
	assert_equal "$(room '' 0000:65:00.0)" '3: 3050; 2: 3060'
	run -1 pve_vgpu create 3050
	assert_output 'NVIDIA GeForce RTX 3050 (nvidia-1604), NVIDIA GeForce RTX 3050 (nvidia-2266)'
	id=$(made 2266)
	assert_equal "$(listed)" '0000:65:00.4 3050 standalone'
	assert_equal "$(type_of "$id")" nvidia-2266
	assert_equal "$(room '' 0000:17:00.0)" '6: 3050; 4: 3060'
	assert_equal "$(room '' 0000:65:00.0)" '2: 3050; 0: 3060'
	pve_vgpu remove "$id"
	assert_equal "$(room '' 0000:65:00.0)" '3: 3050; 2: 3060'
	short_waits
	intent 100 nvidia-2266
	with_args 100
	pre_start_within 4
	attached 3050 0000:65:00.4 "$(uuid 100)"
	fills 1604 6
	fills 2266 3
	assert_output 'does not offer 3050'
}

# --- MIG ---------------------------------------------------------------------------

@test "nodes: an A100 with MIG off" {
	local free='10: 4C; 8: 5C; 5: 8C; 4: 10C; 2: 20C; 1: 40C; 0: 1-10C 1-5C 1-5CME 2-10C 3-20C 4-20C 7-40C' id

	node a100
	types_within $((3 * 13 + 2))
	assert_equal "$(room A100-)" "$free"
	id=$(made A100-5C)
	assert_equal "$(listed)" '0000:21:00.4 A100-5C standalone'
	assert_equal "$(room A100- | cut -d';' -f1)" '7: 5C'
	pve_vgpu remove "$id"
	assert_equal "$(room A100-)" "$free"
	run -1 pve_vgpu create A100-1-5C
	assert_output 'the driver has no room for it'
	life A100-10C 0000:21:00.4
	fills A100-20C 2
}

@test "nodes: an A100 with three GPU instances" {
	local free='1: 1-5C 2-10C; 0: 1-10C 1-5CME 10C 20C 3-20C 4-20C 40C 4C 5C 7-40C 8C' id

	node a100-mig
	types_within $((3 * 13 + 2))
	assert_equal "$(room A100-)" "$free"
	id=$(made A100-2-10C)
	assert_equal "$(listed)" '0000:21:00.4 A100-2-10C standalone'
	assert_equal "$(room A100- | cut -d';' -f1)" '1: 1-5C'
	pve_vgpu remove "$id"
	assert_equal "$(room A100-)" "$free"
	life A100-1-5C 0000:21:00.4
	run -1 pve_vgpu create A100-4C
	fills A100-1-5C 2
	fills A100-2-10C 1
	assert_equal "$(room A100- | cut -d: -f1)" 0
}

@test "nodes: an A100 with MIG on and no instance has room for nothing" {
	node a100-mig-empty
	types_within $((3 * 13 + 2))
	assert_equal "$(room A100-)" '0: 1-10C 1-5C 1-5CME 10C 2-10C 20C 3-20C 4-20C 40C 4C 5C 7-40C 8C'
	fills A100-1-5C 0
	fills A100-4C 0
	short_waits
	intent 100 A100-1-5C
	with_args 100
	run -1 hook 100 pre-start
	assert_output 'no GPU of this node has room'
	assert_equal "$(mdevs)" ''
	assert_no_state 100
}

@test "nodes: an A100 80 GB in MIG mode beside a time-sliced one" {
	local mig='1: 1-10C 2-20C; 0: 1-10CME 1-20C 10C 16C 20C 3-40C 4-40C 40C 4C 7-80C 80C 8C'
	local plain='20: 4C; 10: 8C; 8: 10C; 5: 16C; 4: 20C; 2: 40C; 1: 80C; 0: 1-10C 1-10CME 1-20C 2-20C 3-40C 4-40C 7-80C' id

	node a100d-mixed
	types_within $((2 * (3 * 14 + 2)))
	assert_equal "$(room A100D- 0000:17:00.0)" "$mig"
	assert_equal "$(room A100D- 0000:65:00.0)" "$plain"
	id=$(made A100D-40C)
	assert_equal "$(listed)" '0000:65:00.4 A100D-40C standalone'
	assert_equal "$(room A100D- 0000:17:00.0)" "$mig"
	assert_equal "$(room A100D- 0000:65:00.0 | cut -d';' -f1)" '1: 40C'
	pve_vgpu remove "$id"
	assert_equal "$(room A100D- 0000:65:00.0)" "$plain"
	life A100D-2-20C 0000:17:00.4
	life A100D-40C 0000:65:00.4
	# as on the host that this node is taken from
	fills A100D-2-20C 3
	fills A100D-1-10C 1
	fills A100D-40C 2
	assert_equal "$(room A100D- 0000:17:00.0 | cut -d: -f1)" 0
	assert_equal "$(room A100D- 0000:65:00.0 | cut -d: -f1)" 0
}

# --- vendor VFIO -------------------------------------------------------------------

L40S_FREE='32: 1A 1B 1Q; 24: 2A 2B 2Q; 16: 3A 3B 3Q; 12: 4A 4Q; 8: 6A 6Q; 6: 8A 8Q; 4: 12A 12Q; 3: 16A 16Q; 2: 24A 24Q; 1: 48A 48Q'

@test "nodes: an L40S on vendor VFIO" {
	local id

	node l40s-vfio
	types_within $((32 + 2))
	assert_equal "$(room L40S-)" "$L40S_FREE"
	id=$(made L40S-8Q)
	assert_equal "$id" 0000:26:00.4
	assert_equal "$(listed)" '0000:26:00.4 L40S-8Q standalone'
	assert_equal "$(room L40S- | cut -d';' -f1)" '5: 8A 8Q'
	pve_vgpu remove "$id"
	assert_equal "$(room L40S-)" "$L40S_FREE"
	life_vfio L40S-8Q 0000:26:00.5 1152
	fills L40S-16A 3
	assert_equal "$(vendor_vgpus | wc -l)" 3
}

@test "nodes: a GPU in another PCI domain than 0000" {
	local id

	node domain1-vfio
	types_within $((32 + 2))
	assert_equal "$(room L40S- 0001:04:00.0)" "$L40S_FREE"
	id=$(made L40S-24A --gpu 0001:04:00.0)
	assert_equal "$id" 0001:04:00.4
	assert_equal "$(room L40S- | cut -d';' -f1)" '1: 24A 24Q'
	pve_vgpu remove "$id"
	assert_equal "$(room L40S-)" "$L40S_FREE"
	life_vfio L40S-24A 0001:04:01.0 1165
	fills L40S-48Q 1
}

@test "nodes: an H100 NVL in MIG mode on vendor VFIO shows the types that have an instance" {
	local id

	node h100l-vfio
	types_within $((32 + 2))
	assert_equal "$(room H100L-)" '1: 1-12C 2-24C'
	id=$(made H100L-1-12C)
	assert_equal "$(listed)" '0000:4a:00.4 H100L-1-12C standalone'
	assert_equal "$(room H100L-)" '1: 2-24C; 0: 1-12C'
	pve_vgpu remove "$id"
	assert_equal "$(room H100L-)" '1: 1-12C 2-24C'
	life_vfio H100L-2-24C 0000:4a:00.4 1064
	fills H100L-1-12C 1
	fills H100L-2-24C 1
	assert_equal "$(room H100L-)" '0: 1-12C 2-24C'
}

@test "nodes: an RTX PRO 6000 with 48 VFs takes 32 vGPUs" {
	local id

	node blackwell-vfio
	types_within $((48 + 2))
	# by memory and VFs 48 of 2 GB would fit; the driver takes 32
	assert_equal "$(room DC-)" '32: 2B 3Q; 24: 4Q; 4: 24Q; 2: 48Q; 1: 96Q'
	id=$(made 'RTX Pro 6000 Blackwell DC-24Q')
	assert_equal "$id" 0001:04:00.2
	assert_equal "$(room DC- | cut -d';' -f1)" '3: 24Q'
	pve_vgpu remove "$id"
	life_vfio DC-3Q 0001:04:00.3 1519
	fills DC-3Q 32
	assert_equal "$(vendor_vgpus | wc -l)" 32
	assert_equal "$(room DC- | cut -d: -f1)" 0
}

@test "nodes: an RTX PRO 6000 whose 48 VFs allow more than the driver takes: the driver counts" {
	node blackwell-vfio
	pve_vgpu types > /dev/null
	fills DC-2B 32
	assert_equal "$(vendor_vgpus | wc -l)" 32
	assert_equal "$(room DC- | cut -d: -f1)" 0
}

@test "nodes: an RTX PRO 6000 in MIG mode shares an instance between vGPUs of one size" {
	local id i

	node blackwell-mig-vfio
	types_within $((48 + 2))
	assert_equal "$(room DC-)" '1: 1-24Q 1-2Q'
	id=$(made DC-1-24Q)
	assert_equal "$(room DC-)" '0: 1-24Q 1-2Q'
	run -1 pve_vgpu create DC-1-2Q
	pve_vgpu remove "$id"
	assert_equal "$(room DC-)" '1: 1-24Q 1-2Q'
	life_vfio DC-1-2Q 0001:04:00.2 1550
	for i in {1..12}; do
		pve_vgpu create DC-1-2Q
		assert_equal "$(room DC-)" "$([ "$i" = 12 ] && echo '0: 1-24Q 1-2Q' || echo '1: 1-2Q; 0: 1-24Q')"
	done
	fills DC-1-2Q 0
}

# --- Intel -------------------------------------------------------------------------

@test "nodes: GVT-g, with descriptions of several lines" {
	local id

	node gvtg
	types_within $((3 * 2 + 2))
	assert_equal "$(room GVTg_V5_)" '2: 8; 1: 4'
	assert_equal "$(pve_vgpu types --json | jq -c '.[] | [.type, .id, .full_name, .framebuffer_mib, .max_instance]')" \
		$'["i915-GVTg_V5_4","GVTg_V5_4","GVTg_V5_4",null,null]\n["i915-GVTg_V5_8","GVTg_V5_8","GVTg_V5_8",null,null]'
	id=$(made GVTg_V5_8)
	assert_equal "$(listed)" '0000:00:02.0 GVTg_V5_8 standalone'
	assert_equal "$(room GVTg_V5_)" '1: 8; 0: 4'
	pve_vgpu remove "$id"
	assert_equal "$(room GVTg_V5_)" '2: 8; 1: 4'
	life GVTg_V5_4 0000:00:02.0
	fills gvtg-v5-8 2
}

@test "nodes: GVT-g without names, all types out of one pool" {
	local id

	node gvtg-noname
	types_within $((3 * 4 + 2))
	assert_equal "$(room GVTg_V5_)" '7: 8; 5: 4; 2: 2; 1: 1'
	id=$(made i915-GVTg_V5_4)
	assert_equal "$(room GVTg_V5_)" '5: 8; 4: 4; 1: 2; 0: 1'
	pve_vgpu remove "$id"
	assert_equal "$(room GVTg_V5_)" '7: 8; 5: 4; 2: 2; 1: 1'
	life GVTg_V5_2 0000:00:02.0
	fills GVTg_V5_4 5
	assert_equal "$(room GVTg_V5_)" '0: 1 2 4 8'
}
