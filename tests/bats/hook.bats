#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# The hook on the mdev bus: a VM's life, and where its vGPUs go.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

# --- a VM's life ------------------------------------------------------------

@test "pre-start: makes the vGPU with the right type and UUID on the first VF with room" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	run hook 100 pre-start
	assert_success
	assert_equal "$output" "pve-vgpu: vm 100: hostpci0: A40-24A (nvidia-575) on $VF1, GPU $PF1, mdev $(uuid 100)"
	assert_equal "$(mdevs)" "$(uuid 100)"
	assert_equal "$(parent_of "$(uuid 100)")" $VF1
	assert_equal "$(type_of "$(uuid 100)")" nvidia-575
	assert_equal "$(state 100 '.phase, .attached, .qemu' | tr '\n' ' ')" "created true null "
}

@test "life: pre-start, post-start, pre-stop and post-stop leave the node as it was" {
	node a40x8-mdev
	short_waits
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	run hook 100 post-start
	assert_success
	assert_equal "$output" ""
	assert_equal "$(state 100 '.phase, .qemu' | tr '\n' ' ')" "running 400100 "
	run hook 100 pre-stop
	assert_success
	assert_equal "$output" ""
	assert_equal "$(mdevs)" "$(uuid 100)"
	qemu_gone 100
	run hook 100 post-stop
	assert_success
	assert_equal "$output" ""
	assert_equal "$(mdevs)" ""
	assert_no_state 100
	assert_equal "$(cat "$SYS/bus/pci/devices/$VF1/mdev_supported_types/nvidia-575/available_instances")" 1
}

@test "life: a P40 has its vGPUs on the PF itself" {
	node p40x2
	short_waits
	intent 100 P40-6Q
	intent 101 P40-6Q
	with_args 100
	with_args 101
	hook 100 pre-start
	hook 101 pre-start
	assert_equal "$(parent_of "$(uuid 100)") $(parent_of "$(uuid 101)")" "0000:3b:00.0 0000:3b:00.0"
	assert_equal "$(type_of "$(uuid 101)")" nvidia-50
	qemu 100 "$(uuid 100)"
	run hook 100 post-start
	assert_success
	qemu_gone 100
	run hook 100 post-stop
	assert_success
	assert_equal "$(mdevs)" "$(uuid 101)"
}

@test "pre-start: a start costs the driver two operations, a stop one" {
	node a40x8-mdev
	short_waits
	intent 100 A40-24A
	intent 101 A40-24A
	with_args 100
	with_args 101
	ops_reset
	hook 101 pre-start
	# The first start ever reads what the types of one parent are called, and no more.
	assert_equal "$(count_ops .name.read) $(count_ops .description.read)" "22 22"
	assert_equal "$(ops)" 46
	ops_reset
	hook 100 pre-start
	assert_equal "$(count_ops .available_instances.read) $(count_ops .create.write) $(ops)" "1 1 2"
	ops_reset
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	assert_equal "$(ops)" 0
	qemu_gone 100
	ops_reset
	hook 100 post-stop
	assert_equal "$(count_ops .remove.write) $(ops)" "1 1"
}

@test "post-stop: leaves an mdev of its UUID that has another type or parent by now" {
	local at type

	node a40x8-mdev
	settings '[defaults]' 'cleanup-wait = 0' '[vm 100]' 'hostpci0 = A40-24A'
	for at in "$VF1 nvidia-573" "$VF2 nvidia-575"; do
		type=${at#* } at=${at% *}
		at 100 $VF1
		hook 100 pre-start
		assert_equal "$(parent_of "$(uuid 100)") $(type_of "$(uuid 100)")" "$VF1 nvidia-575"
		echo 1 > "$SYS/bus/mdev/devices/$(uuid 100)/remove"
		make "$(uuid 100)" "$at" "$type"
		run hook 100 post-stop
		assert_success
		assert_equal "$(parent_of "$(uuid 100)") $(type_of "$(uuid 100)")" "$at $type"
		assert_no_state 100
		echo 1 > "$SYS/bus/mdev/devices/$(uuid 100)/remove"
	done
}

@test "post-stop: comes a second time and finds nothing to do" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	hook 100 post-stop
	ops_reset
	run hook 100 post-stop
	assert_success
	assert_equal "$output" ""
	assert_equal "$(ops)" 0
}

