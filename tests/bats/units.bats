#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Units and udev rule: systemd and udev read them as they are meant, and the
# commands in them do on a node what a boot needs.

load helper
load sriov_helper

PF=0000:e8:00.0
INSTANCE=pve-vgpu-sriov@0000:3b:00.0.service

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

# udev ACTION BDF: what udev makes of that event of a device of the simulated node, with the project's rule alone.
# Its /sys, rules and database are of this call; sd-device asks for a real sysfs unless it is told not to.
udev() {
	mkdir -p "$BATS_TEST_TMPDIR/rules"
	cp "$TOP"/udev/*.rules "$BATS_TEST_TMPDIR/rules"
	# shellcheck disable=SC2016
	own_mounts bash -ec '
		mount --bind "$1" /sys
		mount --bind "$2" /usr/lib/udev/rules.d
		mount -t tmpfs none /run
		SYSTEMD_DEVICE_VERIFY_SYSFS=0 udevadm test --action="$3" "/sys/bus/pci/devices/$4"
	' - "$SYS" "$BATS_TEST_TMPDIR/rules" "$1" "$2" 2>&1
}

# command_of UNIT [INSTANCE]: what it runs, without the program
command_of() {
	sed -n 's|^ExecStart=/usr/bin/pve-vgpu ||p' "$TOP/systemd/$1" | sed "s/%I/${2:-}/"
}

# unit_run UNIT [INSTANCE]: that, on the simulated node
unit_run() {
	# shellcheck disable=SC2046
	pve_vgpu $(command_of "$@")
}

@test "units: systemd has nothing against them" {
	local dir=$BATS_TEST_TMPDIR/units

	mkdir "$dir"
	cp "$TOP"/systemd/* "$dir"
	# The instance as udev names it: no character of an address is escaped.
	assert_equal "$(systemd-escape 0000:3b:00.0)" 0000:3b:00.0
	printf '[Unit]\nWants=%s\n' $INSTANCE > "$dir/wants-instance.target"
	sed -i "s|/usr/bin/pve-vgpu|$PVE_VGPU|" "$dir"/*.service
	for unit in "$dir"/*; do
		run -0 systemd-analyze verify --man=no "$unit"
		assert_equal "$output" ''
	done
	# It looks at all: a word that is none is told.
	echo 'Nonsense=yes' >> "$dir/pve-vgpu-sriov@.service"
	run systemd-analyze verify --man=no "$dir/wants-instance.target"
	assert_output "'Nonsense' in section"
}

@test "units: each is through before PVE starts VMs, and leaves /run/pve-vgpu behind" {
	local unit

	for unit in "$TOP"/systemd/*.service; do
		grep -qE '^Before=.*pve-guests\.service' "$unit"
		# It starts the VMs of HA, and pve-guests is behind it.
		grep -qE '^Before=.*pve-ha-lrm\.service' "$unit"
		grep -qx 'RuntimeDirectory=pve-vgpu' "$unit"
		grep -qx 'RuntimeDirectoryPreserve=yes' "$unit"
		grep -qE '^TimeoutStartSec=[0-9]+$' "$unit"
	done
}

@test "units: each is shut off from what it has no use for" {
	local dir=$BATS_TEST_TMPDIR/units unit most setting

	for setting in LockPersonality=yes NoNewPrivileges=yes PrivateTmp=yes ProtectClock=yes ProtectControlGroups=yes ProtectHome=yes \
		ProtectHostname=yes ProtectKernelLogs=yes RestrictNamespaces=yes RestrictRealtime=yes RestrictSUIDSGID=yes \
		SystemCallArchitectures=native 'ProtectSystem=(strict|full)' 'CapabilityBoundingSet=.+'; do
		# Its status is another in each version.
		run grep -LxE "$setting" "$TOP"/systemd/*.service
		assert_equal "$output" ''
	done
	# Debian 11's looks at no file.
	systemd-analyze --help | grep -q -e --offline || return 0
	mkdir "$dir"
	cp "$TOP"/systemd/*.service "$dir"
	mv "$dir/pve-vgpu-sriov@.service" "$dir/pve-vgpu-sriov@x.service"
	# In tenths; what NVIDIA's program does in the one for VFs is not known well enough for more.
	for unit in gc=25 standalone=25 sriov@x=68; do
		most=${unit#*=}
		run -0 systemd-analyze security --offline=true --threshold="$most" "$dir/pve-vgpu-${unit%=*}.service"
	done
}

@test "units: sriov is not cut off before its own waits are over" {
	local turn driver smi limit

	turn=$(sed -n 's/^#define TURN_MS[[:blank:]]*\([0-9]*\).*/\1/p' "$TOP/pve-helper/sriov_vfs.c")
	driver=$(sed -n 's/^#define DRIVER_MS[[:blank:]]*\([0-9]*\).*/\1/p' "$TOP/pve-helper/sriov_vfs.c")
	smi=$(sed -n 's/^#define NVIDIA_SMI_MS[[:blank:]]*\([0-9]*\).*/\1/p' "$TOP/lib/nvidia_smi.h")
	limit=$(sed -n 's/^TimeoutStartSec=//p' "$TOP/systemd/pve-vgpu-sriov@.service")
	# sriov-wait at its most, 600 s, and 15 s in which types may still come
	[ $((turn + driver + 600000 + 15000 + smi)) -lt $((limit * 1000)) ]
}

