#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# The hook where something is wrong: drivers that refuse, files that cannot be
# read or written, settings with faults, words that are none, odd environments.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

# --- a driver that refuses -------------------------------------------------------

# The first start ever reads what types are called; this one lies before the test.
names_known() {
	intent 999 A40-24A
	vm 999
	hook 999 pre-start 2> /dev/null > /dev/null
	hook 999 post-stop
}

@test "refused: EBUSY, ENOSPC, EINVAL and EIO send the VM to the next place, for two operations more" {
	node a40x8-mdev
	names_known
	intent 100 A40-24A
	vm 100
	for errno in EBUSY ENOSPC EINVAL EIO; do
		fault write '*/create' $errno 1
		ops_reset
		run hook 100 pre-start
		assert_success
		assert_output "pve-vgpu: vm 100 pre-start: A40-24A on $VF1: write '$(uuid 100)' to '/sys/bus/pci/devices/$VF1/mdev_supported_types/nvidia-575/create': "
		assert_output "; trying the next place"
		assert_equal "$(parent_of "$(uuid 100)")" $VF4
		[ "$(ops)" -le 6 ]
		assert_equal "$(state 100 '.vgpus | length')" 1
		hook 100 post-stop
		assert_equal "$(mdevs)" ""
	done
}

@test "refused: the same on vendor VFIO, and the reservation goes along" {
	node a40x8-vfio
	names_known
	intent 100 A40-24A
	vm 100
	for errno in EBUSY ENOSPC EINVAL EIO; do
		fault write '*/current_vgpu_type' $errno 1
		ops_reset
		run hook 100 pre-start
		assert_success
		assert_output "pve-vgpu: vm 100 pre-start: A40-24A on $VF1: write '575' to '/sys/bus/pci/devices/$VF1/nvidia/current_vgpu_type': "
		assert_equal "$(count_ops .current_vgpu_type.write)" 2
		[ "$(ops)" -le 8 ]
		assert_equal "$(vendor_vgpus)" "$VF4 575"
		assert_equal "$(reservations | cut -d' ' -f1,2)" "$VF4 100"
		hook 100 post-stop
	done
}

@test "lost: a create that reports success and makes nothing is no success" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100
	fault write '*/create' LOST 1
	run hook 100 pre-start
	assert_success
	assert_output "pve-vgpu: vm 100 pre-start: A40-24A on $VF1: write '$(uuid 100)' to '/sys/bus/pci/devices/$VF1/mdev_supported_types/nvidia-575/create': the driver reported success and made nothing; trying the next place"
	assert_equal "$(parent_of "$(uuid 100)")" $VF4
}

@test "lost: the same on vendor VFIO" {
	node a40x8-vfio
	intent 100 A40-24A
	vm 100
	fault write '*/current_vgpu_type' LOST 1
	run hook 100 pre-start
	assert_success
	assert_output "write '575' to '/sys/bus/pci/devices/$VF1/nvidia/current_vgpu_type': the driver reported success and made nothing; trying the next place"
	assert_equal "$(vendor_vgpus)" "$VF4 575"
}

@test "refused: everywhere, and nothing is left" {
	for n in a40x8-mdev a40x8-vfio; do
		node $n
		names_known
		settings '[vm 100]' 'hostpci0 = A40-24A' "gpu = $PF1"
		vm 100
		fault write '*/create' EIO 999
		fault write '*/current_vgpu_type' EIO 999
		run hook 100 pre-start
		assert_failure 1
		assert_output "vm 100: pre-start: hostpci0: A40-24A: no GPU of this node has room:"
		assert_output "A40-24A on $PF1: 0000:67:04.3 refused: write '"
		assert_output "Input/output error"
		assert_output "hint: stop a VM or choose another type"
		assert_no_state 100
		assert_equal "$(reservations)" ""
		assert_equal "$(mdevs)$(vendor_vgpus 2> /dev/null)" ""
		fusermount3 -u "$SYS"
		MOUNTED=
	done
}

