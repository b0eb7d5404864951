#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# The hook on NVIDIA's vendor VFIO files: VFs with a type set, and PVE's reservations.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

# The epoch time that many seconds from now
in_s() {
	echo $(($(date +%s) + $1))
}

reserve() {
	printf '%s\n' "$@" > "$ROOT/$RESERVED"
}

# --- a VM's life --------------------------------------------------------------

@test "vfio: pre-start, post-start and post-stop, with the reservation beside them" {
	node a40x8-vfio
	short_waits
	intent 100 A40-24A
	at 100 $VF1
	run hook 100 pre-start
	assert_success
	assert_equal "$output" "pve-vgpu: vm 100: hostpci0: A40-24A (nvidia-575) on $VF1, GPU $PF1"
	assert_equal "$(vendor_vgpus)" "$VF1 575"
	assert_contains "$(reservations)" "$VF1 100 time:"
	assert_equal "$(state 100 '.phase, .vgpus[0].framework, .vgpus[0].uuid' | tr '\n' ' ')" "created nvidia-vfio null "
	qemu 100 $VF1
	run hook 100 post-start
	assert_success
	assert_equal "$output" ""
	assert_equal "$(reservations)" "$VF1 100 pid:400100"
	run hook 100 pre-stop
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF1 575"
	qemu_gone 100
	run hook 100 post-stop
	assert_success
	assert_equal "$output" ""
	assert_equal "$(vendor_vgpus)" ""
	assert_equal "$(reservations)" ""
	assert_no_state 100
}

@test "vfio: a start costs the driver three operations, a stop four at the most" {
	node a40x8-vfio
	short_waits
	intent 100 A40-24A
	intent 101 A40-24A
	at 100 $VF1
	vm 101
	ops_reset
	hook 101 pre-start
	# The first start ever asks one VF of one GPU what its types are called.
	[ "$(ops)" -le 4 ]
	assert_equal "$(count_ops .creatable_vgpu_types.read)" 2
	hook 101 post-stop
	ops_reset
	hook 100 pre-start
	assert_equal "$(count_ops .creatable_vgpu_types.read) $(count_ops .current_vgpu_type.write) $(count_ops .current_vgpu_type.read) $(ops)" "1 1 1 3"
	qemu 100 $VF1
	ops_reset
	hook 100 post-start
	assert_equal "$(ops)" 0
	qemu_gone 100
	ops_reset
	hook 100 post-stop
	assert_equal "$(count_ops .current_vgpu_type.write)" 1
	[ "$(ops)" -le 4 ]
}

@test "vfio: post-stop twice, without a pre-start, without a config, without /etc/pve" {
	node a40x8-vfio
	intent 100 A40-24A
	vm 100
	run hook 100 post-stop
	assert_success
	hook 100 pre-start
	rm -r "$ROOT/etc/pve"
	ops_reset
	run hook 100 post-stop
	assert_success
	# The driver is not watched for whether it removes it itself.
	[ "$(ops)" -le 4 ]
	assert_equal "$(vendor_vgpus)" ""
	assert_equal "$(reservations)" ""
	ops_reset
	run hook 100 post-stop
	assert_success
	assert_equal "$output" ""
	assert_equal "$(ops)" 0
}

@test "vfio: post-stop leaves what QEMU still has open, and the next start takes it over, reserved" {
	node a40x8-vfio
	short_waits
	intent 100 A40-24A
	at 100 $VF1
	hook 100 pre-start
	qemu 100 $VF1
	hook 100 post-start
	rm "$ROOT/run/qemu-server/100.pid"
	run hook 100 post-stop
	assert_failure 1
	assert_output "vm 100: post-stop: vGPU $VF1 on $VF1 stays: process 400100 has it open"
	assert_equal "$(vendor_vgpus)" "$VF1 575"
	assert_equal "$(reservations)" "$VF1 100 pid:400100"
	qemu_gone 100
	ops_reset
	run hook 100 pre-start
	assert_success
	assert_equal "$(count_ops .current_vgpu_type.write)" 0
	assert_contains "$(reservations)" "$VF1 100 time:"
	assert_equal "$(reservations | wc -l)" 1
}