@test "post-stop, post-start, pre-stop: without a pre-start before them do nothing and succeed" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	for phase in post-stop post-start pre-stop; do
		run hook 100 $phase
		assert_success
		assert_equal "$output" ""
	done
	[ ! -e "$ROOT/run/pve-vgpu" ]
}

@test "post-stop: works from the run state alone, without the VM's config" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	rm "$ROOT/etc/pve/qemu-server/100.conf"
	run hook 100 post-stop
	assert_success
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "post-stop: works without /etc/pve, and on settings that cannot be read" {
	node a40x8-mdev
	intent 100 A40-24A
	intent 101 A40-24A
	with_args 100
	with_args 101
	hook 100 pre-start
	hook 101 pre-start
	echo 'garbage' > "$ROOT/etc/pve/pve-vgpu.conf"
	run hook 101 post-stop
	assert_success
	rm -r "$ROOT/etc/pve"
	run hook 100 post-stop
	assert_success
	assert_equal "$(mdevs)" ""
}

@test "post-stop: removes at once what was never opened" {
	node a40x8-mdev
	settings '[defaults]' 'cleanup-wait = 60'
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	took_less 20000 hook 100 post-stop
	assert_success
	assert_equal "$(mdevs)" ""
}

@test "post-stop: leaves what QEMU still has open, says so, and gc clears it later" {
	node a40x8-mdev
	short_waits 'start-grace = 0'
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	rm "$ROOT/run/qemu-server/100.pid"
	run hook 100 post-stop
	assert_failure 1
	assert_output "vm 100: post-stop: vGPU $(uuid 100) on $VF1 stays: process 400100 has it open"
	assert_output "hint: the VM's next start or \`pve-vgpu gc\` clears it"
	assert_equal "$(mdevs)" "$(uuid 100)"
	assert_equal "$(state 100 .phase)" running
	run pve_vgpu gc
	assert_success
	assert_output "vm 100: A40-24A on $VF1: kept: process 400100 has its vGPU open"
	qemu_gone 100
	run pve_vgpu gc
	assert_success
	assert_output "vm 100: A40-24A on $VF1: removed"
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "post-stop: what it has left is adopted by the VM's next start" {
	node a40x8-mdev
	short_waits
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	run hook 100 post-stop
	assert_failure 1
	qemu_gone 100
	ops_reset
	run hook 100 pre-start
	assert_success
	assert_equal "$(count_ops .create.write)" 0
	assert_equal "$(mdevs)" "$(uuid 100)"
	assert_equal "$(state 100 '.phase, .qemu' | tr '\n' ' ')" "created null "
}

@test "post-stop: QEMU that exits a little late is waited for" {
	node a40x8-mdev
	settings '[defaults]' 'cleanup-wait = 6'
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	in_background 100 post-stop
	sleep 0.2
	assert_equal "$(mdevs)" "$(uuid 100)"
	qemu_gone 100
	finished
	assert_success
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "post-stop: leaves it to the driver where the driver removes it itself" {
	node a40x8-mdev
	settings '[defaults]' 'cleanup-wait = 60'
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	echo "$(uuid 100) 200" > "$SYS/.sim/selfclean"
	qemu_gone 100
	ops_reset
	took_less 20000 hook 100 post-stop
	assert_success
	assert_equal "$(count_ops .remove.write)" 0
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "post-stop: late, when the VM runs again, takes nothing away" {
	node a40x8-mdev
	short_waits
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	run hook 100 post-stop
	assert_failure 1
	assert_output "stays: process 400100 has it open"
	assert_equal "$(state 100 '.phase, .qemu' | tr '\n' ' ')" "running 400100 "
	# QEMU runs and has not opened it yet
	rm -r "$ROOT/proc/400100/fd"
	run hook 100 post-stop
	assert_failure 1
	assert_output "vGPU $(uuid 100) on $VF1 stays: the VM's QEMU runs (pid 400100)"
	assert_equal "$(mdevs)" "$(uuid 100)"
}

@test "post-start: says so where QEMU does not hold the vGPU, or does not run" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	run hook 100 post-start
	assert_failure 1
	assert_output "vm 100: post-start: no QEMU of the VM runs"
	assert_output "hint: if it has ended already, the VM's next start or \`pve-vgpu gc\` clears its vGPUs"
	qemu 100
	run hook 100 post-start
	assert_failure 1
	assert_output "vm 100: post-start: hostpci0: QEMU (pid 400100) does not hold the VM's A40-24A on $VF1"
	assert_output "hint: \`qm config 100\` and \`qm showcmd 100\` show what QEMU was given"
	assert_equal "$(state 100 .phase)" running
}

# --- what is there already -----------------------------------------------------

@test "pre-start: a second one adopts the vGPU and writes nothing to the driver" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	ops_reset
	run hook 100 pre-start
	assert_success
	assert_output "on $VF1, GPU $PF1, mdev $(uuid 100)"
	assert_equal "$(ops)" 0
	assert_equal "$(state 100 '.phase, (.vgpus | length)' | tr '\n' ' ')" "created 1 "
}

@test "pre-start: while the VM runs changes nothing" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	ops_reset
	run hook 100 pre-start
	assert_success
	assert_equal "$(ops)" 0
	assert_equal "$(state 100 '.phase, .qemu' | tr '\n' ' ')" "running 400100 "
}

