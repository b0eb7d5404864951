# SPDX-License-Identifier: AGPL-3.0-or-later
# A node with two GPUs, a VM whose hookscript is pve-vgpu, and qemu-server as
# tests/pve/qm imitates it. The stories speak to ROOT, SYS and that caller
# alone. On another bed than the simulated node PVE_BED names a file that
# defines bed_node, bed_teardown, driver_removes and driver_refuses in its own way.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

# What these load is looked for beside them.
load_bats_helpers() {
	local BATS_TEST_DIRNAME=$BATS_TEST_DIRNAME/../bats

	load hook_helper
}
load_bats_helpers

QM=$TOP/tests/pve/qm
KVM=$TOP/tests/pve/kvm
# What PVE sleeps for one second
TICK=0.02

# Two types of which a GPU holds one or the other, and four of each
TYPE=575 NAME=A40-24A
OTHER=574 OTHER_NAME=A40-16A

# bed_node mdev|nvidia-vfio: ROOT and SYS, with two GPUs of that framework
bed_node() {
	node_json <<- END
	{"gpus": [
	 {"bdf": "0000:e8:00.0", "framework": "$1", "totalvfs": 4},
	 {"bdf": "0000:e9:00.0", "framework": "$1", "totalvfs": 4}]}
	END
}

