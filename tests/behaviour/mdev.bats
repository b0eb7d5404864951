#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# mdev on the VFs: what a create and a remove change, what is refused and how,
# removal while the vGPU is held.

load helper

setup_file() { have_node mdev; }
teardown_file() { bed_done; }
setup() { words; }
teardown() { clean_slate; }

# --- what is available -------------------------------------------------------

@test "available: the VF is full, the GPU keeps that size alone, the other GPU all" {
	local all

	ids_of "$A40"
	all=$IDS
	room_is "$all" "${VF[0]}" "${VF[1]}" "${VF[31]}" "${VF2[0]}"
	create ok "${VF[1]}" 575 $UUID_A
	room_is "" "${VF[1]}"
	ids_of "$A40" 24576
	room_is "$IDS" "${VF[0]}" "${VF[2]}" "${VF[31]}"
	all_have 1 565 "${VF[0]}" "${VF[@]:2}"
	all_have 0 560 "${VF[@]}"
	room_is "$all" "${VF2[0]}" "${VF2[31]}"
	all_have 1 560 "${VF2[@]}"
}

@test "available: max_instance holds over the GPU for all series of a size; removals free it" {
	create ok "${VF[1]}" 575 $UUID_A
	create ok "${VF[31]}" 565 $UUID_B
	room_is "" "${VF[0]}" "${VF[31]}"
	all_have 0 575 "${VF[@]}"
	ids_of "$A40"
	room_is "$IDS" "${VF2[0]}"
	create ok "${VF2[0]}" 566 $UUID_C
	all_have 0 566 "${VF2[@]}"
	# A removal frees its place, the last one all sizes.
	remove ok $UUID_A
	ids_of "$A40" 24576
	room_is "$IDS" "${VF[0]}" "${VF[1]}"
	room_is "" "${VF[31]}"
	remove ok $UUID_B
	ids_of "$A40"
	room_is "$IDS" "${VF[1]}" "${VF[31]}"
	all_have 1 560 "${VF[@]}"
}

@test "available: a GPU filled with one size takes max_instance of them and no more" {
	local i

	bed_errno count EDQUOT
	for i in {0..11}; do
		create ok "${VF[i]}" 560 "$(printf '%08d-0000-4000-8000-000000000000' "$i")"
	done
	room_is "" "${VF[0]}" "${VF[31]}"
	all_have 0 560 "${VF[@]}"
	create EDQUOT "${VF[12]}" 560 $UUID_A
	create EDQUOT "${VF[12]}" 570 $UUID_A
	remove ok 00000004-0000-4000-8000-000000000000
	create ok "${VF[12]}" 570 $UUID_A
	room_is "" "${VF[4]}" "${VF[30]}"
}

# --- refusals -------------------------------------------------------------------

@test "create: a UUID in use is EEXIST, wherever it is in use and in capitals" {
	create ok "${VF[0]}" 575 $UUID_A
	create EEXIST "${VF[0]}" 575 $UUID_A
	create EEXIST "${VF[1]}" 575 $UUID_A
	create EEXIST "${VF[1]}" 560 $UUID_A
	create EEXIST "${VF2[0]}" 576 $UUID_A
	create EEXIST "$CARD" 232 $UUID_A
	create EEXIST "${VF[1]}" 575 ${UUID_A^^}
	remove ok $UUID_A
	create ok "$CARD" 232 ${UUID_A^^}
	is "$(ls "$SYS/bus/mdev/devices")" $UUID_A
	create EEXIST "${VF[1]}" 575 $UUID_A
	remove ok $UUID_A
}

@test "create: what is no UUID is EINVAL; the kernel looks at 36 characters, and lets one follow" {
	local bad

	for bad in x "${UUID_A%?}" "${UUID_A}xx" "${UUID_A}"$'\n\n' " $UUID_A" "{$UUID_A}" \
		"${UUID_A//-/}" "${UUID_A//-/}0000" "${UUID_A%?}g" "${UUID_A/-/0}" "1$UUID_A" \
		"urn:uuid:$UUID_A" 111111111-aaa-4bbb-8ccc-000000000001 "$UUID_A $UUID_B" $'\n' 0; do
		create EINVAL "${VF[0]}" 575 "$bad"
	done
	is "$(ls "$SYS/bus/mdev/devices")" ""
	read -r bad <"$SYS/class/mdev_bus/${VF[0]}/mdev_supported_types/nvidia-575/available_instances"
	is "$bad" 1
	create ok "${VF[0]}" 575 "$UUID_A"$'\n'
	create EEXIST "${VF[1]}" 575 "${UUID_A}x"
	create ok "${VF[1]}" 575 "${UUID_B}x"
	is "$(ls "$SYS/bus/mdev/devices")" "$UUID_A"$'\n'"$UUID_B"
}