@test "pre-start: while the VM runs, and fails for another vGPU, the VM stays on record as running" {
	node p40x2
	short_waits
	intent 100 P40-24Q
	with_args 100
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	make "$(cat /proc/sys/kernel/random/uuid)" 0000:af:00.0 nvidia-53
	echo 'hostpci1 = P40-24Q' >> "$ROOT/etc/pve/pve-vgpu.conf"
	run hook 100 pre-start
	assert_failure 1
	assert_equal "$(state 100 '.phase, .qemu, (.vgpus | length)' | tr '\n' ' ')" "running 400100 1 "
}

@test "pre-start: adopts by UUID and intent where the run state is missing, cut in half, empty or garbage" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	local f=$ROOT/run/pve-vgpu/100.json text

	text=$(cat "$f")
	ops_reset
	rm "$f"
	run hook 100 pre-start
	assert_success
	refute_output damaged
	for text in "${text:0:120}" "" $'\x01\xff{{{' '[]' '{"version": 1, "vmid": 101, "phase": "created", "vgpus": []}' \
		'{"version": 1, "vmid": 100, "phase": "dancing", "vgpus": []}'; do
		printf '%s' "$text" > "$f"
		run hook 100 pre-start
		assert_success
		assert_output "pve-vgpu: vm 100 pre-start: run state '/run/pve-vgpu/100.json'"
		assert_output "going on without it"
		assert_equal "$(state 100 '.vmid, .phase, .vgpus[0].uuid' | tr '\n' ' ')" "100 created $(uuid 100) "
	done
	assert_equal "$(ops)" 0
}

@test "pre-start: a run state of a newer version is refused and nothing changed" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	local f=$ROOT/run/pve-vgpu/100.json before

	jq '.version = 2' "$f" > "$f.new"
	mv "$f.new" "$f"
	before=$(cat "$f")
	ops_reset
	for phase in pre-start post-start post-stop; do
		run hook 100 $phase
		assert_failure 1
		assert_output "vm 100: $phase: run state '/run/pve-vgpu/100.json' was written by a newer version of pve-vgpu"
		assert_output "hint: upgrade pve-vgpu on this node"
	done
	age 100 100000 2>/dev/null || true
	jq '.version = 2' "$f" > /dev/null
	run pve_vgpu gc
	assert_output "newer version"
	assert_equal "$(ops)" 0
	assert_equal "$(jq -S 'del(.claimed_ms)' "$f")" "$(jq -S 'del(.claimed_ms)' <<< "$before")"
	assert_equal "$(mdevs)" "$(uuid 100)"
}

@test "pre-start: a damaged or newer run state of another VM is a warning and no more" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	mkdir -p "$ROOT/run/pve-vgpu"
	echo '{' > "$ROOT/run/pve-vgpu/200.json"
	echo '{ "version": 7 }' > "$ROOT/run/pve-vgpu/201.json"
	run hook 100 pre-start
	assert_success
	assert_output "pve-vgpu: vm 100 pre-start: run state '/run/pve-vgpu/200.json' is damaged"
	assert_output "pve-vgpu: vm 100 pre-start: run state '/run/pve-vgpu/201.json' was written by a newer version"
	assert_equal "$(mdevs)" "$(uuid 100)"
}

