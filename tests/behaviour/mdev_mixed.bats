#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Mixed-size mode on mdev: what fits into the frame buffer.

load helper

setup_file() { have_node mdev mixed; }
teardown_file() { bed_done; }
setup() { words; }
teardown() { clean_slate; }

@test "mdev: sizes go together until the memory is used up" {
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
