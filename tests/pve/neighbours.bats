# SPDX-License-Identifier: AGPL-3.0-or-later
# VMs beside each other, through mappings and at once; migrations, backups and
# templates; and the lock that PVE holds.

load pve_helper

@test "a VM through a mapping does not get a VF that the hook has taken for another" {
	for PVE in 8.2.5 8.4 9.2; do
		[ -n "$ROOT" ] || pve_node nvidia-vfio
		mapping gpu "${VFS[@]}" > "$ROOT/etc/pve/mapping/pci.cfg"
		native 100 "${VFS[0]}"
		vm 200 "hostpci0: mapping=gpu,mdev=nvidia-$TYPE"
		# While 100 is between pre-start and its QEMU
		gated start 100
		works qm start 200
		gate_open
		assert_success
		assert_vgpus "${VFS[0]} $TYPE" "${VFS[1]} $TYPE"
		assert_runs_with 100 "${VFS[0]}"
		works qm stop 100
		assert_vgpus "${VFS[1]} $TYPE"
		works qm stop 200
		assert_no_vgpus
		assert_over 100 200
		settings '[defaults]' 'cleanup-wait = 1'
	done
}

# The hook has made it; qemu-server has not got so far.
@test "nor in the time between the hook and qemu-server's own reservation" {
	pve_node nvidia-vfio
	mapping gpu "${VFS[@]}" > "$ROOT/etc/pve/mapping/pci.cfg"
	native 100 "${VFS[0]}"
	vm 200 "hostpci0: mapping=gpu,mdev=nvidia-$TYPE"
	works hook 100 pre-start
	works qm start 200
	assert_vgpus "${VFS[0]} $TYPE" "${VFS[1]} $TYPE"
	works qm start 100
	assert_runs_with 100 "${VFS[0]}"
	works qm stop 200
	works qm stop 100
	assert_no_vgpus
	assert_over 100 200
}

@test "a VF that a VM has through a mapping is not the hook's to take" {
	for PVE in 8.2.5 9.2; do
		[ -n "$ROOT" ] || pve_node nvidia-vfio
		mapping gpu "${VFS[@]}" > "$ROOT/etc/pve/mapping/pci.cfg"
		vm 200 "hostpci0: mapping=gpu,mdev=nvidia-$TYPE"
		native 100 "${VFS[0]}"
		works qm start 200
		run qm start 100
		assert_failure
		assert_output 'failed in pre-start'
		assert_vgpus "${VFS[0]} $TYPE"
		works qm stop 200
		works qm start 100
		assert_runs_with 100 "${VFS[0]}"
		works qm stop 100
		assert_no_vgpus
		assert_over 100
		settings '[defaults]' 'cleanup-wait = 1'
	done
}

@test "an mdev of the hook's on any parent of a mapping is adopted" {
	for PVE in 8.1 9.2; do
		[ -n "$ROOT" ] || pve_node mdev
		mapping gpu "${VFS[@]}" > "$ROOT/etc/pve/mapping/pci.cfg"
		make "$(uuid 200)" "${VFS[0]}" "nvidia-$TYPE"
		make "$(uuid 100)" "${VFS[1]}" "nvidia-$TYPE"
		vm 100 "hostpci0: mapping=gpu,mdev=nvidia-$TYPE"
		run qm start 100
		assert_success
		assert_output 'has no room'
		assert_vgpus "$(uuid 100) $TYPE" "$(uuid 200) $TYPE"
		works qm stop 100
		assert_vgpus "$(uuid 200) $TYPE"
		echo 1 > "$SYS/bus/mdev/devices/$(uuid 200)/remove"
	done
}