@test "vfio: post-stop waits for the driver to remove it itself, and tries again where it refuses a moment" {
	node a40x8-vfio
	settings '[defaults]' 'cleanup-wait = 60'
	intent 100 A40-24A
	at 100 $VF1
	hook 100 pre-start
	qemu 100 $VF1
	hook 100 post-start
	echo "$VF1 200" > "$SYS/.sim/selfclean"
	qemu_gone 100
	ops_reset
	took_less 20000 hook 100 post-stop
	assert_success
	assert_equal "$(count_ops .current_vgpu_type.write)" 0
	assert_equal "$(reservations)" ""
	hook 100 pre-start
	fault write '*/current_vgpu_type' EBUSY 2
	run hook 100 post-stop
	assert_success
	assert_equal "$(vendor_vgpus)" ""
}

@test "vfio: a driver that has just removed it and answers EPERM has done what was wanted" {
	node a40x8-vfio
	intent 100 A40-24A
	at 100 $VF1
	hook 100 pre-start
	echo 0 > "$SYS/bus/pci/devices/$VF1/nvidia/current_vgpu_type"
	run hook 100 post-stop
	assert_success
	assert_no_state 100
	assert_equal "$(reservations)" ""
}

@test "vfio: post-stop leaves a VF that is another VM's by now" {
	node a40x8-vfio
	intent 100 A40-24A
	at 100 $VF1
	hook 100 pre-start
	reserve "$VF1 200 time:$(in_s 60)"
	ops_reset
	run hook 100 post-stop
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF1 575"
	assert_contains "$(reservations)" "$VF1 200 time:"
	assert_no_state 100
}

@test "vfio: a line of PVE's for another VM whose time is over keeps post-stop from nothing" {
	node a40x8-vfio
	intent 100 A40-24A
	at 100 $VF1
	hook 100 pre-start
	printf '%s\n' "$VF1 200 time:1" "$VF1 201 pid:4711" >> "$ROOT/$RESERVED"
	run hook 100 post-stop
	assert_success
	assert_equal "$(vendor_vgpus)" ""
	assert_no_state 100
}

@test "vfio: post-stop where the VF has lost its driver ends well" {
	node a40x8-vfio
	intent 100 A40-24A
	at 100 $VF1
	hook 100 pre-start
	fault read "*/$VF1/nvidia/current_vgpu_type" ENODEV 99
	run hook 100 post-stop
	assert_success
	assert_no_state 100
	assert_equal "$(reservations)" ""
}

@test "vfio: post-stop leaves a VF that has another type by now" {
	node a40x8-vfio
	intent 100 A40-24A
	at 100 $VF1
	hook 100 pre-start
	set_vf $VF1 0
	set_vf $VF1 573
	run hook 100 post-stop
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF1 573"
	assert_no_state 100
}

# --- what is there already ---------------------------------------------------------

@test "vfio: a second pre-start adopts, and one while the VM runs leaves it as it is" {
	node a40x8-vfio
	intent 100 A40-24A
	at 100 $VF1
	hook 100 pre-start
	ops_reset
	run hook 100 pre-start
	assert_success
	assert_equal "$(count_ops .current_vgpu_type.write)" 0
	[ "$(ops)" -le 2 ]
	qemu 100 $VF1
	hook 100 post-start
	run hook 100 pre-start
	assert_success
	assert_equal "$(state 100 '.phase, .qemu' | tr '\n' ' ')" "running 400100 "
	assert_equal "$(reservations)" "$VF1 100 pid:400100"
}

@test "vfio: without its run state a VF is found again by PVE's reservation for this VM" {
	node a40x8-vfio
	intent 100 A40-24A
	vm 100
	hook 100 pre-start
	local text

	for text in '' '{' '{"version": 1, "vmid": 100, "phase": "created", "vgpus": [{"index": 0, "framework": "nvidia-vfio", "gpu": "'$PF1'", "parent": "'$VF1'", "type": "foo"}]}'; do
		rm "$ROOT/run/pve-vgpu/100.json"
		[ -z "$text" ] || echo "$text" > "$ROOT/run/pve-vgpu/100.json"
		ops_reset
		run hook 100 pre-start
		assert_success
		assert_equal "$(count_ops .current_vgpu_type.write)" 0
		assert_equal "$(state 100 '.vgpus[0].parent')" $VF1
	done
	# but not what somebody else has open
	rm "$ROOT/run/pve-vgpu/100.json"
	qemu 999 $VF1
	run hook 100 pre-start
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF1 575
$VF4 575"
}

