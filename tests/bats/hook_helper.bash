# SPDX-License-Identifier: AGPL-3.0-or-later
# What the tests of the hook share.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

load helper

# VFs of the first two GPUs of the nodes with eight A40
PF1=0000:67:00.0 VF1=0000:67:00.4 VF2=0000:67:00.5 VF3=0000:67:00.6
PF2=0000:68:00.0 VF4=0000:68:00.4
PF3=0000:6a:00.0 VF5=0000:6a:00.4

setup() {
	MOUNTED='' PIDS='' ROOT=''
}

teardown() {
	node_teardown
}

# with_args VMID [LINE…]: a VM whose args attach the mdev of index 0
with_args() {
	local vmid=$1

	shift
	vm "$vmid" "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid "$vmid"),bus=pci.0,addr=0x10" "$@"
}

# at VMID ADDRESS [TYPE]: a VM with the vGPU at an address, as qemu-server has it
at() {
	vm "$1" "hostpci0: $2,mdev=${3:-nvidia-575}"
}

# Waits of post-stop and for locks as short as they can be
short_waits() {
	settings '[defaults]' 'cleanup-wait = 0' 'lock-wait = 1' "$@"
}

# state VMID FILTER: out of the VM's run state
state() {
	jq -r "$2" "$ROOT/run/pve-vgpu/$1.json"
}

assert_no_state() {
	[ ! -e "$ROOT/run/pve-vgpu/$1.json" ] || { echo "run state of vm $1:"; cat "$ROOT/run/pve-vgpu/$1.json"; return 1; }
}

# parent_of UUID: the address that the mdev stands on
parent_of() {
	basename "$(dirname "$(readlink "$SYS/bus/mdev/devices/$1")")"
}

# type_of UUID: its type's directory
type_of() {
	basename "$(readlink "$SYS/bus/mdev/devices/$1/mdev_type")"
}

# make UUID PARENT TYPE-DIRECTORY: an mdev that somebody else makes
make() {
	echo "$1" > "$SYS/bus/pci/devices/$2/mdev_supported_types/$3/create"
}

# set_vf VF NUMBER: the same on a vendor VF
set_vf() {
	echo "$2" > "$SYS/bus/pci/devices/$1/nvidia/current_vgpu_type"
}

RESERVED=run/qemu-server/pci-id-reservations

reservations() {
	cat "$ROOT/$RESERVED" 2>/dev/null || true
}

# hold FILE [TEXT]: another process has this lock, until release_held
hold() {
	mkdir -p "$(dirname "$ROOT/$1")"
	exec {HELD_FD}<> "$ROOT/$1"
	flock "$HELD_FD"
	[ -z "${2:-}" ] || echo "$2" > "$ROOT/$1"
}

release_held() {
	exec {HELD_FD}>&-
	HELD_FD=
}

# waited_for FILE: a process waits for this lock. In a PID namespace /proc/locks leaves out those whose taker has ended, as `flock` has:
# there the last program in the background (PIDS) sleeps in a system call on that file.
waited_for() {
	local call fd rest

	! grep -qE -- "-> FLOCK .*:$(stat -c %i "$ROOT/$1") " /proc/locks || return 0
	read -r call fd rest < "/proc/${PIDS##* }/syscall" && [ -n "$rest" ] &&
		[ "/proc/${PIDS##* }/fd/$((fd))" -ef "$ROOT/$1" ]
}

# Until the command succeeds; a minute at most, for machines with much else to do.
soon() {
	local end=$((SECONDS + 60))

	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "not within 60 s: $*"; return 1; }
		sleep 0.02
	done
}

# in_background VMID PHASE, or a command: as a process of its own, in PID; its output is in OUT
in_background() {
	OUT=$BATS_TEST_TMPDIR/out.$1
	(
		# A lock that this shell holds must end with it.
		[ -z "${HELD_FD:-}" ] || exec {HELD_FD}>&-
		[ -z "${PVE_LOCK_FD:-}" ] || exec {PVE_LOCK_FD}>&-
		exec "$PVE_VGPU" --root "$ROOT" "$@" > "$OUT" 2>&1 3>&-
	) &
	PID=$!
	PIDS="$PIDS $PID"
}

# finished: wait for what is in the background; run's variables are set
finished() {
	status=0
	wait "$PID" || status=$?
	output=$(cat "$OUT")
}

# count_ops FILTER: out of the counters
count_ops() {
	jq "$1 // 0" "$SYS/.sim/ops"
}

now_ms() {
	local t=${EPOCHREALTIME/[.,]/}

	echo "$((t / 1000))"
}

# Milliseconds since boot in which something had to wait for a processor
pressed_ms() {
	local line=' total=0'

	[ ! -r /proc/pressure/cpu ] || read -r line < /proc/pressure/cpu
	echo "$((${line##*total=} / 1000))"
}

# took_less MS COMMAND…: it has run within that time; run's variables are set. What the machine had too many other things to do
# in does not count: this is about what the program waits for, which the other tests of the same machine must not change. Let the
# wait that must not be be many times MS: a machine may be slow, too.
took_less() {
	local limit=$1 begin end

	shift
	begin=$(($(now_ms) - $(pressed_ms)))
	run "$@"
	end=$(($(now_ms) - $(pressed_ms)))
	TOOK=$((end - begin))
	[ "$TOOK" -lt "$limit" ] || { echo "took $TOOK ms, wanted less than $limit"; echo "$output"; return 1; }
}

assert_contains() {
	[[ $1 == *"$2"* ]] || { echo "no '$2' in:"; echo "$1"; return 1; }
}

# The same as in the helper, in one process for all VFs
vendor_vgpus() {
	{ grep -Hvx 0 "$SYS"/bus/pci/devices/*/nvidia/current_vgpu_type || true; } |
		sed 's|.*/devices/\([^/]*\)/nvidia/current_vgpu_type:|\1 |'
}