at_once() {
	local vmid started=() ended_=() i

	PVE=$1
	pve_node "$2"
	native 100 "${VFS[0]}"
	native 101 "${VFS[1]}"
	native 102 "${VFS2[0]}" "$OTHER"
	native 103 "${VFS2[1]}" "$OTHER"
	for vmid in 100 101 102 103; do
		qm_background start "$vmid"
		started+=("$PID $OUT")
	done
	for i in "${started[@]}"; do
		ended "${i%% *}" "${i#* }"
		assert_success
		quiet
	done
	if [ "$2" = mdev ]; then
		assert_vgpus "$(uuid 100) $TYPE" "$(uuid 101) $TYPE" "$(uuid 102) $OTHER" "$(uuid 103) $OTHER"
	else
		assert_vgpus "${VFS[0]} $TYPE" "${VFS[1]} $TYPE" "${VFS2[0]} $OTHER" "${VFS2[1]} $OTHER"
	fi
	for vmid in 100 101 102 103; do
		qm_background stop "$vmid"
		ended_+=("$PID $OUT")
	done
	for i in "${ended_[@]}"; do
		ended "${i%% *}" "${i#* }"
		assert_success
		quiet
	done
	assert_no_vgpus
	assert_over 100 101 102 103
}

@test "four VMs start and stop at once: mdev, 7.4" { at_once 7.4 mdev; }
@test "four VMs start and stop at once: mdev, 9.2" { at_once 9.2 mdev; }
@test "four VMs start and stop at once: vendor VF, 8.4" { at_once 8.4 nvidia-vfio; }
@test "four VMs start and stop at once: vendor VF, 9.2" { at_once 9.2 nvidia-vfio; }

# The config of an incoming VM is still its source node's.
incoming() {
	PVE=$1
	pve_node "$2"
	native 100 "${VFS[0]}"
	mkdir -p "$ROOT/etc/pve/nodes/there/qemu-server"
	mv "$ROOT/etc/pve/qemu-server/100.conf" "$ROOT/etc/pve/nodes/there/qemu-server/"
	works qm --migrated-from there start 100
	assert_equal "$(vgpus | wc -l)" 1
	assert_equal "$(phases 100)" 'pre-start post-start'
}

@test "an incoming migration, and the VM's end on this node: mdev, 7.1" {
	incoming 7.1 mdev
	mv "$ROOT/etc/pve/nodes/there/qemu-server/100.conf" "$ROOT/etc/pve/qemu-server/"
	works qm stop 100
	assert_no_vgpus
	assert_over 100
}

@test "an incoming migration, and the VM's end on this node: vendor VF, 9.2" {
	incoming 9.2 nvidia-vfio
	mv "$ROOT/etc/pve/nodes/there/qemu-server/100.conf" "$ROOT/etc/pve/qemu-server/"
	works qm stop 100
	assert_no_vgpus
	assert_over 100
}

@test "a failed migration: the target before 9.1.13 gets no post-stop; gc clears what is left" {
	incoming 8.4 mdev
	run qm stop-target 100 there
	assert_success
	assert_equal "$(phases 100)" 'pre-start post-start'
	soon test ! -e "$ROOT/run/qemu-server/100.pid"
	assert_no_vgpus
	age 100 400
	run pve_vgpu gc
	assert_success
	assert_over 100
}

@test "a failed migration: the target's post-stop in 9.2 works from the record alone" {
	incoming 9.2 nvidia-vfio
	target_ends 100
	assert_equal "$(phases 100)" 'pre-start post-start post-stop'
	assert_no_vgpus
	assert_over 100
}

@test "a migration that has gone well: the source gets no post-stop; gc clears the record" {
	PVE=9.2
	pve_node mdev
	native 100 "${VFS[0]}"
	works qm start 100
	mkdir -p "$ROOT/etc/pve/nodes/there/qemu-server"
	mv "$ROOT/etc/pve/qemu-server/100.conf" "$ROOT/etc/pve/nodes/there/qemu-server/"
	works qm stop-source 100 there
	works qm cleanup 100 1 0
	assert_equal "$(phases 100)" 'pre-start post-start'
	assert_no_vgpus
	age 100 400
	run pve_vgpu gc
	assert_success
	assert_over 100
}

backup_story() {
	PVE=$1
	pve_node "$2"
	native 100 "${VFS[0]}"
	echo 'lock: backup' >> "$ROOT/etc/pve/qemu-server/100.conf"
	run qm start 100
	assert_failure
	works qm backup 100
	assert_equal "$(vgpus | wc -l)" 1
	argv 100 | grep -qx -- -S
	works qm backup-stop 100
	assert_no_vgpus
	assert_over 100
}