@test "vfio: a leftover of another type is replaced when idle, refused when it is open" {
	node a40x8-vfio
	short_waits
	intent 100 A40-12A
	vm 100
	hook 100 pre-start
	short_waits
	intent 100 A40-24A
	run hook 100 pre-start
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF1 575"
	qemu 100 $VF1
	short_waits
	intent 100 A40-48A
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: the VM still has a A40-24A on $VF1 from before, which is not what it is to get, and it cannot be removed: process 400100 has it open"
	assert_equal "$(vendor_vgpus)" "$VF1 575"
}

@test "vfio: a leftover that moves takes its reservation along" {
	node a40x8-vfio
	intent 100 A40-24A
	at 100 $VF1
	hook 100 pre-start
	at 100 $VF4
	run hook 100 pre-start
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF4 575"
	assert_equal "$(reservations | cut -d' ' -f1,2)" "$VF4 100"
}

@test "vfio: the reservation of what was freed by somebody goes, where the VM comes elsewhere" {
	node a40x8-vfio
	settings '[vm 100]' 'hostpci0 = A40-24A' "gpu = $PF1"
	vm 100
	hook 100 pre-start
	assert_equal "$(reservations | cut -d' ' -f1,2)" "$VF1 100"
	set_vf $VF1 0
	settings '[vm 100]' 'hostpci0 = A40-24A' "gpu = $PF2"
	run hook 100 pre-start
	assert_success
	assert_equal "$(reservations | cut -d' ' -f1,2)" "$VF4 100"
}

@test "vfio: what is on record of one index is not found again for another" {
	node a40x8-vfio
	settings '[vm 100]' 'hostpci0 = A40-24A'
	vm 100
	hook 100 pre-start
	settings '[vm 100]' 'hostpci1 = A40-24A'
	run hook 100 pre-start
	assert_success
	assert_equal "$(state 100 '[.vgpus[].index] | join(" ")')" 1
	assert_equal "$(vendor_vgpus)" "$(state 100 '.vgpus[0].parent') 575"
}

@test "vfio: a leftover that the driver refuses to take back for a moment is tried again" {
	node a40x8-vfio
	intent 100 A40-12A
	at 100 $VF1 nvidia-573
	hook 100 pre-start
	rm "$ROOT/etc/pve/pve-vgpu.conf"
	intent 100 A40-24A
	at 100 $VF1
	fault write '*/current_vgpu_type' EBUSY 2
	run hook 100 pre-start
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF1 575"
}

@test "vfio: what the record names and PVE has given away is not adopted" {
	node a40x8-vfio
	intent 100 A40-24A
	vm 100
	hook 100 pre-start
	reserve "$VF1 200 time:$(in_s 60)"
	run hook 100 pre-start
	assert_success
	assert_equal "$(state 100 '.vgpus[0].parent')" $VF2
	assert_equal "$(vendor_vgpus)" "$VF1 575
$VF2 575"
	assert_contains "$(reservations)" "$VF1 200 time:"
}

@test "vfio: a VF that was freed by somebody does not keep its VM from the place" {
	node a40x8-vfio
	settings '[vm 100]' 'hostpci0 = A40-48A' "gpu = $PF1"
	vm 100
	hook 100 pre-start
	set_vf $VF1 0
	run hook 100 pre-start
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF1 576"
}

# --- PVE's reservations -------------------------------------------------------------

@test "reservation: a VF that another VM has reserved is not taken, by time or by its running QEMU" {
	node a40x8-vfio
	intent 100 A40-24A
	vm 100
	qemu 201
	reserve "$VF1 200 time:$(in_s 60)" "$VF2 201 pid:400201"
	run hook 100 pre-start
	assert_success
	# Two of that size fill the GPU, and it is not known of which size those will be.
	assert_equal "$(vendor_vgpus)" "$VF4 575"
	assert_equal "$(reservations | head -n 2)" "$VF1 200 time:$(sed -n 's/.* 200 time://p' "$ROOT/$RESERVED")
$VF2 201 pid:400201"
}

@test "reservation: a leftover of another VM does not hold the VF" {
	node a40x8-vfio
	intent 100 A40-24A
	at 100 $VF1
	qemu 201
	for line in "$VF1 200 time:$(in_s -5)" "$VF1 201 pid:400202" "$VF1 202 pid:400201"; do
		reserve "$line"
		run hook 100 pre-start
		assert_success
		assert_equal "$(reservations | cut -d: -f1-3)" "$VF1 100 time"
		hook 100 post-stop
		assert_equal "$(reservations)" ""
	done
}