@test "udev: a GPU that can have VFs wants its unit, on every event but its last" {
	local action

	a40 '"numvfs": 1'
	for action in add change bind unbind; do
		run udev $action $PF
		assert_success
		assert_output "SYSTEMD_WANTS=pve-vgpu-sriov@$PF.service"
		assert_output 'CURRENT_TAGS=:systemd:'
	done
	run udev remove $PF
	assert_output 'ACTION=remove'
	refute_output SYSTEMD_WANTS
	run udev add 0000:e8:00.4
	assert_output 'PCI_SLOT_NAME=0000:e8:00.4'
	refute_output SYSTEMD_WANTS
	refute_output ':systemd:'
}

@test "udev: other vendors' GPUs, too; none without SR-IOV, and nothing that is no GPU" {
	local class

	# 038000: Intel's Flex; 120000: AMD's Instinct
	for class in 030000 030200 038000 120000; do
		ROOT=$BATS_TEST_TMPDIR/$class
		a40 "\"vendor\": \"1002\", \"class\": \"$class\", \"framework\": \"vf\", \"numvfs\": 0"
		run udev add $PF
		assert_output "SYSTEMD_WANTS=pve-vgpu-sriov@$PF.service"
	done
	ROOT=$BATS_TEST_TMPDIR/none
	a40 '"totalvfs": 0'
	run udev add $PF
	assert_output "PCI_SLOT_NAME=$PF"
	refute_output SYSTEMD_WANTS
	for class in 020000 120000; do
		ROOT=$BATS_TEST_TMPDIR/other-$class
		a40 "\"class\": \"$class\", \"framework\": \"vf\""
		run udev add $PF
		assert_output "PCI_SLOT_NAME=$PF"
		refute_output SYSTEMD_WANTS
	done
}

@test "sriov unit: a GPU that node.conf does not name is left alone, and that is no failure" {
	a40 '"numvfs": 0'
	stand_ins
	run -0 --separate-stderr unit_run pve-vgpu-sriov@.service $PF
	assert_equal "$output" "$PF: /etc/pve-vgpu/node.conf does not ask for its VFs"
	assert_equal "$stderr" ''
	node_conf '[gpu 0000:99:00.0]' 'sriov = yes'
	run -0 --separate-stderr unit_run pve-vgpu-sriov@.service $PF
	assert_equal "$stderr" ''
	assert_equal "$(ran)" ''
	assert_equal "$(numvfs $PF)" 0
}

@test "sriov unit: started for each of several GPUs at once, one follows the other" {
	local gpu n=0

	node_json <<< '{"gpus":[{"bdf":"0000:01:00.0","numvfs":0},{"bdf":"0000:02:00.0","numvfs":0},{"bdf":"0000:03:00.0","numvfs":0}]}'
	stand_ins
	# The stand-in is one at a time, as sriov-manage has to be.
	sed -i '2i mkdir "${0%/usr/*}/busy" || exit 9\ntrap "rmdir \\"${0%/usr/*}/busy\\"" EXIT' "$ROOT$MANAGE"
	node_conf '[defaults]' 'sriov = yes' 'sriov-wait = 60'
	for gpu in 0000:01:00.0 0000:02:00.0 0000:03:00.0 0000:02:00.0; do
		# shellcheck disable=SC2046
		"$PVE_VGPU" --root "$ROOT" $(command_of pve-vgpu-sriov@.service $gpu) > "$ROOT/out.$n" &
		PIDS="$PIDS $!"
		n=$((n + 1))
	done
	for pid in $PIDS; do wait "$pid"; done
	assert_equal "$(ran | sort)" "$(printf 'sriov-manage -e 0000:0%s:00.0\n' 1 2 3)"
	assert_equal "$(cat "$ROOT"/out.* | LC_ALL=C sort)" "0000:01:00.0: 32 VFs enabled
0000:02:00.0: 32 VFs enabled
0000:02:00.0: 32 of 32 VFs are there
0000:03:00.0: 32 VFs enabled"
}