# QEMUs that a test has left, and what imitates the kernel for them
bed_teardown() {
	local dir pid

	for dir in "$ROOT"/proc/[0-9]*; do
		pid=${dir##*/}
		grep -qs tests/pve/kvm "/proc/$pid/cmdline" || continue
		kill -9 "$pid" || true
		soon test ! -e "$dir"
	done
	node_teardown
}

# driver_removes UUID-OR-VF MS: the driver does that itself after QEMU has let go
driver_removes() {
	echo "$*" > "$SYS/.sim/selfclean"
}

# driver_refuses PATTERN ERRNO COUNT: the next writes to what matches
driver_refuses() {
	fault write "$1" "$2" "$3"
}

# shellcheck source=/dev/null
[ -z "${PVE_BED:-}" ] || source "$PVE_BED"

setup() {
	MOUNTED='' PIDS='' ROOT=''
	PVE=9.2
}

teardown() {
	bed_teardown
}

# vfs_of GPU: its VFs in order
vfs_of() {
	local link

	for link in "$SYS/bus/pci/devices/$1"/virtfn*; do
		basename "$(readlink "$link")"
	done | sort
}

# pve_node mdev|nvidia-vfio: the node, and pve-vgpu as a snippet on it
pve_node() {
	local gpus f

	FRAMEWORK=$1
	bed_node "$1"
	mapfile -t gpus < <(for f in "$SYS"/bus/pci/devices/*/sriov_totalvfs; do basename "${f%/*}"; done | sort)
	mapfile -t VFS < <(vfs_of "${gpus[0]}")
	mapfile -t VFS2 < <(vfs_of "${gpus[1]}")
	TRACE=$BATS_TEST_TMPDIR/trace
	: > "$TRACE"
	mkdir -p "$ROOT/var/lib/vz/snippets" "$ROOT/etc/pve/mapping"
	snippet pve-vgpu "exec '$PVE_VGPU' --root '$ROOT' \"\$@\""
	settings '[defaults]' 'cleanup-wait = 1'
}

# snippet NAME COMMAND
snippet() {
	printf '#!/bin/sh\n%s\n' "$2" > "$ROOT/var/lib/vz/snippets/$1"
	chmod +x "$ROOT/var/lib/vz/snippets/$1"
}

# hooked VMID LINE…: a VM with the hookscript
hooked() {
	local vmid=$1

	shift
	vm "$vmid" 'hookscript: local:snippets/pve-vgpu' "$@"
	if [ "$PVE" = 7.1 ]; then
		# That version leaves -uuid to the admin.
		echo "args: -uuid $(uuid "$vmid")" >> "$ROOT/etc/pve/qemu-server/$vmid.conf"
	fi
}

# native VMID VF [TYPE-NUMBER]: intent and hostpci0 of that type at that address
native() {
	local type=${3:-$TYPE}

	hooked "$1" "hostpci0: $2,mdev=nvidia-$type"
	intent "$1" "nvidia-$type"
}

# mapping ID VF…: a cluster-wide mapping
mapping() {
	local id=$1 vf

	shift
	echo "$id"
	for vf; do
		printf '\tmap id=10de:2235,node=here,path=%s\n' "$vf"
	done
	printf '\tmdev 1\n\n'
}

# qm OPTION… COMMAND VMID: in version PVE
qm() {
	"$QM" --root "$ROOT" --kvm "$KVM" --tick "$TICK" --pve "$PVE" --trace "$TRACE" "$@" 3>&-
}

# qm_background OPTION… COMMAND VMID: its pid is in PID, its output in OUT
qm_background() {
	OUT=$BATS_TEST_TMPDIR/out.$(($(wc -w <<< "$PIDS") + 1))
	"$QM" --root "$ROOT" --kvm "$KVM" --tick "$TICK" --pve "$PVE" --trace "$TRACE" "$@" > "$OUT" 2>&1 3>&- &
	PID=$!
	PIDS="$PIDS $PID"
}

# gate: from here on QEMU is not started before gate_open. Until then a start is
# where a real one is for up to 20 s: the hook has made what it makes, PVE has
# chosen its devices, and nobody has them open.
gate() {
	GATE=$BATS_TEST_TMPDIR/gate
	mkdir -p "$GATE"
	printf '#!/bin/sh\ntouch "%s/reached"\nuntil [ -e "%s/open" ]; do sleep 0.01; done\nexec "%s" "$@"\n' \
		"$GATE" "$GATE" "$KVM" > "$GATE/kvm"
	chmod +x "$GATE/kvm"
	rm -f "$GATE/open" "$GATE/reached"
}

# gated OPTION… start VMID: in the background, until it is at the gate
gated() {
	gate
	qm_background --kvm "$GATE/kvm" "$@"
	soon test -e "$GATE/reached"
}

# gate_open: QEMU starts; run's variables are set by the end of the start
gate_open() {
	touch "$GATE/open"
	finished
}

# ended PID OUT: a qm in the background; run's variables are set
ended() {
	PID=$1 OUT=$2
	finished
}

# works COMMAND…: it ends with success, and no hook complains
works() {
	run "$@"
	assert_success
	quiet
}

# target_ends VMID: where PVE ends the target of a failed migration it does not wait for QEMU's end, so that a write may be
# refused before another is taken
target_ends() {
	run qm stop-target "$1" there
	assert_success
	refute_output 'failed in'
	refute_output 'TEST FAILED'
}

# quiet: nothing of a failed hook, no hint and no refused write in the output
quiet() {
	refute_output 'failed in'
	refute_output 'hint:'
	refute_output 'does not take'
	refute_output 'TEST FAILED'
}

# argv VMID: the command line of the VM's QEMU, an argument a line
argv() {
	tr '\0' '\n' < "$ROOT/proc/$(cat "$ROOT/run/qemu-server/$1.pid")/cmdline"
}

# option VMID NAME: the values of that option
option() {
	argv "$1" | awk -v o="-$2" 'found { print; found = 0 } $0 == o { found = 1 }'
}

# vgpus: all vGPUs of the node, "UUID TYPE" or "VF TYPE" a line
vgpus() {
	local d

	if [ "$FRAMEWORK" = nvidia-vfio ]; then
		vendor_vgpus
		return
	fi
	for d in $(mdevs); do
		echo "$d $(type_of "$d" | sed 's/.*-//')"
	done
}

assert_vgpus() {
	assert_equal "$(vgpus | sort | paste -sd,)" "$(printf '%s\n' "$@" | sort | paste -sd,)"
}

assert_no_vgpus() {
	assert_equal "$(vgpus)" ''
}

# The VM runs, and its QEMU has that device open
assert_runs_with() {
	local vmid=$1 vgpu=$2 pid name

	pid=$(cat "$ROOT/run/qemu-server/$vmid.pid")
	name=$(vfio_names "$(device "$vgpu")" | head -n 1)
	readlink "$ROOT/proc/$pid/fd"/* | grep -qx "/dev/vfio/$name" || { echo "vm $vmid does not hold $vgpu"; return 1; }
	assert_equal "$(state "$vmid" .phase)" running
}

# Of these VMs nothing is there any more: process, record, reservation, flag
assert_over() {
	local vmid

	for vmid; do
		assert_no_state "$vmid"
		[ ! -e "$ROOT/run/qemu-server/$vmid.pid" ]
		[ ! -e "$ROOT/run/qemu-server/$vmid.cleanup" ]
		run grep " $vmid " "$ROOT/$RESERVED"
		[ "$status" -ne 0 ] || { echo "reserved: $output"; return 1; }
	done
}

# traced PATTERN: how often a line of the trace matches
traced() {
	grep -cE -- "$1" "$TRACE" || true
}

# phases VMID: the phases that its hook was called with
phases() {
	sed -n "s/^hook $1 \([a-z-]*\) .*/\1/p" "$TRACE" | paste -sd' '
}