@test "refused: of many VFs that say the same the first is a line, and the others are counted" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		names_known
		intent 100 A40-24A
		vm 100
		fault write '*/create' EIO 5
		fault write '*/current_vgpu_type' EIO 5
		run -0 hook 100 pre-start
		assert_equal "$(grep -c 'trying the next place' <<< "$output")" 1
		assert_output 'pve-vgpu: vm 100 pre-start: A40-24A: 5 VFs of GPU 0000:e8:00.0 refused, the first one 0000:e8:00.4: Input/output error'
		settings '[vm 101]' 'hostpci0 = A40-24A'
		vm 101
		echo clear > "$SYS/.sim/fault"
		fault write '*/create' EIO 20
		fault write '*/create' EBUSY 999
		fault write '*/current_vgpu_type' EIO 999
		run -1 hook 101 pre-start
		assert_output '(and so did '
		# One line for each errno, with what the driver said to the first VF.
		[ "$(grep -c 'trying the next place' <<< "$output")" -le 2 ]
	done
}

@test "refused: a driver that has no room though the rules say so loses the whole GPU" {
	node a40x8-mdev
	names_known
	intent 100 A40-24A
	vm 100
	# Somebody of whom nothing is to be seen has the GPU.
	fault read '*/0000:67:*/available_instances' EIO 1
	run hook 100 pre-start
	assert_success
	assert_output "read '/sys/bus/pci/devices/$VF1/mdev_supported_types/nvidia-575/available_instances': Input/output error; trying the next place"
	assert_equal "$(parent_of "$(uuid 100)")" $VF4
}

@test "vanished: a VF that goes between plan and create is passed over" {
	node a40x8-mdev
	names_known
	intent 100 A40-24A
	vm 100
	delay '*/0000:67:00.4/*/available_instances' 300
	in_background 100 pre-start
	soon test -e "$ROOT/run/pve-vgpu/100.json"
	echo $VF1 > "$SYS/.sim/vanish"
	finished
	assert_success
	assert_output "A40-24A on $VF1: "
	assert_output "trying the next place"
	assert_equal "$(parent_of "$(uuid 100)")" $VF4
	assert_equal "$(state 100 '.vgpus | length')" 1
}

@test "vanished: the same on vendor VFIO" {
	node a40x8-vfio
	names_known
	intent 100 A40-24A
	vm 100
	delay '*/0000:67:00.4/*/creatable_vgpu_types' 300
	in_background 100 pre-start
	soon test -e "$ROOT/run/pve-vgpu/100.json"
	echo $VF1 > "$SYS/.sim/vanish"
	finished
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF4 575"
	assert_equal "$(reservations | cut -d' ' -f1,2)" "$VF4 100"
}

@test "vanished: a VF that has gone while the VM ran ends post-stop well" {
	for n in a40x8-mdev a40x8-vfio; do
		node $n
		settings '[vm 100]' 'hostpci0 = A40-24A'
		vm 100
		hook 100 pre-start
		echo $VF1 > "$SYS/.sim/vanish"
		run hook 100 post-stop
		assert_success
		assert_no_state 100
		assert_equal "$(reservations)" ""
		fusermount3 -u "$SYS"
		MOUNTED=
	done
}

@test "uuid: a vGPU of this VM's UUID in another's hands and of a foreign type is refused" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100
	make "$(uuid 100)" 0000:e8:00.7 nvidia-570
	qemu 999 "$(uuid 100)"
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: the VM still has a A40-4A on 0000:e8:00.7 from before, which is not what it is to get, and it cannot be removed: process 400999 has it open"
	assert_equal "$(type_of "$(uuid 100)")" nvidia-570
}