@test "pre-start: a leftover of a type that is not wanted any more is replaced" {
	node a40x8-mdev
	intent 100 A40-12A
	with_args 100
	hook 100 pre-start
	rm "$ROOT/etc/pve/pve-vgpu.conf"
	intent 100 A40-24A
	run hook 100 pre-start
	assert_success
	assert_equal "$(mdevs)" "$(uuid 100)"
	assert_equal "$(type_of "$(uuid 100)")" nvidia-575
	assert_equal "$(state 100 '.vgpus | length')" 1
}

@test "pre-start: a leftover of another type that is open is refused, with who holds it" {
	node a40x8-mdev
	short_waits
	intent 100 A40-12A
	with_args 100
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	short_waits
	intent 100 A40-24A
	ops_reset
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: the VM still has a A40-12A on $VF1 from before, which is not what it is to get, and it cannot be removed: process 400100 has it open"
	assert_output "hint: stop what has it open, then start the VM again"
	assert_equal "$(ops)" 0
	assert_equal "$(type_of "$(uuid 100)")" nvidia-573
}

@test "pre-start: a leftover on a GPU that the VM may not use any more is moved" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	echo "gpu = $PF2" >> "$ROOT/etc/pve/pve-vgpu.conf"
	run hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100)")" $VF4
}

@test "pre-start: what is on record for an index that is wanted no more goes" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-24A'
	with_args 100
	hook 100 pre-start
	settings '[vm 100]' 'hostpci1 = A40-24A'
	vm 100
	run hook 100 pre-start
	assert_success
	assert_equal "$(mdevs)" "$(uuid 100 1)"
	assert_equal "$(state 100 '.vgpus | length, .[0].index' | tr '\n' ' ')" "1 1 "
}

@test "pre-start: a vGPU that has gone by itself does not keep its VM from the place" {
	node p40x2
	settings '[vm 100]' 'hostpci0 = P40-24Q' 'gpu = 0000:3b:00.0'
	with_args 100
	hook 100 pre-start
	echo 1 > "$SYS/bus/mdev/devices/$(uuid 100)/remove"
	run hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100)")" 0000:3b:00.0
}

@test "pre-start: a UUID that stands on another parent than the pinned one is moved, or refused when it is open" {
	node a40x8-mdev
	short_waits
	intent 100 A40-24A
	at 100 $VF4
	make "$(uuid 100)" $VF1 nvidia-575
	run hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100)")" $VF4
	at 100 $VF1
	qemu 999 "$(uuid 100)"
	run hook 100 pre-start
	assert_failure 1
	assert_output "hostpci0: the VM still has a A40-24A on $VF4 from before"
	assert_output "process 400999 has it open"
	assert_equal "$(parent_of "$(uuid 100)")" $VF4
}

# --- pinned by the VM's config ---------------------------------------------------

@test "pinned: the vGPU is made on the address in hostpci0, however short it is written" {
	node a40x8-mdev
	intent 100 A40-24A
	intent 101 A40-24A
	at 100 0000:e8:00.7
	at 101 e8:00.5
	run hook 100 pre-start
	assert_success
	refute_output "nothing in the VM's config"
	assert_equal "$(parent_of "$(uuid 100)")" 0000:e8:00.7
	run hook 101 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 101)")" 0000:e8:00.5
}

@test "pinned: of several choices the one that mdev= names is taken" {
	node a40x8-mdev
	intent 100 'A40-48Q, A40-12Q, A40-24Q'
	at 100 $VF4 nvidia-565
	run hook 100 pre-start
	assert_success
	assert_equal "$(type_of "$(uuid 100)")" nvidia-565
}

@test "pinned: another mdev= than the intent's is refused with the line that mends it" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100 "hostpci0: $VF4,mdev=nvidia-566,pcie=1,x-vga=1"
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: the VM's config has mdev='nvidia-566', and the intent 'A40-24A' is mdev=nvidia-575 there"
	assert_output "hint: qm set 100 --hostpci0 $VF4,mdev=nvidia-575,pcie=1,x-vga=1"
	at 100 $VF4 A40-24A
	run hook 100 pre-start
	assert_failure 1
	assert_output "mdev='A40-24A', and the intent 'A40-24A' is mdev=nvidia-575 there"
	assert_output "hint: qm set 100 --hostpci0 $VF4,mdev=nvidia-575"
	assert_equal "$(mdevs)" ""
}

