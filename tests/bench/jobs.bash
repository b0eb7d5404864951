# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# The jobs, by tool: TOOL_JOB is what is measured, with TOOL_JOB_before and TOOL_JOB_after around it where something has to be there or to
# go. A job that a tool does not have has no function. The bed gives OURS (the command line of pve-vgpu), HERE (this directory), SYSFS, FRAMEWORK,
# NAME, TYPE and PARENT, MAPPING, and qemu_up and qemu_down VMID DEVICE.

# shellcheck disable=SC2034 # for those who load this
TOOLS=${TOOLS:-ours mdevctl shell perl}
JOBS='types list create remove start stop'
BENCH_UUID=7e1f8a52-6d0c-4f3b-9a64-1c2d3e4f5a6b
BENCH_VMID=100
VM_UUID=00000000-0000-0000-0000-000000000100

# has TOOL JOB: on this framework. mdevctl and the shell know the mdev bus alone.
has() {
	[ "$(type -t "$1_$2")" = function ] || return 1
	[ "$FRAMEWORK" = mdev ] || [ "$1" = ours ] || [ "$1" = perl ]
}

# quiet COMMAND…: what is not measured
quiet() {
	"$@" < /dev/null > "$SCRATCH/out.quiet" 2> "$SCRATCH/err" || step_failed "$@"
}

# --- by hand, for what has to be there ------------------------------------------------------

# gone UUID: that mdev, if it is there
gone() {
	[ ! -e "$SYSFS/bus/mdev/devices/$1" ] || echo 1 > "$SYSFS/bus/mdev/devices/$1/remove"
}

# vendor_set VF NUMBER
vendor_set() {
	echo "$2" > "$SYSFS/bus/pci/devices/$1/nvidia/current_vgpu_type"
}

make_one() {
	if [ "$FRAMEWORK" = mdev ]; then
		echo "$1" > "$SYSFS/bus/pci/devices/$PARENT/mdev_supported_types/$TYPE/create"
	else
		vendor_set "$PARENT" "${TYPE#*-}"
	fi
}

lose_one() {
	if [ "$FRAMEWORK" = mdev ]; then
		gone "$1"
	else
		vendor_set "$PARENT" 0
	fi
}

# on_each COMMAND: COMMAND with the UUID of each GPU's vGPU, PARENT being its first VF; make_one and lose_one, for those who list
on_each() {
	local vf i=0

	for vf in "${FIRST_VFS[@]}"; do
		i=$((i + 1))
		PARENT=$vf "$1" "$(printf '11111111-aaaa-4bbb-8ccc-%012d' $i)"
	done
}

# --- pve-vgpu ---------------------------------------------------------------------------------

ours_types() { step "${OURS[@]}" types; }

ours_list_before() { on_each make_one; }
ours_list() { step "${OURS[@]}" list; }
ours_list_after() { on_each lose_one; }

# with_place COMMAND…: an mdev gets a UUID that is known beforehand
with_place() {
	if [ "$FRAMEWORK" = mdev ]; then
		"$@" --uuid "$BENCH_UUID"
	else
		"$@"
	fi
}

# made: what create has made; on vendor VFIO it goes by its VF
made() {
	if [ "$FRAMEWORK" = mdev ]; then
		echo "$BENCH_UUID"
	else
		vendor_vf
	fi
}

# vendor_vf: the VF that has a vGPU
vendor_vf() {
	grep -Lx 0 "$SYSFS"/bus/pci/devices/*/nvidia/current_vgpu_type | head -n 1 | sed 's|/nvidia/.*||; s|.*/||'
}

ours_create() { with_place step "${OURS[@]}" create "$NAME"; }
ours_create_after() { quiet "${OURS[@]}" remove "$(made)"; }

ours_remove_before() { with_place quiet "${OURS[@]}" create "$NAME"; MADE=$(made); }
ours_remove() { step "${OURS[@]}" remove "$MADE"; }

ours_start() {
	step "${OURS[@]}" "$BENCH_VMID" pre-start
	qemu_up "$BENCH_VMID" "$(started)"
	step "${OURS[@]}" "$BENCH_VMID" post-start
}
ours_start_after() {
	qemu_down "$BENCH_VMID"
	quiet "${OURS[@]}" "$BENCH_VMID" post-stop
}

# started: the device of the VM
started() {
	if [ "$FRAMEWORK" = mdev ]; then
		echo "$VM_UUID"
	else
		vendor_vf
	fi
}

ours_stop_before() {
	quiet "${OURS[@]}" "$BENCH_VMID" pre-start
	qemu_up "$BENCH_VMID" "$(started)"
	quiet "${OURS[@]}" "$BENCH_VMID" post-start
}
ours_stop() {
	step "${OURS[@]}" "$BENCH_VMID" pre-stop
	qemu_down "$BENCH_VMID"
	step "${OURS[@]}" "$BENCH_VMID" post-stop
}

