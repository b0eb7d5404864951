#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# After the boot that follows reboot_before.bats: what udev and systemd have done by themselves, and how the package goes.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load reboot_helper

SRIOV=pve-vgpu-sriov@

# What the boot took its time for
setup_file() { systemd-analyze blame --no-pager | head -n 3 | sed 's/^ */# /' >&3; }

setup() { node_facts; }

# exited UNIT, started UNIT: when its program did, in microseconds since the boot
exited() { systemctl show -P ExecMainExitTimestampMonotonic "$1"; }
started() { systemctl show -P ExecMainStartTimestampMonotonic "$1"; }

# before UNIT UNIT: the first has done its work, and the second began after that
before() {
	local first second

	equal "$(systemctl show -P ExecMainStatus "$1")" 0
	first=$(exited "$1")
	second=$(started "$2")
	echo "$1 exited at $first, $2 started at $second"
	[ "$first" -gt 0 ]
	[ "$second" -ge "$first" ]
}

@test "boot: udev has started the unit of each GPU, and node.conf has said which gets VFs" {
	[ "$(< /proc/sys/kernel/random/boot_id)" != "$(< "$KEPT/boot_id")" ]
	equal "$(systemctl is-active "$SRIOV$GPU.service" "$SRIOV$GPU2.service" | paste -sd' ')" 'active active'
	equal "$(numvfs "$GPU") $(numvfs "$GPU2")" '32 0'
	# Its driver was taken and given back meanwhile, and each of its VFs had its events.
	equal "$(cat /run/ran)" "-e $GPU"
	equal "$(systemctl list-units --no-legend --all "$SRIOV*" | wc -l)" 2
	equal "$(systemctl list-units --no-legend --failed)" ''
}

@test "boot: VFs, then vGPUs of node.conf, then guests; and gc before these" {
	before nvidia-vgpud.service "$SRIOV$GPU.service"
	before "$SRIOV$GPU.service" pve-vgpu-standalone.service
	before "$SRIOV$GPU2.service" pve-vgpu-standalone.service
	before pve-cluster.service pve-vgpu-standalone.service
	before pve-cluster.service pve-vgpu-gc.service
	before pve-vgpu-standalone.service pve-guests.service
	before pve-vgpu-gc.service pve-guests.service
}

@test "boot: what the guests found, and the VM has its vGPU" {
	local said

	said=$(journalctl -b -o cat --no-pager -u pve-guests.service)
	contains "$said" 'VFs 32 0'
	# gc has taken what was left behind.
	contains "$said" "vGPUs $STANDALONE"$'\n'
	contains "$said" 'vm 100: hostpci0: A40-24A'
	contains "$said" "GPU $GPU"
	equal "$(phase 100)" running
	[[ $(listed 100) == 'A40-24A '*' true' ]] || fail "$(pve-vgpu list --json)"
	equal "$(vgpus)" 2
}

@test "removal while the VM runs: QEMU and the vGPUs go on, and the package can come again" {
	local pid was

	pid=$(< /run/qemu-server/100.pid)
	was=$(listed 100)
	# It may be refused, as PVE would not start that VM any more.
	run dpkg --remove pve-vgpu
	kill -0 "$pid"
	equal "$(vgpus)" 2
	equal "$(qmp 100 query-status | jq -r .status)" prelaunch
	works dpkg --install /payload/deb/pve-vgpu_*.deb
	equal "$(listed 100)" "$was"
	equal "$(< /run/qemu-server/100.pid)" "$pid"
	works qm stop 100
	equal "$(vgpus)" 1
	[ -e "/sys/bus/mdev/devices/$STANDALONE" ]
}

@test "purge: nothing is left but what the VFs hold" {
	rm -f /etc/pve/qemu-server/*.conf /var/lib/vz/snippets/pve-vgpu
	works apt purge pve-vgpu
	equal "$(dpkg-query -W -f '${Status}' pve-vgpu 2>&1)" 'dpkg-query: no packages found matching pve-vgpu'
	files > "$KEPT/files.now"
	diff "$KEPT/files" "$KEPT/files.now"
	equal "$(find /run -name '*pve-vgpu*')" ''
	# Neither active nor failed; until its next event a GPU's own unit goes on to name the one that udev wanted for it.
	equal "$(systemctl list-units --no-legend 'pve-vgpu*')" ''
	equal "$(systemctl list-unit-files --no-legend 'pve-vgpu*' || :)" ''
	# What others may use stays, and what is the cluster's.
	[ -e "/sys/bus/mdev/devices/$STANDALONE" ]
	equal "$(numvfs "$GPU")" 32
	[ -e /etc/pve/pve-vgpu.conf ]
}