@test "pinned: a PF is refused with one of its VFs, an address that is not there with where to look" {
	node a40x8-mdev
	intent 100 A40-24A
	at 100 $PF2
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: the VM's config names $PF2, which offers no vGPU types here"
	assert_output "hint: the GPU's VFs do: qm set 100 --hostpci0 $VF4,mdev=nvidia-575"
	at 100 0000:99:00.4
	run hook 100 pre-start
	assert_failure 1
	assert_output "the VM's config names 0000:99:00.4, which offers no vGPU types here"
	assert_output "hint: \`pve-vgpu types\` shows the GPUs that do; are its VFs enabled?"
	assert_equal "$(mdevs)" ""
}

@test "pinned: a VF that another VM or a stranger has is refused" {
	node a40-foreign
	short_waits
	intent 100 A40-4Q
	intent 101 A40-4Q
	at 100 0000:e8:00.5 nvidia-560
	at 101 0000:e8:00.5 nvidia-560
	hook 100 pre-start
	run hook 101 pre-start
	assert_failure 1
	assert_output "vm 101: pre-start: hostpci0: A40-4Q: the VM's config names 0000:e8:00.5, which has no room:"
	assert_output "0000:e8:00.5 is vm 100's"
	assert_output "hint: stop the VM that has it, or name another address in hostpci0; \`pve-vgpu list\` shows what is taken"
	at 101 0000:e8:00.4 nvidia-560
	run hook 101 pre-start
	assert_failure 1
	assert_output "the VM's config names 0000:e8:00.4, which has no room"
	assert_output "0000:e8:00.4 is a stranger's (8c2de1f4-05ab-4b97-a6d3-f17e3c920b58)"
	assert_equal "$(mdevs | wc -l)" 3
	assert_no_state 101
}

@test "pinned: passthrough without mdev=, several addresses and a malformed line are refused" {
	node a40x8-mdev
	intent 100 A40-24A
	for line in "$VF4" "$VF4;$VF1,mdev=nvidia-575" "$VF4,mdev=nvidia-575,mdev=nvidia-575" "mdev=nvidia-575" "nonsense,mdev=nvidia-575"; do
		vm 100 "hostpci0: $line"
		run hook 100 pre-start
		assert_failure 1
		assert_output "vm 100: pre-start: hostpci0: the VM's config has hostpci0: '$line', which is no vGPU at an address"
		assert_output "hint: qm set 100 --delete hostpci0, or take hostpci0 out of [vm 100] in /etc/pve/pve-vgpu.conf"
	done
	assert_equal "$(mdevs)" ""
}

@test "mapping: is left to qemu-server, with a word about it, where /etc/pve does not tell which node this is" {
	node a40x8-mdev
	rm "$ROOT/etc/pve/local"
	intent 100 A40-24A
	vm 100 'hostpci0: mapping=a40,mdev=nvidia-575'
	ops_reset
	run hook 100 pre-start
	assert_success
	assert_output "hostpci0: left to qemu-server, which picks the device from mapping 'a40'"
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "vfio-pci: a VF on that driver has the type under another name, and the config must say that one" {
	jq '.gpus |= [.[-1]] | .vf_drivers = {"0000:e8:00.4": "vfio-pci"}' "$TOP/tests/nodes/a40x8-mdev.json" > "$BATS_TEST_TMPDIR/n.json"
	cp "$TOP/tests/nodes/types.json" "$BATS_TEST_TMPDIR/" 2>/dev/null
	node "$BATS_TEST_TMPDIR/n.json"
	intent 100 A40-24A
	at 100 0000:e8:00.4 nvidia-575
	run hook 100 pre-start
	assert_failure 1
	assert_output "the VM's config has mdev='nvidia-575', and the intent 'A40-24A' is mdev=vfio-pci-575 there"
	assert_output "hint: qm set 100 --hostpci0 0000:e8:00.4,mdev=vfio-pci-575"
	at 100 0000:e8:00.4 vfio-pci-575
	run hook 100 pre-start
	assert_success
	assert_equal "$(type_of "$(uuid 100)")" vfio-pci-575
	hook 100 post-stop
	# and so must the command for a VM that has no line yet
	vm 100
	run hook 100 pre-start
	assert_success
	assert_output "hint: qm set 100 --hostpci0 0000:e8:00.4,mdev=vfio-pci-575"
}

# --- attached or not ----------------------------------------------------------------

@test "attach: where nothing attaches it the start goes on, and the command is said" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100
	run --separate-stderr hook 100 pre-start
	assert_success
	assert_equal "$stderr" "pve-vgpu: vm 100 pre-start: hostpci0: nothing in the VM's config attaches this vGPU, so the VM will not see it
hint: qm set 100 --hostpci0 $VF1,mdev=nvidia-575"
	assert_contains "$output" "hostpci0: A40-24A (nvidia-575) on $VF1"
	# and post-start does not ask what QEMU holds
	qemu 100
	run hook 100 post-start
	assert_success
}

