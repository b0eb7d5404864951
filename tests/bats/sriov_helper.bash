# SPDX-License-Identifier: AGPL-3.0-or-later
# Programs of a node that change SR-IOV, as stand-ins below ROOT: each finds its
# ROOT by its own path, writes a line into ROOT/ran, and does what the files in
# ROOT/standin tell it.

# shellcheck disable=SC2154,SC2034

MANAGE=/usr/lib/nvidia/sriov-manage

# program PATH: a stand-in from standard input, behind what all of them begin with
program() {
	mkdir -p "$ROOT/$(dirname "$1")" "$ROOT/standin"
	{
		cat <<-'P'
		#!/bin/bash
		ROOT=${0%/usr/*} SYS=${0%/usr/*}/sys
		echo "${0##*/} $*" >> "$ROOT/ran"
		# told NAME: whether ROOT/standin/NAME is there; one with a number lasts so many times
		told() {
			local n

			n=$(cat "$ROOT/standin/$1" 2>/dev/null) || return
			[ -n "$n" ] || return 0
			[ "$n" -gt 0 ] || return
			echo $((n - 1)) > "$ROOT/standin/$1"
		}
		P
		cat
	} > "$ROOT/$1"
	chmod 755 "$ROOT/$1"
}

# What NVIDIA's program does: VFs of one GPU come, all of them, or go.
stand_in_manage() {
	program usr/lib/nvidia/sriov-manage <<-'P'
	gpu=$2
	vfs() { echo "$gpu $1" > "$SYS/.sim/vfs"; }
	if told locked; then
		echo "Cannot obtain unbindLock for $gpu" >&2
		exit 1
	fi
	told hangs && sleep 60
	told slow && sleep 4
	if told fails; then
		echo "no such GPU" >&2
		exit 3
	fi
	if told unbinds; then
		echo "$gpu -" > "$SYS/.sim/driver"
		exit 0
	fi
	told nothing && exit 0
	case $1 in
	-e)
		echo "Enabling VFs on $gpu"
		vfs "$(cat "$SYS/bus/pci/devices/$gpu/sriov_totalvfs")"
		for vf in $(readlink "$SYS/bus/pci/devices/$gpu"/virtfn*); do
			if told driverless; then
				echo "${vf##*/} -" > "$SYS/.sim/driver"
			else
				echo "${vf##*/} nvidia" > "$SYS/.sim/driver"
			fi
		done
		;;
	-d) vfs 0 ;;
	*) exit 2 ;;
	esac
	P
}

# nvidia-smi: sets the mode, but while a vGPU is there
stand_in_smi() {
	program usr/bin/nvidia-smi <<-'P'
	if told old; then
		echo "Invalid option -shm"
		exit 6
	fi
	[ "$1 $2 $4 $5" = "vgpu -i -shm 1" ] || exit 2
	echo "$3" > "$ROOT/mixed"
	P
}

# systemctl restart nvidia-vgpud.service: the GPUs get their types
stand_in_systemctl() {
	program usr/bin/systemctl <<-'P'
	[ "$*" = "restart nvidia-vgpud.service" ] || exit 5
	told fails && { echo "Job for nvidia-vgpud.service failed"; exit 1; }
	told typeless && exit 0
	for gpu in $(cat "$ROOT/standin/gpus"); do echo "$gpu yes" > "$SYS/.sim/types"; done
	P
}

stand_ins() {
	stand_in_manage
	stand_in_smi
	stand_in_systemctl
}

# told NAME [TIMES]: tell the stand-ins
tell() {
	mkdir -p "$ROOT/standin"
	echo "${2:-}" > "$ROOT/standin/$1"
}

# What the stand-ins were run with, a line each
ran() {
	cat "$ROOT/ran" 2>/dev/null || true
}

# node_conf LINE…: the whole of /etc/pve-vgpu/node.conf
node_conf() {
	mkdir -p "$ROOT/etc/pve-vgpu"
	printf '%s\n' "$@" > "$ROOT/etc/pve-vgpu/node.conf"
}

# model GPU NAME: what the driver calls it
model() {
	mkdir -p "$ROOT/proc/driver/nvidia/gpus/$1"
	printf 'Model: \t\t %s\nIRQ:   \t\t 42\nDevice Minor: \t 0\n' "$2" > "$ROOT/proc/driver/nvidia/gpus/$1/information"
}

numvfs() {
	cat "$SYS/bus/pci/devices/$1/sriov_numvfs"
}