@test "reservation: a pinned VF of another VM's is refused, with whose it is" {
	node a40x8-vfio
	short_waits
	intent 100 A40-24A
	at 100 $VF1
	reserve "$VF1 200 time:$(in_s 60)"
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: A40-24A: the VM's config names $VF1, which has no room:"
	assert_output "$VF1 is vm 200's"
	assert_equal "$(vendor_vgpus)" ""
	assert_equal "$(reservations | cut -d' ' -f2)" 200
}

@test "reservation: ours stands before the create, and goes again where that fails" {
	node a40x8-vfio
	short_waits
	intent 100 A40-24A
	at 100 $VF1
	delay '*/0000:67:00.4/*/current_vgpu_type' 1500
	fault write '*/0000:67:00.4/*/current_vgpu_type' EIO 1
	in_background 100 pre-start
	soon grep -qs "^$VF1 100 time:" "$ROOT/$RESERVED"
	assert_equal "$(state 100 .phase)" claimed
	# From here on a crash leaves what is ours.
	begun() { [ "$(state 100 '.vgpus[0].created')" = true ]; }
	soon begun
	finished
	delay clear
	assert_failure 1
	assert_equal "$(reservations)" ""
	assert_no_state 100
	assert_equal "$(vendor_vgpus)" ""
}

@test "reservation: other lines are kept byte for byte, whatever they are" {
	node a40x8-vfio
	intent 100 A40-24A
	at 100 $VF1
	local other=$'0000:01:00.0 200 time:1\n\n# no line of PVE\x27s\r\n  0000:02:00.0 201 pid:7\n0000:03:00.0 202 time:99999999999999999999\n\xff\xfe'

	printf '%s\n' "$other" > "$ROOT/$RESERVED"
	hook 100 pre-start
	assert_equal "$(grep -av " 100 " "$ROOT/$RESERVED")" "$other"
	hook 100 post-stop
	assert_equal "$(cat "$ROOT/$RESERVED")" "$other"
}

@test "reservation: a NUL in the file does not cut off what comes behind it" {
	node a40x8-vfio
	intent 100 A40-24A
	at 100 $VF1
	printf 'a\0b\n0000:01:00.0 200 time:1\n' > "$ROOT/$RESERVED"
	run hook 100 pre-start
	assert_success
	assert_contains "$(tr -d '\0' < "$ROOT/$RESERVED")" "0000:01:00.0 200 time:1"
}

@test "reservation: PVE's lock is waited for, and not for long" {
	node a40x8-vfio
	short_waits
	intent 100 A40-24A
	vm 100
	hold $RESERVED.lock
	run hook 100 pre-start
	assert_failure 1
	[[ $output =~ "vm 100: pre-start: another process has held PVE's lock '/run/qemu-server/pci-id-reservations.lock' for "([0-9]+)' ms' ]]
	[ "${BASH_REMATCH[1]}" -le 1000 ]
	assert_output "hint: qemu-server holds it while a VM starts or stops; try again"
	assert_no_state 100
	assert_equal "$(vendor_vgpus)" ""
	settings '[defaults]' 'lock-wait = 60'
	intent 100 A40-24A
	in_background 100 pre-start
	soon waited_for $RESERVED.lock
	release_held
	finished
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF1 575"
}

@test "reservation: with start-grace 0 the VF is reserved all the same until QEMU runs" {
	node a40x8-vfio
	settings '[defaults]' 'start-grace = 0'
	intent 100 A40-24A
	at 100 $VF1
	hook 100 pre-start
	[ "$(sed 's/.*time://' "$ROOT/$RESERVED")" -gt "$(in_s 30)" ]
}

@test "reservation: a VF that was claimed and never written to is not taken for ours after a crash" {
	node a40x8-vfio
	short_waits 'start-grace = 0'
	intent 100 A40-24A
	vm 100
	hook 100 pre-start
	# As a kill between claim and create leaves it, and a stranger was faster
	jq '.phase = "claimed" | .vgpus[0].created = false' "$ROOT/run/pve-vgpu/100.json" > "$ROOT/new"
	cp "$ROOT/new" "$ROOT/run/pve-vgpu/100.json"
	run pve_vgpu gc
	assert_success
	assert_no_state 100
	assert_equal "$(vendor_vgpus)" "$VF1 575"
	cp "$ROOT/new" "$ROOT/run/pve-vgpu/100.json"
	run hook 100 pre-start
	assert_success
	assert_equal "$(state 100 '.vgpus[0].parent')" $VF4
	run hook 100 post-stop
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF1 575"
}