@test "attach: args with sysfsdev= of the right UUID is silent, in either path, quoted or not" {
	node a40x8-mdev
	intent 100 A40-24A
	for path in /sys/bus/mdev/devices/ "/sys/bus/pci/devices/$VF1/"; do
		for quote in '' "'" '"'; do
			vm 100 "args: -S -device ${quote}vfio-pci,sysfsdev=$path$(uuid 100)/,addr=0x10${quote} -foo"
			run --separate-stderr hook 100 pre-start
			assert_success
			assert_equal "$stderr" ""
		done
	done
}

# --- several vGPUs for one VM -----------------------------------------------------------

@test "several: hostpci0 and hostpci1 are made on different parents" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-24A'
	vm 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100) -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100 1)"
	hook 100 pre-start
	assert_equal "$(mdevs | wc -l)" 2
	assert_equal "$(parent_of "$(uuid 100)") $(parent_of "$(uuid 100 1)")" "$VF1 $VF2"
	hook 100 post-stop
	assert_equal "$(mdevs)" ""
}

@test "several: on a P40 they go to different PFs, and a third has no place" {
	node p40x2
	short_waits '[vm 100]' 'hostpci0 = P40-6Q' 'hostpci1 = P40-6Q'
	vm 100
	hook 100 pre-start
	assert_equal "$(parent_of "$(uuid 100)") $(parent_of "$(uuid 100 1)")" "0000:3b:00.0 0000:af:00.0"
	hook 100 post-stop
	echo 'hostpci2 = P40-6Q' >> "$ROOT/etc/pve/pve-vgpu.conf"
	run hook 100 pre-start
	assert_failure 1
	assert_output "two vGPUs of one VM must be on different parents"
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "several: where the second has no room the first is undone" {
	node a40x8-mdev
	short_waits '[vm 100]' 'hostpci0 = A40-48Q' 'hostpci1 = A40-48Q' "gpu = $PF1"
	vm 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci1: A40-48Q: no GPU of this node has room:"
	assert_output "A40-48Q on $PF1: full: 1 of 1 (vm 100)"
	assert_output "hint: stop a VM or choose another type; \`pve-vgpu types\` shows what fits, \`pve-vgpu plan 100\` why"
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "several: where the driver refuses the second everywhere the first is removed again" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-24A' "gpu = $PF1"
	vm 100
	fault write '*/0000:67:00.[5-7]/*/create' EIO 99
	fault write '*/0000:67:0[1-4].?/*/create' EIO 99
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci1: A40-24A: no GPU of this node has room:"
	assert_output "0000:67:04.3 refused: write '$(uuid 100 1)' to '/sys/bus/pci/devices/0000:67:04.3/mdev_supported_types/nvidia-575/create': Input/output error"
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

# --- choices and placement ------------------------------------------------------------

@test "several: what chooses its place keeps off the addresses in the config, whoever makes what is there" {
	node a40x8-mdev
	intent 100 A40-24A
	echo 'hostpci1 = A40-24A' >> "$ROOT/etc/pve/pve-vgpu.conf"
	with_args 100 "hostpci1: $VF1,mdev=nvidia-575"
	run hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100 1)")" $VF1
	[ "$(parent_of "$(uuid 100 0)")" != $VF1 ]
	hook 100 post-stop
	# An intent for that one there is none, and qemu-server makes it or passes the VF itself.
	settings '[vm 100]' 'hostpci0 = A40-24A' "gpu = $PF1"
	for line in "$VF1,mdev=nvidia-575" "$VF1"; do
		with_args 100 "hostpci1: $line"
		run hook 100 pre-start
		assert_success
		assert_equal "$(parent_of "$(uuid 100)")" $VF2
		run -0 pve_vgpu plan 100
		assert_output "has A40-24A on $VF2 already"
		hook 100 post-stop
	done
}

@test "choices: the first that has room is taken, in their order, and unknown ones are named" {
	node a40x8-mdev
	make "$(cat /proc/sys/kernel/random/uuid)" $VF1 nvidia-576
	settings '[vm 100]' 'hostpci0 = A40-99X, A40-48Q, A40-24Q' "gpu = $PF1"
	vm 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "A40-48Q on $PF1: full: 1 of 1 (foreign)"
	assert_output "A40-24Q on $PF1: holds A40-48A of 49152 MiB, and A40-24Q has 24576 MiB"
	settings '[vm 100]' 'hostpci0 = A40-99X, A40-48Q, A40-24Q' "gpu = $PF1, $PF2"
	run hook 100 pre-start
	assert_success
	assert_output "pve-vgpu: vm 100 pre-start: hostpci0: "
	assert_output "A40-99X"
	assert_equal "$(type_of "$(uuid 100)") $(parent_of "$(uuid 100)")" "nvidia-566 $VF4"
}

@test "choices: none that is known here is refused with the line of the intent" {
	node a40x8-mdev
	intent 100 'A40-99X, P40-2Q'
	vm 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: "
	assert_output "A40-99X"
	assert_output "hint: \`pve-vgpu types\` lists the types of this node; the intent is in /etc/pve/pve-vgpu.conf, line 2"
}

@test "gpu: only the GPUs that are named are used" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A' 'gpu = 0000:e8:00.0'
	vm 100
	hook 100 pre-start
	assert_equal "$(parent_of "$(uuid 100)")" 0000:e8:00.4
}

