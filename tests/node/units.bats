#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Rule and units under a real udev and systemd, with all that the units forbid themselves.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load whole_helper

UUID=11111111-aaaa-4bbb-8ccc-000000000001
MANAGE=/usr/lib/nvidia/sriov-manage

setup_file() {
	node_with mdev
	# NVIDIA's program, as far as the driver here goes.
	mkdir -p "${MANAGE%/*}" /etc/pve-vgpu
	cat > "$MANAGE" <<- 'END'
		#!/bin/bash
		echo "$*" >> /run/ran
		pf=/sys/bus/pci/devices/$2
		[ "$1" = -d ] && exec echo 0 > "$pf/sriov_numvfs"
		cat "$pf/sriov_totalvfs" > "$pf/sriov_numvfs"
	END
	chmod +x "$MANAGE"
	systemctl daemon-reload
	udevadm control --reload
}

setup() {
	clean_node
	rm -f /run/ran
}

teardown() {
	local gpu

	for gpu in $(gpus); do
		systemctl stop "pve-vgpu-sriov@$gpu.service"
	done
	systemctl stop pve-vgpu-standalone.service
	systemctl reset-failed
	rm -f /etc/pve-vgpu/node.conf
	clean_node
	for gpu in $(gpus); do
		[ "$(numvfs "$gpu")" = 32 ] || echo 32 > "/sys/bus/pci/devices/$gpu/sriov_numvfs"
	done
	udevadm settle --timeout=60
}

node_conf() { printf '%s\n' "$@" > /etc/pve-vgpu/node.conf; }

numvfs() { cat "/sys/bus/pci/devices/$1/sriov_numvfs"; }

# state GPU: of its unit, once it has made up its mind
state() {
	local i state

	for ((i = 0; i < 600; i++)); do
		state=$(systemctl show -P ActiveState "pve-vgpu-sriov@$1.service")
		case $state in
		active|failed) break ;;
		esac
		read -rt 0.1 <> <(:) || :
	done
	echo "$state"
}

# looked_at: when systemd last asked whether the first GPU's unit is to be run
looked_at() { systemctl show -P ConditionTimestampMonotonic "pve-vgpu-sriov@$GPU.service"; }

# what UNIT has said in this test
said() { journalctl -b -o cat --no-pager -u "$1"; }

# appear: the cards' uevents, as at boot
appear() {
	local device

	for device in $(gpus) $(card); do
		udevadm trigger --action=add "/sys/bus/pci/devices/$device"
	done
	udevadm settle --timeout=60
}

@test "udev: each GPU with SR-IOV starts its unit, and node.conf says which gets VFs" {
	vfs_on 0
	node_conf "[gpu $GPU]" 'sriov = yes'
	appear
	equal "$(state "$GPU")" active
	equal "$(state "$GPU2")" active
	said "pve-vgpu-sriov@$GPU.service"
	equal "$(numvfs "$GPU")" 32
	equal "$(numvfs "$GPU2")" 0
	equal "$(cat /run/ran)" "-e $GPU"
	contains "$(said "pve-vgpu-sriov@$GPU2.service")" "$GPU2: /etc/pve-vgpu/node.conf does not ask for its VFs"
	equal "$(systemctl is-active "pve-vgpu-sriov@$(card).service" || :)" inactive
	equal "$(systemctl list-units --no-legend --all 'pve-vgpu-sriov@*' | wc -l)" 2
	# Its events go on while VFs come and go; once is enough.
	appear
	equal "$(cat /run/ran)" "-e $GPU"
}

@test "udev: without node.conf nothing runs" {
	local i was

	vfs_on 0
	was=$(looked_at)
	appear
	# That nothing has been run tells something once systemd has come to it.
	for ((i = 0; i < 600; i++)); do
		[ "$(looked_at)" = "$was" ] || break
		read -rt 0.1 <> <(:) || :
	done
	[ "$(looked_at)" != "$was" ] || fail 'systemd has not looked at the unit'
	equal "$(systemctl show -P ConditionResult "pve-vgpu-sriov@$GPU.service")" no
	equal "$(numvfs "$GPU")" 0
	[ ! -e /run/ran ]
}

@test "sriov unit: what it could not do is a failed unit with its reason" {
	vfs_on 0
	node_conf '[defaults]' 'sriov = perhaps'
	appear
	equal "$(state "$GPU")" failed
	contains "$(said "pve-vgpu-sriov@$GPU.service")" "node.conf:2: 'sriov': 'perhaps' is neither 'yes' nor 'no'"
}

@test "standalone unit: makes the vGPU, twice the same, and leaves its record in /run" {
	node_conf "[vgpu $UUID]" 'type = A40-24A' 'params = frame_rate_limiter=0'
	works systemctl start pve-vgpu-standalone.service
	[ -e "/sys/bus/mdev/devices/$UUID" ]
	[ -e "$STATES/standalone/$UUID.json" ]
	equal "$(cat "/sys/bus/mdev/devices/$UUID/nvidia/vgpu_params")" 'frame_rate_limiter=0'
	works systemctl restart pve-vgpu-standalone.service
	contains "$(said pve-vgpu-standalone.service)" "vgpu $UUID: there: A40-24A"
	[ -e "$STATES/standalone/$UUID.json" ]
	works systemctl start pve-vgpu-gc.service
	[ -e "/sys/bus/mdev/devices/$UUID" ]
	works pve-vgpu remove "$UUID"
}

@test "gc unit: takes what a start that failed has left, and not the settings of a VM that is yet to be made" {
	by_args 100 A40-24A
	run qm --fail volumes start 100
	[ "$status" -eq 1 ]
	equal "$(vgpus)" 1
	settings '[defaults]' 'start-grace = 0'
	intent 100 A40-24A
	intent 999 A40-24A
	works systemctl start pve-vgpu-gc.service
	nothing_left 100
	grep -qxF '[vm 999]' /etc/pve/pve-vgpu.conf
}

@test "timer: waits for its time, and it is gc's" {
	works systemctl start pve-vgpu-gc.timer
	[[ $(systemctl show -P NextElapseUSecMonotonic pve-vgpu-gc.timer) == *[0-9]* ]]
	equal "$(systemctl show -P Unit pve-vgpu-gc.timer)" pve-vgpu-gc.service
	systemctl stop pve-vgpu-gc.timer
}

@test "units: systemd has them before PVE's guests" {
	local unit

	for unit in "pve-vgpu-sriov@$GPU.service" pve-vgpu-standalone.service pve-vgpu-gc.service; do
		contains "$(systemctl show -P Before "$unit")" pve-guests.service
	done
	contains "$(systemctl show -P Before "pve-vgpu-sriov@$GPU.service")" pve-vgpu-standalone.service
}

@test "vendor VFIO: VFs from udev's unit, and a vGPU on one of them from the other" {
	local vf

	node_with vendor
	vf=$VF
	vfs_on 0
	node_conf '[defaults]' 'sriov = yes' "[vgpu $vf]" 'type = A40-24A'
	appear
	equal "$(state "$GPU")" active
	equal "$(state "$GPU2")" active
	equal "$(numvfs "$GPU")" 32
	equal "$(numvfs "$GPU2")" 32
	works systemctl start pve-vgpu-standalone.service
	equal "$(cat "/sys/bus/pci/devices/$vf/nvidia/current_vgpu_type")" 575
	works pve-vgpu remove "$vf"
	node_with mdev
}