@test "create: one that was taken and cannot be read back is removed, or stays on record" {
	node a40x8-vfio
	short_waits
	intent 999 A40-24A
	intent 100 A40-24A
	vm 999; vm 100
	hook 999 pre-start
	hook 999 post-stop
	fault read '*/current_vgpu_type' EIO 1
	run hook 100 pre-start
	assert_success
	assert_output "write '575' to '/sys/bus/pci/devices/$VF1/nvidia/current_vgpu_type' was taken: "
	assert_equal "$(vendor_vgpus)" "$VF4 575"
	hook 100 post-stop
	fault read '*/current_vgpu_type' EIO 3
	run hook 100 pre-start
	assert_failure 1
	assert_output "is left for \`pve-vgpu gc\`"
	assert_equal "$(vendor_vgpus)" "$VF1 575"
	assert_equal "$(state 100 '.vgpus[0].parent')" $VF1
	run hook 100 pre-start
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF1 575"
}

# --- where it goes ---------------------------------------------------------------------

@test "vfio: VFs that strangers have set are passed over" {
	node a40x8-vfio
	settings '[vm 100]' 'hostpci0 = A40-12A' "gpu = $PF1"
	vm 100
	set_vf $VF1 573
	set_vf $VF2 563
	run hook 100 pre-start
	assert_success
	assert_equal "$(state 100 '.vgpus[0].parent')" $VF3
	[ "$(count_ops .current_vgpu_type.write)" -le 3 ]
}

@test "vfio: a full GPU sends the VM to the next, a full node refuses" {
	node a40-full-vfio
	intent 100 A40-24A
	vm 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: "
	assert_output "hint: "
	assert_equal "$(reservations)" ""
	assert_no_state 100
	assert_equal "$(vendor_vgpus | wc -l)" 2
}

@test "vfio: GPUs that strangers fill are passed over one refusal each" {
	node a40x8-vfio
	intent 101 A40-24A
	intent 100 A40-24A
	vm 100; vm 101
	hook 101 pre-start
	hook 101 post-stop
	for vf in $VF1 $VF2 $VF4; do
		set_vf $vf 575
	done
	set_vf 0000:68:00.5 575
	ops_reset
	run hook 100 pre-start
	assert_success
	assert_equal "$(state 100 '.vgpus[0].parent')" $VF5
	[ "$(ops)" -le $((6 + 2 * 2)) ]
}

@test "vfio: the types of a size that runs decide where another size goes" {
	node a40x8-vfio
	intent 100 A40-12Q
	intent 101 A40-24Q
	intent 102 A40-12A
	vm 100; vm 101; vm 102
	hook 100 pre-start
	hook 101 pre-start
	hook 102 pre-start
	assert_equal "$(vendor_vgpus)" "$VF1 563
$VF2 573
$VF4 565"
}

@test "vfio: spread, pack and gpu" {
	node a40x8-vfio
	settings '[defaults]' 'placement = spread' '[vm 100]' 'hostpci0 = A40-12Q' '[vm 101]' 'hostpci0 = A40-12Q' \
		'[vm 102]' 'hostpci0 = A40-12Q' 'placement = pack' '[vm 103]' 'hostpci0 = A40-12Q' 'gpu = 0000:e8:00.0'
	for id in 100 101 102 103; do
		vm $id
		hook $id pre-start
	done
	assert_equal "$(vendor_vgpus)" "$VF1 563
$VF2 563
$VF4 563
0000:e8:00.4 563"
}

@test "vfio: two for one VM are on different VFs, and where the second has no room the first is undone" {
	node a40x8-vfio
	settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-24A' "gpu = $PF1"
	vm 100
	hook 100 pre-start
	assert_equal "$(vendor_vgpus)" "$VF1 575
$VF2 575"
	assert_equal "$(reservations | cut -d' ' -f1,2)" "$VF1 100
$VF2 100"
	hook 100 post-stop
	settings '[vm 100]' 'hostpci0 = A40-48A' 'hostpci1 = A40-48A' "gpu = $PF1"
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci1: A40-48A: no GPU of this node has room:"
	assert_equal "$(vendor_vgpus)" ""
	assert_equal "$(reservations)" ""
	assert_no_state 100
}