@test "placement: spread goes to the emptiest GPU, pack to one that is begun" {
	node a40x8-mdev
	settings '[defaults]' 'placement = spread' '[vm 100]' 'hostpci0 = A40-12Q' '[vm 101]' 'hostpci0 = A40-12Q' \
		'[vm 102]' 'hostpci0 = A40-12Q' 'placement = pack'
	vm 100; vm 101; vm 102
	hook 100 pre-start
	hook 101 pre-start
	hook 102 pre-start
	assert_equal "$(parent_of "$(uuid 100)") $(parent_of "$(uuid 101)") $(parent_of "$(uuid 102)")" "$VF1 $VF4 $VF2"
}

@test "sizes: vGPUs of another size send a VM to another GPU" {
	node a40x8-mdev
	intent 100 A40-12Q
	intent 101 A40-24Q
	intent 102 A40-12A
	vm 100; vm 101; vm 102
	hook 100 pre-start
	hook 101 pre-start
	hook 102 pre-start
	assert_equal "$(parent_of "$(uuid 100)") $(parent_of "$(uuid 101)") $(parent_of "$(uuid 102)")" "$VF1 $VF4 $VF2"
}

@test "full: a node without room refuses, with the reason" {
	node a40-full-mdev
	intent 100 A40-24A
	vm 100
	ops_reset
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: A40-24A: no GPU of this node has room:"
	assert_output "A40-24A on 0000:e8:00.0: full: 2 of 2 (foreign, foreign)"
	assert_equal "$(count_ops .create.write)" 0
	assert_equal "$(mdevs | wc -l)" 2
	assert_no_state 100
}

# --- other configs ------------------------------------------------------------------------

