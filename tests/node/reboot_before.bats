#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Before the boot: the package comes by apt, and an admin says what the boot is to do. Behind it is reboot_after.bats.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load reboot_helper

setup_file() {
	node_facts
	mkdir -p "$KEPT" /etc/pve /var/lib/vz/snippets
	# The node's image leaves manuals out, and a node does not.
	rm -f /etc/dpkg/dpkg.cfg.d/*mmdebstrap*
	nvidia
	proxmox
	systemctl daemon-reload
	files > "$KEPT/files"
	cp /proc/sys/kernel/random/boot_id "$KEPT/boot_id"
}

setup() { node_facts; }

# program PATH: of what is on standard input
program() {
	mkdir -p "${1%/*}"
	cat > "$1"
	chmod +x "$1"
}

# at_boot UNIT LINE…: a unit of multi-user.target that is a program's one run
at_boot() {
	local unit=$1

	shift
	printf '%s\n' '[Unit]' "Description=Stand-in for $unit" "$@" 'Type=oneshot' 'RemainAfterExit=yes' \
		'[Install]' 'WantedBy=multi-user.target' > "/etc/systemd/system/$unit"
	systemctl -q enable "$unit"
}

# nvidia: its programs, as far as the driver here goes; VFs are made as its own makes them
nvidia() {
	program /usr/lib/nvidia/sriov-manage <<- 'END'
		#!/bin/bash
		set -e
		echo "$*" >> /run/ran
		pf=/sys/bus/pci/devices/$2
		modprobe pci-pf-stub
		echo "$2" > "$pf/driver/unbind"
		echo pci-pf-stub > "$pf/driver_override"
		echo "$2" > /sys/bus/pci/drivers/pci-pf-stub/bind
		cat "$pf/sriov_totalvfs" > "$pf/sriov_numvfs"
		echo "$2" > "$pf/driver/unbind"
		echo > "$pf/driver_override"
		echo "$2" > /sys/bus/pci/drivers/nvidia/bind
	END
	at_boot nvidia-vgpud.service '[Service]' 'ExecStart=/bin/true'
}

# proxmox: /etc/pve is there once pve-cluster is up, with a vGPU left over by then; pve-guests tells what it finds and starts a VM
proxmox() {
	local left

	for left in /sys/bus/pci/devices/"$CARD"/mdev_supported_types/*/name; do
		[[ $(< "$left") == *' T4-4Q' ]] && break
	done
	mkdir -p "$CLUSTER"/{qemu-server,nodes}
	: > "$CLUSTER/.version"
	at_boot pve-cluster.service '[Service]' "ExecStart=/bin/mount --bind $CLUSTER /etc/pve" \
		"ExecStart=/bin/bash -c 'echo $LEFT_BEHIND > ${left%/name}/create'"
	program /usr/lib/node/guests <<- END
		#!/bin/bash
		exec 2>&1
		echo "VFs \$(echo \$(cat /sys/bus/pci/devices/{$GPU,$GPU2}/sriov_numvfs))"
		echo "vGPUs \$(echo \$(ls /sys/bus/mdev/devices))"
		mkdir -p /run/qemu-server /run/lock/qemu-server
		exec $TESTS/pve/qm --root / --kvm $KVM ${QEMU[*]} ${STOPPED[*]} --pve $PVE --tick 0.2 start 100
	END
	at_boot pve-guests.service 'After=pve-cluster.service' '[Service]' 'ExecStart=/usr/lib/node/guests' 'KillMode=process'
}

@test "apt: the package comes from its file, without an archive or a network" {
	works apt install /payload/deb/pve-vgpu_*.deb
	equal "$(dpkg-query -W -f '${Status}' pve-vgpu)" 'install ok installed'
	equal "$(dpkg --verify pve-vgpu)" ''
	equal "$(pve-vgpu --version)" "pve-vgpu $(dpkg-query -W -f '${Version}' pve-vgpu)"
}

@test "install: the units are enabled, the timer waits, and no GPU has been touched" {
	equal "$(systemctl is-enabled pve-vgpu-{gc.service,gc.timer,standalone.service} | sort -u)" enabled
	equal "$(systemctl is-active pve-vgpu-{gc.timer,gc.service,standalone.service} | paste -sd' ')" 'active inactive inactive'
	equal "$(numvfs "$GPU") $(numvfs "$GPU2")" '0 0'
	[ ! -e /run/ran ]
}

@test "settings: what the boot is to do" {
	mkdir -p /etc/pve-vgpu
	printf '%s\n' "[gpu $GPU]" 'sriov = yes' "[vgpu $STANDALONE]" 'type = A40-24A' > /etc/pve-vgpu/node.conf
	ln -sf /usr/bin/pve-vgpu /var/lib/vz/snippets/pve-vgpu
	mount --bind "$CLUSTER" /etc/pve
	settings '[defaults]' 'cleanup-wait = 0'
	by_args 100 A40-24A
	by_args 300 T4-4Q
	works pve-vgpu sriov enable --configured --dry-run
	contains "$output" "$GPU"
	umount /etc/pve
	equal "$(numvfs "$GPU")" 0
}
