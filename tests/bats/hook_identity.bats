#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# An intent is one VM's, not a vmid's: vmids that are given again, clones,
# rollbacks, restores, migrations.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

SMBIOS=6f2a1d0e-0000-4000-8000-00000000cafe
OTHER=6f2a1d0e-0000-4000-8000-00000000beef

# identity VMID IDENTITY [LINE…]
identity() {
	printf '%s\n' "[vm $1]" 'hostpci0 = A40-24A' "identity = $2" "${@:3}" >> "$ROOT/etc/pve/pve-vgpu.conf"
}

@test "identity: the VM that was meant starts" {
	node a40x8-mdev
	identity 100 ctime:1690000000
	with_args 100 'meta: creation-qemu=8.1.2,ctime=1690000000' "smbios1: uuid=$SMBIOS"
	run hook 100 pre-start
	assert_success
	assert_equal "$(mdevs)" "$(uuid 100)"
	identity 101 "uuid:$SMBIOS"
	with_args 101 "smbios1: uuid=${SMBIOS^^}"
	run hook 101 pre-start
	assert_success
}

@test "identity: a vmid that was given again gets nothing, and its start is refused with the commands" {
	node a40x8-mdev
	identity 100 ctime:1690000000 'hostpci2 = A40-12A'
	with_args 100 'meta: creation-qemu=9.0.2,ctime=1700000000'
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: [vm 100] in /etc/pve/pve-vgpu.conf is for another VM (ctime:1690000000), which had this vmid before; this one is ctime:1700000000"
	assert_output "hint: to give it to this VM: pve-vgpu set 100 A40-24A; pve-vgpu set 100 A40-12A --index 2; to take it away: pve-vgpu unset 100"
	assert_equal "$(mdevs)" ""
	assert_no_state 100
	run pve_vgpu plan 100
	assert_failure 1
	assert_output "vm 100: plan: [vm 100] in /etc/pve/pve-vgpu.conf is for another VM"
}

@test "identity: by the SMBIOS uuid, and where the config has none" {
	node a40x8-mdev
	identity 100 "uuid:$SMBIOS"
	with_args 100 "smbios1: uuid=$OTHER"
	run hook 100 pre-start
	assert_failure 1
	assert_output "is for another VM (uuid:$SMBIOS), which had this vmid before; this one is uuid:$OTHER"
	with_args 100
	run hook 100 pre-start
	assert_failure 1
	assert_output 'this one is without meta and SMBIOS uuid'
	assert_equal "$(mdevs)" ""
}

@test "identity: a vmid that was given to another clone of the same template" {
	node a40x8-mdev
	identity 100 "ctime:1690000000, uuid:$SMBIOS"
	with_args 100 'meta: creation-qemu=8.1.2,ctime=1690000000' "smbios1: uuid=$OTHER"
	run hook 100 pre-start
	assert_failure 1
	assert_output "is for another VM (ctime:1690000000, uuid:$SMBIOS), which had this vmid before; this one is ctime:1690000000, uuid:$OTHER"
	assert_output 'hint: it is another clone of the same template, was restored as unique, or its smbios1 was edited; to give it to this VM: pve-vgpu set 100 A40-24A; to take it away: pve-vgpu unset 100'
	assert_equal "$(mdevs)" ""
	assert_no_state 100
	with_args 100 'meta: creation-qemu=8.1.2,ctime=1690000000' "smbios1: uuid=$SMBIOS"
	run hook 100 pre-start
	assert_success
	assert_equal "$(mdevs)" "$(uuid 100)"
}

@test "identity: a section that a hand has written is any VM's" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100 'meta: ctime=1'
	run hook 100 pre-start
	assert_success
}

@test "identity: a restore brings back the same VM, and a rollback too" {
	node a40x8-mdev
	identity 100 ctime:1690000000
	# qmrestore gives the VM another SMBIOS uuid with --unique, and leaves meta; a section from before the uuid was recorded
	with_args 100 'meta: creation-qemu=8.1.2,ctime=1690000000' "smbios1: uuid=$OTHER"
	run hook 100 pre-start
	assert_success
}

@test "identity: a template with another VM's section is left alone" {
	node a40x8-mdev
	identity 100 ctime:1
	vm 100 'template: 1' 'meta: ctime=2'
	run hook 100 pre-start
	assert_success
	assert_equal "$output" ""
}

