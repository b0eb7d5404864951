#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# mdev on a card without SR-IOV: the PF is the parent and holds several vGPUs.

load helper

setup_file() { have_node mdev; }
teardown_file() { bed_done; }
setup() { words; }
teardown() { clean_slate; }

# rooms SIZE LEFT: WANTED is "id=LEFT …" for the types of that size, "id …" where one is left
rooms() {
	ids_of "$T4" "$1"
	WANTED=$IDS
	[ "$2" = 1 ] || WANTED="${IDS// /=$2 }=$2"
}

@test "PF: each vGPU counts down all types of its size, the others have no room" {
	bed_errno size EOPNOTSUPP
	bed_errno count EDQUOT
	create ok "$CARD" 232 $UUID_A
	rooms 4096 3
	room_is "$WANTED" "$CARD"
	create EOPNOTSUPP "$CARD" 230 "${UUID_A%?}9"
	create ok "$CARD" 227 $UUID_B
	rooms 4096 2
	room_is "$WANTED" "$CARD"
	create ok "$CARD" 319 $UUID_C
	create ok "$CARD" 232 "${UUID_A%?}4"
	room_is "" "$CARD"
	create EDQUOT "$CARD" 232 "${UUID_A%?}5"
	remove ok $UUID_B
	rooms 4096 1
	room_is "$WANTED" "$CARD"
	is "$(ls "$SYS/class/mdev_bus/$CARD/mdev_supported_types/nvidia-232/devices")" \
		"$UUID_A"$'\n'"${UUID_A%?}4"
}

@test "PF: the last removal frees all sizes; the SR-IOV GPUs know nothing of it" {
	local before

	room_for "$CARD"
	before=$ROOM
	is "$ROOM" "$(awk -F'|' '{ printf $3 == 1 ? "%s " : "%s=%s ", $1, $3 }' <<<"$T4" | sed 's/ $//')"
	create ok "${VF[0]}" 576 $UUID_A
	room_is "$before" "$CARD"
	create ok "$CARD" 234 $UUID_B
	room_is "" "$CARD" "${VF[1]}"
	ids_of "$A40"
	room_is "$IDS" "${VF2[0]}"
	remove ok $UUID_B
	room_is "$before" "$CARD"
}

@test "PF: its vGPUs are its children and have the links of any other" {
	local u=$SYS/bus/mdev/devices/$UUID_A

	create ok "$CARD" 232 $UUID_A
	create ok "$CARD" 232 $UUID_B
	[ "$u" -ef "$SYS/bus/pci/devices/$CARD/$UUID_A" ]
	is "$(readlink "$u/mdev_type")" ../mdev_supported_types/nvidia-232
	[ -e "$u/iommu_group/devices/$UUID_A" ]
	if [ "$u/iommu_group" -ef "$SYS/bus/mdev/devices/$UUID_B/iommu_group" ]; then
		return 1
	fi
	[ -e "$u/driver" ]
	[ -e "$u/nvidia/vgpu_params" ]
}

@test "PF: a held vGPU blocks its own removal alone" {
	local dir=$SYS/bus/pci/devices/$CARD/$UUID_A

	create ok "$CARD" 232 $UUID_A
	create ok "$CARD" 232 $UUID_B
	bed_hold $UUID_A
	# shellcheck disable=SC2016
	background bash -c 'printf 1 >"$1"' - "$SYS/bus/mdev/devices/$UUID_A/remove"
	soon missing "$SYS/bus/mdev/devices/$UUID_A"
	remove ok $UUID_B
	rooms 4096 3
	room_is "$WANTED" "$CARD"
	[ -d "$dir" ]
	bed_let_go $UUID_A
	wait "$LAST"
	missing "$dir"
}

@test "PF: of many at once exactly as many win as there is room" {
	local i pids=()

	bed_errno count EDQUOT
	for i in {1..7}; do
		(put "${UUID_A%?}$i" "class/mdev_bus/$CARD/mdev_supported_types/nvidia-232/create"
			echo "$RESULT" >"$BATS_TEST_TMPDIR/result$i") 3>&- 4>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	is "$(sort "$BATS_TEST_TMPDIR"/result* | uniq -c | sed 's/^ *//')" $'3 EDQUOT\n4 ok'
	room_is "" "$CARD"
}