@test "vfio: another mdev= than the intent's, a PF and a missing address are refused with what mends them" {
	node a40x8-vfio
	intent 100 A40-24A
	at 100 $VF1 nvidia-576
	run hook 100 pre-start
	assert_failure 1
	assert_output "the VM's config has mdev='nvidia-576', and the intent 'A40-24A' is mdev=nvidia-575 there"
	at 100 ${VF1#0000:} A40-24A
	run hook 100 pre-start
	assert_failure 1
	assert_output "hint: qm set 100 --hostpci0 $VF1,mdev=nvidia-575"
	at 100 $PF1
	run hook 100 pre-start
	assert_failure 1
	assert_output "hint: the GPU's VFs do: qm set 100 --hostpci0 $VF1,mdev=nvidia-575"
	at 100 0000:99:00.4
	run hook 100 pre-start
	assert_failure 1
	assert_output "which offers no vGPU types here"
	assert_equal "$(vendor_vgpus)" ""
	at 100 ${VF4#0000:}
	run hook 100 pre-start
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF4 575"
}

@test "vfio: where nothing attaches it the command is said" {
	node a40x8-vfio
	intent 100 A40-24A
	vm 100
	run --separate-stderr hook 100 pre-start
	assert_success
	assert_equal "$stderr" "pve-vgpu: vm 100 pre-start: hostpci0: nothing in the VM's config attaches this vGPU, so the VM will not see it
hint: qm set 100 --hostpci0 $VF1,mdev=nvidia-575"
}

@test "names: on a node of which nothing is known strangers on the first VFs, or the last, hide no name" {
	local taken vf

	for taken in '4 5' '6 7'; do
		ROOT=$BATS_TEST_TMPDIR/$taken
		a40 '"framework": "nvidia-vfio", "totalvfs": 4'
		vm 100
		intent 100 A40-12A
		for vf in $taken; do set_vf 0000:e8:00.$vf 573; done
		run hook 100 pre-start
		assert_success
		assert_output 'hostpci0: A40-12A (nvidia-573) on 0000:e8:00.'
	done
}

@test "names: a list that was read while the GPU held one size does not hide the other sizes" {
	node a40x8-vfio
	vm 100
	settings '[vm 100]' 'hostpci0 = A40-12A' 'gpu = 0000:67:00.0'
	echo 575 > "$SYS/bus/pci/devices/0000:67:00.4/nvidia/current_vgpu_type"
	pve_vgpu types > /dev/null
	echo 0 > "$SYS/bus/pci/devices/0000:67:00.4/nvidia/current_vgpu_type"
	run hook 100 pre-start
	assert_success
	assert_equal "$(vendor_vgpus)" "0000:67:00.4 573"
}

@test "adoption: a leftover line of PVE's does not make a vGPU of create's the VM's" {
	node a40x8-vfio
	vm 100
	intent 100 A40-24A
	pve_vgpu create A40-24A
	echo "0000:67:00.4 100 time:1000" > "$ROOT/run/qemu-server/pci-id-reservations"
	run hook 100 pre-start
	assert_success
	assert_equal "$(jq -r '.vgpus[0].parent' "$ROOT/run/pve-vgpu/100.json")" 0000:67:00.5
	hook 100 post-stop
	assert_equal "$(vendor_vgpus)" '0000:67:00.4 575'
}

@test "reservation: a VF that PVE has given to another VM by the time that its lock is free sends the VM to the next" {
	node a40x8-vfio
	settings '[vm 100]' 'hostpci0 = A40-24A' "gpu = $PF1"
	vm 100
	hold "$RESERVED.lock"
	in_background 100 pre-start
	soon waited_for "$RESERVED.lock"
	echo "$VF1 200 time:$(($(date +%s) + 60))" > "$ROOT/$RESERVED"
	release_held
	finished
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF2 575"
	assert_equal "$(state 100 '.vgpus[0].parent')" $VF2
	assert_equal "$(reservations | cut -d' ' -f1,2)" "$VF1 200
$VF2 100"
}

@test "adoption: a VF that another VM has on record by the time that PVE's lock is free is not taken" {
	local lines

	node a40x8-vfio
	vm 100
	intent 100 A40-24A
	hook 100 pre-start
	rm "$ROOT/run/pve-vgpu/100.json"
	hold "$RESERVED.lock"
	in_background 100 pre-start
	soon waited_for "$RESERVED.lock"
	# Our line goes, the VF is cleared, 101 takes it, and what PVE had reserved for that start is over.
	jq -cn --arg vf $VF1 --arg gpu $PF1 '{version: 1, vmid: 101, phase: "running", vgpus: [{index: 0, framework: "nvidia-vfio", gpu: $gpu,
		parent: $vf, type: "nvidia-575"}]}' > "$ROOT/run/pve-vgpu/101.json"
	lines=$(reservations | grep -v "^$VF1 " || true)
	printf '%s' "$lines" > "$ROOT/$RESERVED"
	release_held
	finished
	assert_success
	assert_equal "$(state 100 '.vgpus[0].parent')" $VF2
	assert_equal "$(state 101 '.vgpus[0].parent')" $VF1
	run ! grep "^$VF1 " "$ROOT/$RESERVED"
}