@test "clone: it has no section; by hostpci it is qemu-server's, and by args it is refused" {
	node a40x8-mdev
	identity 100 ctime:1690000000
	vm 101 "hostpci0: $VF1,mdev=nvidia-575" 'meta: ctime=1690000000'
	run hook 101 pre-start
	assert_success
	assert_equal "$output" ""
	vm 101 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)" 'meta: ctime=1690000000'
	run hook 101 pre-start
	assert_failure 1
	assert_output "args of the VM's config name the vGPU of vm 100 ($(uuid 100)): a clone of that VM?"
	assert_equal "$(mdevs)" ""
}

@test "rollback: a config from before the mode was changed is refused with the command that mends it" {
	node a40x8-mdev
	identity 100 ctime:1690000000 'mode = native'
	with_args 100 'meta: ctime=1690000000'
	run hook 100 pre-start
	assert_failure 1
	assert_output "mode = native, and the VM's config has its UUID in args"
	assert_output "pve-vgpu set 100 A40-24A --mode native writes the config for that mode (a rollback brings an older one back)"
}

@test "migration: to a node without the type the refusal says what that node has" {
	node two-boards
	mkdir -p "$ROOT/etc/pve/nodes/other/qemu-server"
	intent 100 V100-8Q
	with_args 100
	mv "$ROOT/etc/pve/qemu-server/100.conf" "$ROOT/etc/pve/nodes/other/qemu-server/100.conf"
	PVE_MIGRATED_FROM=other run hook 100 pre-start
	assert_failure 1
	assert_output "'V100-8Q' is no vGPU type of this node"
	assert_output "; this node's boards: $(pve_vgpu types --json | jq -r '[.[].name | split("-")[0]] | unique | join(", ")')"
}

@test "migration: an incoming one works in every mode, from the config where it lies" {
	local m

	node a40x8-mdev
	short_waits
	mkdir -p "$ROOT/etc/pve/nodes/other/qemu-server" "$ROOT/usr/bin" "$ROOT/usr/lib/pve-vgpu"
	: > "$ROOT/usr/lib/pve-vgpu/qemu-wrapper"
	: > "$ROOT/usr/bin/kvm.distrib"
	ln -s /usr/lib/pve-vgpu/qemu-wrapper "$ROOT/usr/bin/kvm"
	for m in native args wrapper; do
		settings '[defaults]' 'cleanup-wait = 0' '[vm 100]' 'hostpci0 = A40-24A' 'identity = ctime:7' "mode = $m"
		case $m in
		native) at 100 "$VF1" ;;
		args) with_args 100 ;;
		wrapper) vm 100 ;;
		esac
		echo 'meta: ctime=7' >> "$ROOT/etc/pve/qemu-server/100.conf"
		mv "$ROOT/etc/pve/qemu-server/100.conf" "$ROOT/etc/pve/nodes/other/qemu-server/100.conf"
		PVE_MIGRATED_FROM=other run hook 100 pre-start
		assert_success
		assert_equal "$(mdevs) $(state 100 '.vgpus[0].mode')" "$(uuid 100) $m"
		# it went well there: the config is here now; and once it fails, there is none
		if [ $m != args ]; then
			qemu 100 "$(uuid 100)"
			PVE_MIGRATED_FROM=other run hook 100 post-start
			assert_success
			qemu_gone 100
		fi
		run hook 100 post-stop
		assert_success
		assert_equal "$(mdevs)" ""
		assert_no_state 100
	done
}

@test "migration: the config that still lies with the source is whose identity counts" {
	node a40x8-mdev
	identity 100 ctime:1690000000
	mkdir -p "$ROOT/etc/pve/nodes/other/qemu-server"
	with_args 100 'meta: ctime=1690000000'
	mv "$ROOT/etc/pve/qemu-server/100.conf" "$ROOT/etc/pve/nodes/other/qemu-server/100.conf"
	PVE_MIGRATED_FROM=other run hook 100 pre-start
	assert_success
	assert_equal "$(mdevs)" "$(uuid 100)"
	# it failed: the target has no config of that VM
	run hook 100 post-stop
	assert_success
	assert_equal "$(mdevs)" ""
	sed -i 's/ctime=.*/ctime=5/' "$ROOT/etc/pve/nodes/other/qemu-server/100.conf"
	PVE_MIGRATED_FROM=other run hook 100 pre-start
	assert_failure 1
	assert_output 'this one is ctime:5'
}