@test "backup of a stopped VM has its vGPU and leaves nothing: mdev, 7.4" { backup_story 7.4 mdev; }
@test "backup of a stopped VM has its vGPU and leaves nothing: vendor VF, 9.2" { backup_story 9.2 nvidia-vfio; }

# Before 8.2.2 a template's backup makes its devices; the hook keeps out of it.
@test "backup of a template" {
	pve_node mdev
	native 100 "${VFS[0]}"
	echo 'template: 1' >> "$ROOT/etc/pve/qemu-server/100.conf"
	echo "args: -uuid $(uuid 100)" >> "$ROOT/etc/pve/qemu-server/100.conf"
	for PVE in 7.4 8.2.5 9.2; do
		: > "$TRACE"
		run qm start 100
		assert_failure
		works qm backup 100
		assert_no_state 100
		if [ "$PVE" = 7.4 ]; then
			assert_vgpus "$(uuid 100) $TYPE"
		else
			assert_no_vgpus
		fi
		works qm backup-stop 100
		assert_no_vgpus
		assert_over 100
	done
	assert_equal "$(phases 100)" 'pre-start pre-stop post-stop'
}

# The caller sees a hook that waits for what PVE holds: were pve-vgpu ever to
# call qm for its own VM, every story here would fail.
@test "a hook that wants the VM's lock is found out" {
	pve_node mdev
	hooked 100
	snippet pve-vgpu "exec flock -w 20 '$ROOT/run/lock/qemu-server/lock-100.conf' true"
	run qm start 100
	assert_failure 3
	assert_output 'TEST FAILED: the hookscript waits for a lock that PVE holds, vm 100 pre-start'
}

# Whatever the record's age
@test "gc and other starts keep off a VM that is between its hook and its QEMU" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		pve_node "$f"
		native 100 "${VFS[0]}"
		native 200 "${VFS[0]}"
		gated start 100
		age 100 4000
		run pve_vgpu gc
		assert_success
		assert_output 'PVE holds the lock of its config'
		run qm start 200
		assert_failure
		assert_equal "$(vgpus | wc -l)" 1
		gate_open
		assert_success
		quiet
		works qm stop 100
		assert_no_vgpus
		assert_over 100 200
	done
}

@test "no phase of the hook starts a program" {
	local phase

	pve_node mdev
	native 100 "${VFS[0]}"
	mkdir "$BATS_TEST_TMPDIR/bin"
	for phase in qm pvesh pvesm pct flock sh; do
		printf '#!/bin/bash\necho "%s $*" >> "%s"\n' "$phase" "$BATS_TEST_TMPDIR/called" > "$BATS_TEST_TMPDIR/bin/$phase"
		chmod +x "$BATS_TEST_TMPDIR/bin/$phase"
	done
	PATH=$BATS_TEST_TMPDIR/bin:$PATH works qm start 100
	PATH=$BATS_TEST_TMPDIR/bin:$PATH works qm stop 100
	[ ! -e "$BATS_TEST_TMPDIR/called" ] || { cat "$BATS_TEST_TMPDIR/called"; false; }
	assert_over 100
}

@test "what the hook is called with: vmid and phase, no input, the source node's name where there is one" {
	pve_node mdev
	hooked 100
	snippet pve-vgpu "echo \"\$* \${PVE_MIGRATED_FROM-unset} \$(wc -c)\" >> '$BATS_TEST_TMPDIR/called'
echo out; echo err >&2; [ \"\$2\" = pre-start ] || exit 7"
	PVE=7.2-7
	run qm start 100
	assert_success
	assert_output "hookscript of vm 100 failed in post-start: exit status 7"
	assert_output err
	PVE=9.2
	run qm stop 100
	assert_success
	run qm start 100
	assert_success
	assert_equal "$(head -n 2 "$BATS_TEST_TMPDIR/called")" $'100 pre-start unset 0\n100 post-start unset 0'
	assert_equal "$(tail -n 2 "$BATS_TEST_TMPDIR/called")" $'100 pre-start  0\n100 post-start  0'
}