@test "uuid: one that create has given away is refused, and nothing of it touched" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100
	make "$(uuid 100)" $VF1 nvidia-575
	mkdir -p "$ROOT/run/pve-vgpu/standalone"
	jq -n --arg u "$(uuid 100)" --arg p $VF1 --arg g $PF1 '{version: 1, vmid: null, phase: "created", claimed_ms: 1, qemu: null,
		attached: false, vgpus: [{index: 0, framework: "mdev", gpu: $g, parent: $p, type: "nvidia-575", uuid: $u, created: true}]}' \
		> "$ROOT/run/pve-vgpu/standalone/$(uuid 100).json"
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: its UUID $(uuid 100) is that of a vGPU of \`pve-vgpu create\`, a A40-24A on $VF1"
	assert_output "hint: pve-vgpu remove $(uuid 100)"
	assert_equal "$(mdevs)" "$(uuid 100)"
}

@test "remove: one that the driver refuses is left on record, and named" {
	node a40x8-mdev
	short_waits 'start-grace = 0'
	intent 100 A40-24A
	vm 100
	hook 100 pre-start
	fault write '*/remove' EIO 1
	run hook 100 post-stop
	assert_failure 1
	assert_output "vm 100: post-stop: vGPU $(uuid 100) on $VF1 stays: write '1' to '/sys/bus/mdev/devices/$(uuid 100)/remove': Input/output error"
	assert_output "hint: the VM's next start or \`pve-vgpu gc\` clears it"
	assert_equal "$(state 100 '.vgpus | length')" 1
	fault write '*/remove' LOST 1
	run pve_vgpu gc
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "remove: one that blocks in the driver is let go of in time" {
	node a40x8-mdev
	short_waits
	intent 100 A40-24A
	vm 100
	hook 100 pre-start
	# Held by something that is in no process's table: the driver alone knows.
	echo "$(uuid 100) yes" > "$SYS/.sim/open"
	took_less 30000 hook 100 post-stop
	assert_failure 1
	assert_output "stays: write '1' to '/sys/bus/mdev/devices/$(uuid 100)/remove': "
	assert_equal "$(state 100 '.vgpus | length')" 1
	echo "$(uuid 100) no" > "$SYS/.sim/open"
}

# --- /run -------------------------------------------------------------------------

# in_ns SCRIPT: as root of a mount namespace of its own; $1 is the program, $2 the root
in_ns() {
	# shellcheck disable=SC2016
	own_mounts sh -c "$1"'; "$1" --root "$2" 100 pre-start' - "$PVE_VGPU" "$ROOT" 3>&-
}

@test "run: a file in place of the directory, a read-only /run and a full one fail with where to look" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100
	local hint='hint: pve-vgpu keeps its locks and what it has made under /run: see that /run is mounted, writable and not full (df /run; df -i /run)'

	touch "$ROOT/run/pve-vgpu"
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: make directory '/run/pve-vgpu"
	assert_output "Not a directory"
	assert_output "$hint"
	rm "$ROOT/run/pve-vgpu"
	run in_ns 'mount --bind "$2/run" "$2/run" && mount -o remount,ro,bind "$2/run"'
	assert_failure 1
	assert_output "vm 100: pre-start: make directory '/run/pve-vgpu': Read-only file system"
	assert_output "$hint"
	run in_ns 'mount -t tmpfs -o size=4k,nr_inodes=2 none "$2/run"'
	assert_failure 1
	assert_output "vm 100: pre-start: make directory '/run/pve-vgpu/locks': No space left on device"
	assert_output "$hint"
	run in_ns 'mount -t tmpfs -o size=64k,nr_inodes=5 none "$2/run"'
	assert_failure 1
	assert_output "No space left on device"
	assert_output "$hint"
	# Inodes but not a byte: the locks work, the record does not.
	run in_ns 'mount -t tmpfs -o size=4k,nr_inodes=50 none "$2/run"; echo > "$2/run/full"'
	assert_failure 1
	assert_output "vm 100: pre-start: write '/run/pve-vgpu/100.json': No space left on device"
	assert_output "$hint"
	assert_equal "$(mdevs)" ""
}

@test "run: a full /run on vendor VFIO leaves no reservation and no type behind" {
	node a40x8-vfio
	intent 100 A40-24A
	vm 100
	run in_ns 'mount -t tmpfs -o size=4k,nr_inodes=50 none "$2/run"; echo > "$2/run/full"'
	assert_failure 1
	assert_output "vm 100: pre-start: write '/run/pve-vgpu/100.json': No space left on device"
	assert_equal "$(vendor_vgpus)" ""
	# The record comes first, and goes again where PVE's file cannot be written.
	run in_ns 'mount -t tmpfs -o size=4k,nr_inodes=50 none "$2/run/qemu-server"; echo > "$2/run/qemu-server/full"'
	assert_failure 1
	assert_output "vm 100: pre-start: write '/run/qemu-server/pci-id-reservations': No space left on device"
	assert_output "hint: PVE keeps its reservations under /run: see that /run is mounted, writable and not full"
	assert_equal "$(vendor_vgpus)" ""
	[ ! -e "$ROOT/run/pve-vgpu/100.json" ]
}

# --- /etc/pve -----------------------------------------------------------------------

@test "config: one that cannot be read, is missing or has a NUL stops the start" {
	node a40x8-mdev
	intent 100 A40-24A
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: VM 100 has no configuration at '/etc/pve/qemu-server/100.conf'"
	assert_output "hint: 'qm list' shows the VMs of this node, 'systemctl status pve-cluster' whether /etc/pve is there"
	mkdir "$ROOT/etc/pve/qemu-server/100.conf"
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: read '/etc/pve/qemu-server/100.conf': Is a directory"
	rmdir "$ROOT/etc/pve/qemu-server/100.conf"
	printf 'name: a\nargs: \0\n' > "$ROOT/etc/pve/qemu-server/100.conf"
	run hook 100 pre-start
	assert_failure 1
	assert_output "/etc/pve/qemu-server/100.conf:2: NUL byte in the line"
	# Input/output error, as pmxcfs may give it
	rm "$ROOT/etc/pve/qemu-server/100.conf"
	ln -s "/sys/bus/pci/devices/$VF1/vendor" "$ROOT/etc/pve/qemu-server/100.conf"
	fault read '*/vendor' EIO 1
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: read '/etc/pve/qemu-server/100.conf': Input/output error"
	assert_equal "$(mdevs)" ""
}

@test "etc: without /etc/pve, or with it not mounted, no VM starts" {
	node a40x8-mdev
	rm -r "$ROOT/etc/pve"
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: read '/etc/pve/pve-vgpu.conf': /etc/pve is not mounted"
	assert_output "hint: systemctl status pve-cluster"
	mkdir "$ROOT/etc/pve"
	run hook 100 pre-start
	assert_failure 1
	assert_output "/etc/pve is not mounted"
}

@test "migration: what is no node name never becomes part of a path" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100
	long=$(printf 'a%.0s' {1..300})
	for from in ../.. .. . a/b "$long" $'a\nb' '*' 'pve 2' '-?'; do
		PVE_MIGRATED_FROM=$from run hook 100 pre-start
		assert_failure 1
		assert_output "vm 100: pre-start: VM 100 migrates from '"
		assert_output "which is no node name"
	done
	assert_equal "$(mdevs)" ""
}

@test "settings: faults stop the VMs they concern and warn the others" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'hostpci0 = A40-24A' 'placment = pack'
	vm 100; vm 101; vm 102
	run hook 101 pre-start
	assert_failure 1
	assert_output "vm 101: pre-start: /etc/pve/pve-vgpu.conf:5: 'placment' is no key known to this version of pve-vgpu; did you mean 'placement'?"
	run hook 100 pre-start
	assert_success
	assert_output "pve-vgpu: vm 100 pre-start: /etc/pve/pve-vgpu.conf:5: 'placment' is no key"
	run hook 102 pre-start
	assert_success
	assert_equal "$output" ""
	# In [defaults]: every VM
	settings '[defaults]' 'lock-wait = soon' '[vm 100]' 'hostpci0 = A40-24A'
	for id in 100 101 102; do
		run hook $id pre-start
		assert_failure 1
		assert_output "vm $id: pre-start: /etc/pve/pve-vgpu.conf:2: 'lock-wait': 'soon' is out of place; write seconds from 1 to 600"
	done
	run hook 100 post-stop
	assert_success
	# A header that cannot be read: those without a section
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 1o1]' 'hostpci0 = A40-24A'
	run hook 101 pre-start
	assert_failure 1
	assert_output "/etc/pve/pve-vgpu.conf:3: '[vm 1o1]' names no VM"
	run hook 100 pre-start
	assert_success
	assert_output "names no VM"
}

@test "settings: a file that cannot be read stops pre-start alone" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100
	hook 100 pre-start
	rm "$ROOT/etc/pve/pve-vgpu.conf"
	mkdir "$ROOT/etc/pve/pve-vgpu.conf"
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: read '/etc/pve/pve-vgpu.conf': Is a directory"
	run hook 100 post-stop
	assert_success
	assert_equal "$(mdevs)" ""
}

# --- words ----------------------------------------------------------------------------

@test "usage: a vmid that is none, a phase that is none, too few words and too many are exit 2" {
	node a40x8-mdev
	for id in 0 99 abc 1000000000000 007 0100 '' -1 '100 ' 1e3 ０; do
		run pve_vgpu hook "$id" pre-start
		assert_failure 2
		assert_output "pve-vgpu: "
	done
	for id in 0 99 1000000000000 007; do
		run pve_vgpu "$id" pre-start
		assert_failure 2
		assert_output "'$id' is no vmid: it must be a number from 100 to 999999999"
	done
	run pve_vgpu abc pre-start
	assert_failure 2
	for phase in prestart pre_start PRE-START '' 'pre-start ' start; do
		run pve_vgpu 100 "$phase"
		assert_failure 2
		assert_output "'$phase' is no phase: pre-start, post-start, pre-stop or post-stop"
	done
	run pve_vgpu 100
	assert_failure 2
	assert_output "<vmid> or <phase> missing"
	run pve_vgpu hook
	assert_failure 2
	run pve_vgpu 100 pre-start more
	assert_failure 2
	assert_output "too many words"
	[ ! -e "$ROOT/run/pve-vgpu" ]
}

@test "vmid: the smallest and the largest are served" {
	node a40x8-mdev
	intent 100 A40-24A
	intent 999999999 A40-24A
	vm 100; vm 999999999
	hook 100 pre-start
	hook 999999999 pre-start
	assert_equal "$(mdevs)" "00000000-0000-0000-0000-000000000100
00000000-0000-0000-0000-000999999999"
	hook 999999999 post-stop
	assert_equal "$(mdevs)" "$(uuid 100)"
}

# --- locks ------------------------------------------------------------------------------

@test "locks: the node's and the VM's are waited for no longer than lock-wait, and the message says whose they are" {
	node a40x8-mdev
	short_waits
	intent 100 A40-24A
	vm 100
	hold run/pve-vgpu/locks/node "vm 200 pre-start, pid 4711"
	took_less 30000 hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: the node lock is held by vm 200 pre-start, pid 4711"
	assert_output "hint: try again when that is done; \`fuser -v /run/pve-vgpu/locks/node\` shows the process"
	release_held
	assert_no_state 100
	hold run/pve-vgpu/locks/vm-100 "gc, pid 4712"
	took_less 30000 hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: the lock of vm 100 is held by gc, pid 4712"
	release_held
	: > "$ROOT/run/pve-vgpu/locks/vm-100"
	hold run/pve-vgpu/locks/vm-100
	run hook 100 pre-start
	assert_failure 1
	assert_output "the lock of vm 100 is held by another pve-vgpu process"
	assert_equal "$(mdevs)" ""
}

@test "locks: a wait of more than a second says for whom, and goes on when it ends" {
	node a40x8-mdev
	settings '[defaults]' 'lock-wait = 60'
	intent 100 A40-24A
	vm 100
	hold run/pve-vgpu/locks/node "vm 200 pre-start, pid 4711"
	in_background 100 pre-start
	soon grep -q . "$OUT"
	release_held
	finished
	assert_success
	assert_output "pve-vgpu: vm 100 pre-start: waiting for the node lock, held by vm 200 pre-start, pid 4711"
	assert_equal "$(mdevs)" "$(uuid 100)"
}

@test "locks: where one GPU is busy another serves" {
	node a40x8-mdev
	# Half of it is for the one that is busy.
	settings '[defaults]' 'lock-wait = 6'
	intent 100 A40-24A
	vm 100
	hold "run/pve-vgpu/locks/gpu-$PF1" "vm 200 pre-start, pid 4711"
	took_less 30000 hook 100 pre-start
	assert_success
	assert_output "A40-24A on $VF1: the lock of GPU $PF1 is held by vm 200 pre-start, pid 4711; trying the next place"
	assert_equal "$(parent_of "$(uuid 100)")" $VF4
}

@test "locks: where the busy GPU is the only one the message says who has it" {
	node a40x8-mdev
	short_waits '[vm 100]' 'hostpci0 = A40-24A' "gpu = $PF1"
	vm 100
	hold "run/pve-vgpu/locks/gpu-$PF1" "vm 200 pre-start, pid 4711"
	took_less 30000 hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: no place worked within 1 s (lock-wait); the last one, A40-24A on $VF1: the lock of GPU $PF1 is held by vm 200 pre-start, pid 4711"
	assert_output "hint: "
	assert_no_state 100
	assert_equal "$(mdevs)" ""
}

@test "locks: post-stop is bounded by cleanup-wait" {
	node a40x8-mdev
	settings '[defaults]' 'cleanup-wait = 0' 'lock-wait = 300'
	intent 100 A40-24A
	vm 100
	hook 100 pre-start
	hold "run/pve-vgpu/locks/gpu-$PF1" "vm 200 pre-start, pid 4711"
	took_less 30000 hook 100 post-stop
	assert_failure 1
	assert_output "vm 100: post-stop: vGPU $(uuid 100) on $VF1 stays: the lock of GPU $PF1 is held by vm 200 pre-start, pid 4711"
	release_held
	run hook 100 post-stop
	assert_success
}

@test "locks: the wait is bounded where whoever calls has SIGALRM ignored or blocked" {
	node a40x8-mdev
	short_waits
	intent 100 A40-24A
	vm 100
	hold run/pve-vgpu/locks/node "somebody"
	for how in SIG_IGN block; do
		took_less 30000 timeout 60 python3 -c '
import os, signal, sys
if sys.argv[1] == "block":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
else:
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
os.execv(sys.argv[2], sys.argv[2:])' $how "$PVE_VGPU" --root "$ROOT" 100 pre-start
		assert_failure 1
		assert_output "the node lock is held by somebody"
	done
}

# --- environment ------------------------------------------------------------------------------

@test "environment: standard input, output and error may be closed, each alone and all together" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100
	local rc

	for how in '0<&-' '1>&-' '2>&-' '0<&- 1>&- 2>&-' '1>&- 2>&-'; do
		rc=0
		eval '"$PVE_VGPU" --root "$ROOT" 100 pre-start' "$how" || rc=$?
		assert_equal "$how $rc" "$how 0"
		assert_equal "$(mdevs)" "$(uuid 100)"
		jq -e . "$ROOT/run/pve-vgpu/100.json" > /dev/null
		# Nothing of what is said has come into a file
		grep -rq 'hint:' "$ROOT/run" && { grep -r 'hint:' "$ROOT/run"; false; }
		eval '"$PVE_VGPU" --root "$ROOT" 100 post-stop' "$how"
		assert_equal "$(mdevs)" ""
	done
}

@test "environment: a task log that cannot be written does not stop the start" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100
	"$PVE_VGPU" --root "$ROOT" 100 pre-start > /dev/full 2> /dev/full
	assert_equal "$(mdevs)" "$(uuid 100)"
	hook 100 post-stop
	# A reader that has gone: killed or not, the next start is a good one
	"$PVE_VGPU" --root "$ROOT" 100 pre-start 2>&1 3>&- | true
	run hook 100 pre-start
	assert_success
	assert_equal "$(mdevs)" "$(uuid 100)"
}

@test "environment: no working directory, no PATH, no environment, any umask" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100
	mkdir "$BATS_TEST_TMPDIR/gone"
	cd "$BATS_TEST_TMPDIR/gone"
	rmdir "$BATS_TEST_TMPDIR/gone"
	PATH='' run "$PVE_VGPU" --root "$ROOT" 100 pre-start
	assert_success
	run "$PVE_VGPU" --root "$ROOT" 100 post-stop
	assert_success
	cd /
	run env -i "$(readlink -f "$PVE_VGPU")" --root "$ROOT" 100 pre-start
	assert_success
	hook 100 post-stop
	rm -r "$ROOT/run/pve-vgpu"
	umask 077
	run hook 100 pre-start
	assert_success
	assert_equal "$(stat -c %a "$ROOT/run/pve-vgpu/locks/node")" 600
	hook 100 post-stop
	rm -r "$ROOT/run/pve-vgpu"
	umask 000
	run hook 100 pre-start
	assert_success
	# Nobody but root may write what we go by.
	assert_equal "$(find "$ROOT/run/pve-vgpu" -perm /022)" ""
}

@test "environment: sixteen descriptors are enough" {
	for n in a40x8-mdev a40x8-vfio; do
		node $n
		short_waits
		intent 100 A40-24A
		vm 100
		run bash -c 'ulimit -n 16; "$1" --root "$2" 100 pre-start 3>&-' - "$PVE_VGPU" "$ROOT"
		assert_success
		run bash -c 'ulimit -n 16; "$1" --root "$2" 100 post-stop 3>&-' - "$PVE_VGPU" "$ROOT"
		assert_success
		assert_no_state 100
		fusermount3 -u "$SYS"
		MOUNTED=
	done
}

@test "environment: a run of the hook leaks no memory and reads none that is not its own" {
	[ "$(head -c 4 "$PVE_VGPU" | tail -c 3)" = ELF ]
	if ! command -v valgrind > /dev/null || nm "$PVE_VGPU" 2> /dev/null | grep -q __asan_init; then
		return 0
	fi
	node a40-foreign
	settings '[vm 100]' 'hostpci0 = A40-99X, A40-4Q' 'hostpci1 = A40-4A'
	vm 100
	for phase in pre-start pre-start post-start post-stop; do
		# With LOCPATH glibc 2.41 loses some bytes in newlocale(), which json-c calls for each text.
		run env -u LOCPATH valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect \
			"$PVE_VGPU" --root "$ROOT" 100 $phase
		[ "$status" -ne 99 ] || { echo "$output"; false; }
	done
}

@test "environment: a reader of the messages who goes away does not end a start half way" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100
	# Its stderr is a pipe that nobody reads any more.
	run bash -c '{ "$1" --root "$2" 100 pre-start 2>&1; echo "$?" > "$3"; } | true' - \
		"$PVE_VGPU" "$ROOT" "$BATS_TEST_TMPDIR/status"
	soon test -s "$BATS_TEST_TMPDIR/status"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/status")" 0
	assert_equal "$(jq -r .phase "$ROOT/run/pve-vgpu/100.json")" created
}