@test "adoption: a VF that was cleared by the time that PVE's lock is free is made anew" {
	node a40x8-vfio
	vm 100
	intent 100 A40-24A
	hook 100 pre-start
	hold "$RESERVED.lock"
	in_background 100 pre-start
	soon waited_for "$RESERVED.lock"
	set_vf $VF1 0
	release_held
	finished
	assert_success
	assert_equal "$(vendor_vgpus)" "$(state 100 '.vgpus[0].parent') 575"
}

@test "adoption: a VF that another VM's QEMU has open by the time that PVE's lock is free is not taken" {
	node a40x8-vfio
	vm 100
	intent 100 A40-24A
	hook 100 pre-start
	rm "$ROOT/run/pve-vgpu/100.json"
	hold "$RESERVED.lock"
	in_background 100 pre-start
	soon waited_for "$RESERVED.lock"
	# The VF has become 101's meanwhile, whose QEMU ends now, and which has given its record up.
	qemu 101 $VF1
	rm "$ROOT/run/qemu-server/101.pid"
	release_held
	finished
	assert_success
	# On the first GPU that place is the next to be tried, and is refused there.
	assert_equal "$(state 100 '.vgpus[0].parent')" 0000:68:00.4
	run ! grep "^$VF1 " "$ROOT/$RESERVED"
}

@test "remove: a VF of create's that PVE has given to a VM by now is left alone" {
	local now

	node a40x8-vfio
	pve_vgpu create A40-24A
	printf -v now '%(%s)T'
	echo "0000:67:00.4 200 time:$((now + 300))" > "$ROOT/run/qemu-server/pci-id-reservations"
	run pve_vgpu remove 0000:67:00.4
	assert_failure
	assert_output 'PVE has reserved it for vm 200'
	assert_equal "$(current 0000:67:00.4)" 575
}

@test "post-stop: a VF that PVE gave to another VM while we waited for the GPU is left alone" {
	local now fd

	node a40x8-vfio
	settings '[defaults]' 'cleanup-wait = 60'
	vm 100
	intent 100 A40-24A
	hook 100 pre-start
	exec {fd}> "$ROOT/run/pve-vgpu/locks/gpu-0000:67:00.0"
	flock "$fd"
	"$PVE_VGPU" --root "$ROOT" 100 post-stop {fd}>&- 3>&- &
	PIDS+=" $!"
	soon waited_for run/pve-vgpu/locks/gpu-0000:67:00.0
	printf -v now '%(%s)T'
	echo "0000:67:00.4 200 time:$((now + 300))" > "$ROOT/run/qemu-server/pci-id-reservations"
	exec {fd}>&-
	wait "${PIDS##* }"
	assert_equal "$(current 0000:67:00.4)" 575
	[ ! -e "$ROOT/run/pve-vgpu/100.json" ]
}

@test "reservations: a VM that waits for PVE's lock does not hold up the node" {
	local fd

	node a40x8-vfio
	settings '[vm 100]' 'hostpci0 = A40-24A'
	vm 100
	exec {fd}> "$ROOT/run/qemu-server/pci-id-reservations.lock"
	flock "$fd"
	"$PVE_VGPU" --root "$ROOT" 100 pre-start {fd}>&- 3>&- > /dev/null 2>&1 &
	PIDS+=" $!"
	soon waited_for run/qemu-server/pci-id-reservations.lock
	# A lock that is waited for by more than a second is named.
	run pve_vgpu create A40-24A
	assert_success
	refute_output 'waiting for'
	exec {fd}>&-
	wait "${PIDS##* }"
}