# --- mdevctl ----------------------------------------------------------------------------------

mdevctl_types() { step mdevctl types; }

mdevctl_list_before() { on_each make_one; }
mdevctl_list() { step mdevctl list; }
mdevctl_list_after() { on_each lose_one; }

mdevctl_create() { step mdevctl start -u "$BENCH_UUID" -p "$PARENT" -t "$TYPE"; }
mdevctl_create_after() { gone "$BENCH_UUID"; }

mdevctl_remove_before() { make_one "$BENCH_UUID"; }
mdevctl_remove() { step mdevctl stop -u "$BENCH_UUID"; }

# A VM's vGPU as mdevctl knows it: defined once with its place, started by its UUID
mdevctl_start_before() { quiet mdevctl define -u "$VM_UUID" -p "$PARENT" -t "$TYPE"; }
mdevctl_start() { step mdevctl start -u "$VM_UUID"; }
mdevctl_start_after() { gone "$VM_UUID"; quiet mdevctl undefine -u "$VM_UUID"; }

mdevctl_stop_before() { mdevctl_start_before; make_one "$VM_UUID"; }
mdevctl_stop() { step mdevctl stop -u "$VM_UUID"; }
mdevctl_stop_after() { quiet mdevctl undefine -u "$VM_UUID"; }

# --- the shell loop -----------------------------------------------------------------------------

shell_types() { step "$HERE/shell-loop" types; }
shell_types_part() { step "$HERE/shell-loop" types "$PARENT"; }

shell_list_before() { on_each make_one; }
shell_list() { step "$HERE/shell-loop" list; }
shell_list_after() { on_each lose_one; }

shell_create() { step "$HERE/shell-loop" create "$NAME" "$BENCH_UUID"; }
shell_create_after() { gone "$BENCH_UUID"; }

shell_remove_before() { make_one "$BENCH_UUID"; }
shell_remove() { step "$HERE/shell-loop" remove "$BENCH_UUID"; }

shell_start() { step "$HERE/shell-loop" start "$BENCH_VMID" "$NAME"; }
shell_start_after() { gone "$VM_UUID"; }

shell_stop_before() { make_one "$VM_UUID"; }
shell_stop() { step "$HERE/shell-loop" stop "$BENCH_VMID"; }

# --- the Perl loop ------------------------------------------------------------------------------

perl_types() { step "$HERE/perl-loop" types; }

perl_create() { step "$HERE/perl-loop" create "$PARENT" "$TYPE" "$BENCH_UUID"; }
perl_create_after() { lose_one "$BENCH_UUID"; }

perl_remove_before() { make_one "$BENCH_UUID"; }
perl_remove() {
	if [ "$FRAMEWORK" = mdev ]; then
		step "$HERE/perl-loop" remove "$BENCH_UUID"
	else
		step "$HERE/perl-loop" remove "$PARENT"
	fi
}

perl_start() { step "$HERE/perl-loop" start "$BENCH_VMID" "$TYPE" "$MAPPING"; }
perl_start_after() { lose_one "$VM_UUID"; }

perl_stop_before() { make_one "$VM_UUID"; }
perl_stop() {
	if [ "$FRAMEWORK" = mdev ]; then
		step "$HERE/perl-loop" stop "$BENCH_VMID" "$MAPPING"
	else
		step "$HERE/perl-loop" stop "$BENCH_VMID" "$MAPPING" "$PARENT"
	fi
}

# --- all of them ----------------------------------------------------------------------------------

# mapping_of PARENT…: as PVE's cluster mapping has them, for the Perl loop
mapping_of() {
	local at dir group

	for at; do
		dir=$SYSFS/bus/pci/devices/$at group=-1
		[ ! -e "$dir/iommu_group" ] || { group=$(readlink "$dir/iommu_group"); group=${group##*/}; }
		echo "$at $(< "$dir/vendor"):$(< "$dir/device") $(< "$dir/subsystem_vendor"):$(< "$dir/subsystem_device") $group"
	done | sed 's/0x//g'
}

# all_jobs TOOL…: a record for each job of each tool on this node. The shell's loop over all types of many VFs starts tens of thousands of
# processes: under strace it is run over one VF.
all_jobs() {
	local tool job

	for tool; do
		for job in $JOBS; do
			has "$tool" "$job" || continue
			case $tool-$job in
			shell-types) measure_part shell types "$((GPUS * VFS))" ;;
			*) measure "$tool" "$job" ;;
			esac
		done
	done
}