@test "create: a second one on a VF, another size, one too many have the driver's errno" {
	# A type that is not the board's has no directory.
	create ENOENT "${VF[0]}" 999 $UUID_A
	create ENOENT "${VF[0]}" 232 $UUID_A
	create ENOENT "$GPU" 575 $UUID_A
	bed_errno busy EBUSY
	bed_errno size EOPNOTSUPP
	bed_errno count EDQUOT
	create ok "${VF[0]}" 575 $UUID_A
	create EBUSY "${VF[0]}" 575 $UUID_B
	create EOPNOTSUPP "${VF[1]}" 560 $UUID_B
	create ok "${VF[1]}" 575 $UUID_B
	create EDQUOT "${VF[2]}" 575 $UUID_C
	bed_errno count EIO
	create EIO "${VF[2]}" 565 $UUID_C
	is "$(ls "$SYS/bus/mdev/devices")" "$UUID_A"$'\n'"$UUID_B"
	is "$(ls "$SYS/class/mdev_bus/${VF[2]}/mdev_supported_types/nvidia-565/devices")" ""
	missing "$SYS/class/mdev_bus/${VF[2]}/$UUID_C"
}

# The same write by several processes at once: RESULTS has what each was told.
at_once() {	# text file text file …
	local i=0 out=() pids=()

	while [ $# -gt 0 ]; do
		out+=("$BATS_TEST_TMPDIR/result$i")
		(put "$1" "$2"; echo "$RESULT" >"$BATS_TEST_TMPDIR/result$i") 3>&- 4>&- &
		pids+=($!)
		i=$((i + 1))
		shift 2
	done
	wait "${pids[@]}"
	RESULTS=$(sort "${out[@]}" | uniq -c | sed 's/^ *//')
}

@test "create: of six at once exactly one wins, for one VF and with one UUID" {
	local i args=()

	bed_errno busy EBUSY
	for i in {1..6}; do
		args+=("${UUID_A%?}$i" "class/mdev_bus/${VF[0]}/mdev_supported_types/nvidia-575/create")
	done
	at_once "${args[@]}"
	is "$RESULTS" $'5 EBUSY\n1 ok'
	set -- "$SYS"/bus/mdev/devices/*
	is $# 1
	remove ok "${1##*/}"
	args=()
	for i in {1..6}; do
		args+=("$UUID_A" "class/mdev_bus/${VF[i]}/mdev_supported_types/nvidia-560/create")
	done
	at_once "${args[@]}"
	is "$RESULTS" $'5 EEXIST\n1 ok'
	is "$(ls "$SYS/bus/mdev/devices")" $UUID_A
}

# --- remove ----------------------------------------------------------------------

@test "remove: zero does nothing, what is no number is EINVAL, any other number removes" {
	local bad

	create ok "${VF[0]}" 575 $UUID_A
	writes ok 0 bus/mdev/devices/$UUID_A/remove
	writes ok $'0\n' bus/mdev/devices/$UUID_A/remove
	for bad in x -1 1x '1 ' ' 1' $'1\n\n' yes $'\n'; do
		writes EINVAL "$bad" bus/mdev/devices/$UUID_A/remove
	done
	[ -e "$SYS/bus/mdev/devices/$UUID_A/remove" ]
	writes ok 2 bus/mdev/devices/$UUID_A/remove
	missing "$SYS/bus/mdev/devices/$UUID_A"
	missing "$SYS/bus/pci/devices/${VF[0]}/$UUID_A"
	create ok "${VF[0]}" 575 $UUID_A
	writes ok $'0x10\n' bus/mdev/devices/$UUID_A/remove
	missing "$SYS/bus/mdev/devices/$UUID_A"
	# The directory is gone, and with it the file.
	remove ENOENT $UUID_A
}

remover() {	# uuid: in the background, ends with 0 when the write succeeded
	# shellcheck disable=SC2016
	background bash -c 'printf 1 >"$1"' - "$SYS/bus/mdev/devices/$1/remove"
}

