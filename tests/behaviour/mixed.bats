#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Mixed-size mode: what fits into the frame buffer, on mdev and vendor VFIO.

load helper

# One node after the other, so each test has its own.
setup() { BACKGROUND=(); }
teardown() {
	[ -z "${VFS:-}" ] || clean_slate
	bed_done
}

up_to() {	# rows MiB -> IDS: the ids of that size and smaller
	IDS=$(awk -F'|' -v most="$2" '$2 <= most { print $1 }' <<<"$1")
	IDS=${IDS//$'\n'/ }
}

@test "vendor: sizes go together until the memory is used up" {
	have_node vfio mixed
	words
	bed_errno memory EDQUOT
	becomes ok "${VF[0]}" 575
	up_to "$A40" 24576
	creatable_is "$IDS" "${VF[1]}"
	creatable_is "" "${VF[0]}"
	becomes EDQUOT "${VF[1]}" 566
	becomes ok "${VF[1]}" 564
	becomes ok "${VF[2]}" 562
	creatable_is "" "${VF[3]}"
	becomes EDQUOT "${VF[3]}" 555
	becomes ok "${VF[0]}" 0
	up_to "$A40" 24576
	creatable_is "$IDS" "${VF[0]}" "${VF[31]}"
}

@test "mdev: sizes go together until the memory is used up" {
	have_node mdev mixed
	words
	bed_errno memory EDQUOT
	create ok "${VF[0]}" 575 $UUID_A
	up_to "$A40" 24576
	room_is "$IDS" "${VF[1]}"
	room_is "" "${VF[0]}"
	create EDQUOT "${VF[1]}" 566 $UUID_B
	create ok "${VF[1]}" 564 $UUID_B
	up_to "$A40" 8192
	room_is "$IDS" "${VF[2]}" "${VF[31]}"
	create ok "${VF[2]}" 562 $UUID_C
	room_is "" "${VF[3]}"
	create EDQUOT "${VF[3]}" 555 "${UUID_A%?}4"
	remove ok $UUID_B
	up_to "$A40" 16384
	room_is "$IDS" "${VF[1]}" "${VF[3]}"
	ids_of "$A40"
	room_is "$IDS" "${VF2[0]}"

	# The card without SR-IOV counts what is left of its memory.
	create ok "$CARD" 233 "${UUID_A%?}5"
	create ok "$CARD" 232 "${UUID_A%?}6"
	room_for "$CARD"
	is "$ROOM" "222=4 223=2 224=2 225=4 226=2 227 230=4 231=2 232 252=4 319"
	create EDQUOT "$CARD" 233 "${UUID_A%?}7"
}
