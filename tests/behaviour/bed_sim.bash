# SPDX-License-Identifier: AGPL-3.0-or-later
# The bed of the simulated node, see helper.bash for what a bed has.

SIM_DIR=$BATS_TEST_DIRNAME/../sim
VGPU_SIM=${VGPU_SIM:-$SIM_DIR/vgpu-sim}

bed_node() {	# framework [mixed]
	local file=$BATS_TEST_DIRNAME/../nodes/testnode-$1.json

	export SYS=$BATS_FILE_TMPDIR/sys
	mkdir -p "$SYS"
	if [ "${2:-}" = mixed ]; then
		sed 's/"mixed_size": false/"mixed_size": true/' "$file" >"$BATS_FILE_TMPDIR/node.json"
		file=$BATS_FILE_TMPDIR/node.json
	fi
	# The tests want other users to come as far as the mount.
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "${BATS_FILE_TMPDIR%/*}"
	"$VGPU_SIM" "$file" "$SYS"
}

bed_hold() {
	echo "$1 yes" >"$SYS/.sim/open"
}

bed_let_go() {	# device, or all
	local held

	if [ "$1" != all ]; then
		echo "$1 no" >"$SYS/.sim/open"
		return
	fi
	for held in $(<"$SYS/.sim/open"); do
		echo "$held no" >"$SYS/.sim/open"
	done
}

bed_errno() {
	echo "$1 $2" >"$SYS/.sim/errno"
}

bed_selfclean() {	# device or all, ms or off
	if [ "$2" = off ]; then
		echo clear >"$SYS/.sim/selfclean"
	else
		echo "$1 $2" >"$SYS/.sim/selfclean"
	fi
}

bed_ops() {
	echo "$(<"$SYS/.sim/ops")"
}

bed_ops_reset() {
	echo reset >"$SYS/.sim/ops"
}

bed_done() {
	fusermount3 -u "$SYS" 2>/dev/null || fusermount3 -uz "$SYS"
}