still_runs() {	# pid: neither ended nor a zombie
	local stat

	read -r stat <"/proc/$1/stat" || return 1
	stat=${stat##*) }
	[ "${stat%% *}" != Z ]
}

@test "remove: blocks while the vGPU is held; it is off the bus and yet in use" {
	local dir=$SYS/bus/pci/devices/${VF[0]}/$UUID_A t=$SYS/class/mdev_bus/${VF[0]}/mdev_supported_types

	create ok "${VF[0]}" 575 $UUID_A
	bed_hold $UUID_A
	remover $UUID_A
	soon missing "$SYS/bus/mdev/devices/$UUID_A"
	soon missing "$dir/driver"
	missing "$t/nvidia-575/devices/$UUID_A"
	missing "$dir/remove"
	missing "$dir/mdev_type"
	missing "$dir/nvidia"
	[ -e "$dir/iommu_group" ]
	room_is "" "${VF[0]}"
	create EEXIST "${VF[1]}" 575 $UUID_A
	create EEXIST "${VF2[0]}" 575 $UUID_A
	still_runs "$LAST"
	bed_let_go $UUID_A
	wait "$LAST"
	missing "$dir"
	ids_of "$A40"
	room_is "$IDS" "${VF[0]}" "${VF[1]}"
	create ok "${VF[1]}" 575 $UUID_A
}

@test "remove: once begun it goes on, though the writer is killed" {
	local dir=$SYS/bus/pci/devices/${VF[0]}/$UUID_A

	create ok "${VF[0]}" 575 $UUID_A
	bed_hold $UUID_A
	remover $UUID_A
	soon missing "$SYS/bus/mdev/devices/$UUID_A"
	soon missing "$dir/driver"
	kill -9 "$LAST"
	[ -d "$dir" ]
	create EEXIST "${VF[1]}" 575 $UUID_A
	bed_let_go $UUID_A
	soon missing "$dir"
	ids_of "$A40"
	soon room_is "$IDS" "${VF[0]}"
}

@test "held: it counts, hinders nobody else, and stays when it is let go" {
	create ok "${VF[0]}" 575 $UUID_A
	bed_hold $UUID_A
	writes ok 0 bus/mdev/devices/$UUID_A/remove
	writes EINVAL x bus/mdev/devices/$UUID_A/remove
	[ -e "$SYS/bus/mdev/devices/$UUID_A/mdev_type" ]
	room_is "" "${VF[0]}"
	bed_let_go $UUID_A
	[ -e "$SYS/bus/mdev/devices/$UUID_A/remove" ]
	room_is "" "${VF[0]}"
	create ok "${VF2[0]}" 560 $UUID_B
	bed_hold $UUID_A
	remover $UUID_A
	soon missing "$SYS/bus/mdev/devices/$UUID_A"
	remove ok $UUID_B
	create ok "${VF2[1]}" 576 $UUID_B
	create ok "${VF[1]}" 575 $UUID_C
	bed_let_go $UUID_A
	wait "$LAST"
}

@test "selfclean: the driver removes it some time after it is let go" {
	create ok "${VF[0]}" 575 $UUID_A
	bed_selfclean $UUID_A 200
	bed_hold $UUID_A
	[ -e "$SYS/bus/mdev/devices/$UUID_A" ]
	bed_let_go $UUID_A
	soon missing "$SYS/bus/pci/devices/${VF[0]}/$UUID_A"
	missing "$SYS/bus/mdev/devices/$UUID_A"
	ids_of "$A40"
	soon room_is "$IDS" "${VF[0]}"
	create ok "${VF[0]}" 576 $UUID_A
}

# --- vgpu_params -------------------------------------------------------------------

@test "vgpu_params: empty at first, replaced as a whole, cleared by a blank, fixed while it is held" {
	local p=bus/mdev/devices/$UUID_A/nvidia/vgpu_params

	create ok "${VF[1]}" 575 $UUID_B
	create ok "${VF[0]}" 575 $UUID_A
	reads $'\n' $p
	writes ok frame_rate_limiter=0,disable_vnc=1 $p
	reads $'frame_rate_limiter=0,disable_vnc=1\n' $p
	writes ok $'loglevel=5\n' $p
	reads $'loglevel=5\n' $p
	reads $'\n' bus/mdev/devices/$UUID_B/nvidia/vgpu_params
	writes ok ' ' $p
	reads $'\n' $p
	bed_errno params EPERM
	writes ok loglevel=5 $p
	bed_hold $UUID_A
	writes EPERM loglevel=6 $p
	writes EPERM ' ' $p
	reads $'loglevel=5\n' $p
	bed_errno params EBUSY
	writes EBUSY loglevel=6 $p
	bed_let_go $UUID_A
	writes ok loglevel=6 $p
	reads $'loglevel=6\n' $p
	# It goes with the vGPU.
	remove ok $UUID_A
	create ok "${VF[0]}" 575 $UUID_A
	reads $'\n' $p
}

# --- operations ---------------------------------------------------------------------

@test "ops: what reaches the driver is counted, by attribute" {
	bed_ops_reset
	ops_are available_instances 0 0
	room_for "${VF[0]}"
	ops_are available_instances 22 0
	create ok "${VF[0]}" 575 $UUID_A
	ops_are create 0 1
	reads $'\n' bus/mdev/devices/$UUID_A/nvidia/vgpu_params
	writes ok loglevel=5 bus/mdev/devices/$UUID_A/nvidia/vgpu_params
	ops_are vgpu_params 1 1
	remove ok $UUID_A
	ops_are remove 0 1
	ls -lR "$SYS/class/mdev_bus/${VF[0]}/" >/dev/null
	ops_are available_instances 22 0
	ops_are create 0 1
	bed_ops_reset
	ops_are create 0 0
}
