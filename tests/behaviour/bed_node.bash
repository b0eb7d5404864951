# SPDX-License-Identifier: AGPL-3.0-or-later
# The bed of the test node: a real kernel and the driver of tests/node/driver.
# See helper.bash for what a bed has.

load ../node/node_helper

HOLD=${HOLD:-/payload/bin/hold}
OPS=/sys/kernel/debug/nvidia-vgpu-sim/ops

# Mixed sizes can be had and given up as long as nothing runs.
bed_node() {	# framework [mixed]
	export SYS=/sys
	if [ "$1" = mdev ]; then
		driver_for mdev
	else
		driver_for vendor
	fi
	[ "${2:-}" != mixed ] || echo Y >"/sys/module/$DRIVER/parameters/mixed_size"
	[ -e "$OPS" ] || mount -t debugfs debugfs /sys/kernel/debug
	modprobe vfio_iommu_type1
}

bed_hold() {
	local at=$SYS/bus/mdev/devices/$1 out=$BATS_TEST_TMPDIR/held.$1

	[ -e "$at" ] || at=$SYS/bus/pci/devices/$1
	# It ends with its standard input; this one it keeps open itself.
	[ -e "$BATS_TEST_TMPDIR/stdin" ] || mkfifo "$BATS_TEST_TMPDIR/stdin"
	# There before it is looked at: the other process may take its time to begin.
	: >"$out"
	"$HOLD" "$at" 0<>"$BATS_TEST_TMPDIR/stdin" >"$out" 3>&- 4>&- &
	HELD+=("$1=$!")
	soon has_line held "$out"
}

has_line() {	# line file
	[ "$(<"$2")" = "$1" ]
}

bed_let_go() {	# device, or all
	local h kept=()

	for h in "${HELD[@]}"; do
		if [ "$1" = all ] || [ "${h%=*}" = "$1" ]; then
			kill -9 "${h#*=}"
			# Closed by the kernel before its end is told.
			wait "${h#*=}" || :
		else
			kept+=("$h")
		fi
	done
	HELD=("${kept[@]}")
}

bed_errno() {
	echo "$2" >"/sys/module/$DRIVER/parameters/errno_$1"
}

bed_selfclean() {	# device or all, ms or off
	local ms=$2

	[ "$ms" != off ] || ms=0
	echo "$ms" >"/sys/module/$DRIVER/parameters/selfclean_ms"
}

bed_ops() {
	echo "$(<"$OPS")"
}

bed_ops_reset() {
	echo reset >"$OPS"
}

bed_done() {
	:
}