@test "sriov unit: a GPU in node.conf that cannot have VFs fails with the reason" {
	ROOT=$BATS_TEST_TMPDIR/t4
	node t4x2
	node_conf '[gpu 0000:3b:00.0]' 'sriov = yes'
	run -1 unit_run pve-vgpu-sriov@.service 0000:3b:00.0
	assert_output 'the GPU has no SR-IOV'
	ROOT=$BATS_TEST_TMPDIR/net
	node_json <<< '{"gpus":[{"bdf":"0000:05:00.0","class":"020000","vendor":"8086","driver":"ice","framework":"vf"}]}'
	node_conf '[gpu 0000:05:00.0]' 'sriov = yes' '[gpu 0000:99:00.0]' 'sriov = yes'
	run -1 unit_run pve-vgpu-sriov@.service 0000:05:00.0
	assert_output '0000:05:00.0 is no GPU'
	run -1 unit_run pve-vgpu-sriov@.service 0000:99:00.0
	assert_output 'there is no PCI device 0000:99:00.0'
}

@test "sriov unit: a sriov-manage that is missing, hangs or lies is a failure with its reason" {
	a40 '"numvfs": 0'
	stand_ins
	node_conf '[defaults]' 'sriov = yes' 'sriov-wait = 4'
	tell nothing
	run -1 unit_run pve-vgpu-sriov@.service $PF
	assert_output 'reported success, and there are no VFs'
	rm "$ROOT/standin/nothing"
	node_conf '[defaults]' 'sriov = yes' 'sriov-wait = 1'
	tell hangs
	run -1 unit_run pve-vgpu-sriov@.service $PF
	assert_output 'gave no answer within'
	rm "$ROOT$MANAGE"
	run -1 unit_run pve-vgpu-sriov@.service $PF
	assert_output 'No such file or directory'
	assert_equal "$(numvfs $PF)" 0
}

@test "standalone unit: makes what node.conf names, and is ordered behind the VFs" {
	grep -qE '^Before=.*pve-vgpu-standalone\.service' "$TOP/systemd/pve-vgpu-sriov@.service"
	a40
	run -0 unit_run pve-vgpu-standalone.service
	assert_equal "$output" ''
	node_conf '[vgpu 11111111-aaaa-4bbb-8ccc-000000000001]' 'type = A40-24A'
	run -0 unit_run pve-vgpu-standalone.service
	assert_output 'made: A40-24A'
}

@test "gc unit: takes what dead VMs have left, and no settings" {
	a40
	vm 100
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 999]' 'hostpci0 = A40-24A'
	hook 100 pre-start 2> /dev/null
	# What stays is no news every 15 minutes.
	run -0 unit_run pve-vgpu-gc.service
	assert_equal "$output" ''
	run -0 pve_vgpu gc --keep-settings
	assert_output 'vm 100: A40-24A on 0000:e8:00.4: kept'
	age 100 1000
	fault write '*/remove' EIO 1000
	run -1 unit_run pve-vgpu-gc.service
	assert_output 'vm 100: A40-24A on 0000:e8:00.4: not removed: '
	fault clear
	run -0 unit_run pve-vgpu-gc.service
	assert_output 'vm 100: A40-24A on 0000:e8:00.4: removed'
	refute_output 999
	grep -qx '\[vm 999\]' "$ROOT/etc/pve/pve-vgpu.conf"
	run -0 pve_vgpu gc
	assert_output 999
	run -1 grep -x '\[vm 999\]' "$ROOT/etc/pve/pve-vgpu.conf"
}

@test "gc unit: what a killed \`scheduler apply\` has left goes, though /etc is shut off" {
	a40
	mkdir -p "$ROOT/etc/modprobe.d"
	true &
	wait $!
	touch "$ROOT/etc/modprobe.d/.pve-vgpu.conf.$!.tmp"
	# As ProtectSystem=strict has it, with what the unit opens
	# shellcheck disable=SC2016,SC2046
	run -0 own_mounts bash -ec '
		mount --bind "$0/etc" "$0/etc"
		mount -o remount,bind,ro "$0/etc"
		for dir in $1; do
			[[ ${dir#-} == /etc/* ]] || continue
			mount --bind "$0${dir#-}" "$0${dir#-}"
			mount -o remount,bind,rw "$0${dir#-}"
		done
		! touch "$0/etc/file" 2> /dev/null
		shift
		"$@"
	' "$ROOT" "$(sed -n 's/^ReadWritePaths=//p' "$TOP/systemd/pve-vgpu-gc.service")" \
		"$PVE_VGPU" --root "$ROOT" $(command_of pve-vgpu-gc.service)
	assert_equal "$(ls -A "$ROOT/etc/modprobe.d")" ''
}

@test "install: units and rule are where systemd and udev look, and name the program that was installed" {
	local dest="$BATS_TEST_TMPDIR/a destination" unit

	make -s -C "$TOP" install DESTDIR="$dest" PREFIX=/usr/local
	[ -e "$dest/usr/local/lib/udev/rules.d/90-pve-vgpu.rules" ]
	for unit in "$TOP"/systemd/*; do
		unit=$dest/usr/local/lib/systemd/system/${unit##*/}
		[ "$(stat -c %a "$unit")" = 644 ]
		[[ $unit != *.service ]] || grep -q "^ExecStart=/usr/local/bin/pve-vgpu " "$unit"
	done
}
