#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Mixed-size mode on vendor VFIO: what fits into the frame buffer.

load helper

setup_file() { have_node vfio mixed; }
teardown_file() { bed_done; }
setup() { words; }
teardown() { clean_slate; }

@test "vendor: sizes go together until the memory is used up" {
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