@test "migration: the config is read where the source node has it" {
	node a40x8-mdev
	intent 100 A40-24A
	mkdir -p "$ROOT/etc/pve/nodes/pve2/qemu-server"
	at 100 $VF4
	mv "$ROOT/etc/pve/qemu-server/100.conf" "$ROOT/etc/pve/nodes/pve2/qemu-server/"
	run hook 100 pre-start
	assert_failure 1
	assert_output "VM 100 has no configuration at '/etc/pve/qemu-server/100.conf'"
	PVE_MIGRATED_FROM='' run hook 100 pre-start
	assert_failure 1
	PVE_MIGRATED_FROM=pve2 run hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100)")" $VF4
	# A failed migration: post-stop on the target, with no config of its own
	run hook 100 post-stop
	assert_success
	assert_equal "$(mdevs)" ""
}

@test "template: gets nothing" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100 'template: 1'
	run hook 100 pre-start
	assert_success
	assert_equal "$output" ""
	assert_equal "$(mdevs)" ""
	[ ! -e "$ROOT/run/pve-vgpu" ]
}

@test "no intent: exit 0 without a word, after one config, one settings file, a look for a record, and nothing of sysfs" {
	node a40x8-mdev
	intent 101 A40-24A
	vm 100 'args: -device virtio-rng' "hostpci0: $VF1,mdev=nvidia-575"
	ops_reset
	# LeakSanitizer does not work where strace looks on.
	ASAN_OPTIONS=detect_leaks=0 run strace -f -o "$BATS_TEST_TMPDIR/trace" -e trace=open,openat,openat2,readlink,readlinkat,execve,clone,fork \
		"$PVE_VGPU" --root "$ROOT" 100 pre-start
	assert_success
	assert_equal "$output" ""
	assert_equal "$(ops)" 0
	# after the root itself, which the command line names too
	sed -n "\\|open.*\"$ROOT\"|,\$p" "$BATS_TEST_TMPDIR/trace" | sed 1d | grep -o '"[^"]*"' > "$BATS_TEST_TMPDIR/opened" || true
	cat "$BATS_TEST_TMPDIR/opened"
	assert_equal "$(grep -c -e '"etc/pve/pve-vgpu.conf"' -e '"etc/pve/qemu-server/100.conf"' "$BATS_TEST_TMPDIR/opened")" 2
	assert_equal "$(grep -v '"etc/pve' "$BATS_TEST_TMPDIR/opened")" '"run/pve-vgpu/100.json"'
	[ ! -e "$ROOT/run/pve-vgpu" ]
}

@test "clone: args that carry another VM's vGPU are refused with what mends it" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	hook 100 pre-start
	sed 's/name: vm100/name: clone/' "$ROOT/etc/pve/qemu-server/100.conf" > "$ROOT/etc/pve/qemu-server/101.conf"
	run hook 101 pre-start
	assert_failure 1
	assert_output "vm 101: pre-start: args of the VM's config name the vGPU of vm 100 ($(uuid 100)): a clone of that VM?"
	assert_output "hint: pve-vgpu unset 101 takes it out, pve-vgpu set 101 <type> --index 0 gives this VM one of its own; what was written by hand: qm set 101 --args … (qm config 101 shows them)"
	# An intent of its own does not make the other VM's vGPU its own
	intent 101 A40-24A
	run hook 101 pre-start
	assert_failure 1
	assert_output "args of the VM's config name the vGPU of vm 100"
	assert_equal "$(mdevs)" "$(uuid 100)"
	with_args 101
	run hook 101 pre-start
	assert_success
}

@test "rollback: args with the VM's own vGPU, and the intent is gone" {
	node a40x8-mdev
	intent 101 A40-24A
	with_args 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: args of the VM's config name the vGPU $(uuid 100), and [vm 100] has no hostpci0 in /etc/pve/pve-vgpu.conf (a rollback or restore?)"
	assert_output "hint: pve-vgpu unset 100 takes it out"
	# made by hand, for a config written by hand
	make "$(uuid 100)" $VF1 nvidia-575
	run hook 100 pre-start
	assert_success
}

@test "called: as PROGRAM VMID PHASE, as hook VMID PHASE, and through a link" {
	node a40x8-mdev
	intent 100 A40-24A
	with_args 100
	ln -s "$(readlink -f "$PVE_VGPU")" "$BATS_TEST_TMPDIR/snippet"
	run "$BATS_TEST_TMPDIR/snippet" --root "$ROOT" 100 pre-start
	assert_success
	run pve_vgpu hook 100 post-stop
	assert_success
	assert_equal "$(mdevs)" ""
}
