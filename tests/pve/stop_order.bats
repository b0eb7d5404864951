# SPDX-License-Identifier: AGPL-3.0-or-later
# Two that take a vGPU away: qemu-server's clean-up of devices and the hook's
# post-stop, in either order and at once, and a driver that is a third.

load pve_helper

# running VERSION FRAMEWORK: vm 100 runs with its vGPU, in VGPU
running() {
	PVE=$1
	[ -n "$ROOT" ] || pve_node "$2"
	native 100 "${VFS[0]}"
	works qm start 100
	VGPU=$(uuid 100)
	[ "$2" = mdev ] || VGPU=${VFS[0]}
}

# QEMU ends, and neither of the two has come yet.
qemu_ends() {
	works qm --no-cleanup crash 100
	soon test ! -e "$ROOT/proc/$(cat "$ROOT/run/qemu-server/100.pid")"
	rm "$ROOT/run/qemu-server/100.pid"
}

hook_first() {
	running "$@"
	qemu_ends
	short_waits
	works hook 100 post-stop
	assert_no_vgpus
	ops_reset
	works qm cleanup 100 0 0
	# It finds nothing to do.
	assert_equal "$(count_ops '.remove.write + .current_vgpu_type.write')" 0
	assert_no_vgpus
	assert_over 100
}

@test "post-stop before the clean-up: mdev, 7.1" { hook_first 7.1 mdev; }
@test "post-stop before the clean-up: mdev, 7.4" { hook_first 7.4 mdev; }
@test "post-stop before the clean-up: mdev, 9.2" { hook_first 9.2 mdev; }
@test "post-stop before the clean-up: vendor VF, 8.2.5" { hook_first 8.2.5 nvidia-vfio; }
@test "post-stop before the clean-up: vendor VF, 9.2" { hook_first 9.2 nvidia-vfio; }

at_once() {
	local i one out

	running "$@"
	for i in 1 2; do
		[ "$i" = 1 ] || works qm start 100
		qemu_ends
		qm_background clean-devices 100
		one=$PID out=$OUT
		works hook 100 post-stop
		ended "$one" "$out"
		assert_success
		assert_no_vgpus
		rm -f "$ROOT/run/qemu-server/100.cleanup"
		assert_over 100
	done
}

@test "post-stop and the clean-up at once: mdev, 7.1" { at_once 7.1 mdev; }
@test "post-stop and the clean-up at once: mdev, 7.4" { at_once 7.4 mdev; }
@test "post-stop and the clean-up at once: mdev, 9.2" { at_once 9.2 mdev; }
@test "post-stop and the clean-up at once: vendor VF, 8.4" { at_once 8.4 nvidia-vfio; }
@test "post-stop and the clean-up at once: vendor VF, 9.2" { at_once 9.2 nvidia-vfio; }

@test "an mdev that the driver removes itself is removed by nobody else" {
	local ms

	pve_node mdev
	# Within qemu-server's ten seconds, which are 200 ms here
	for PVE in 7.4 8.1 9.2; do
		running "$PVE" mdev
		driver_removes "$VGPU" 60
		ops_reset
		works qm stop 100
		assert_equal "$(count_ops .remove.write)" 0
		assert_no_vgpus
		assert_over 100
		settings '[defaults]' 'cleanup-wait = 1'
	done
}

@test "where the hook alone removes, it leaves the driver its time" {
	pve_node mdev
	for PVE in 7.1 8.4 9.2; do
		settings '[defaults]' 'cleanup-wait = 1'
		hooked 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100) -uuid $(uuid 100)"
		sed -i '3,$d' "$ROOT/etc/pve/qemu-server/100.conf"
		echo "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100) -uuid $(uuid 100)" \
			>> "$ROOT/etc/pve/qemu-server/100.conf"
		intent 100 "$NAME"
		works qm start 100
		driver_removes "$(uuid 100)" 100
		ops_reset
		works qm stop 100
		assert_equal "$(count_ops .remove.write)" 0
		assert_no_vgpus
		assert_over 100
	done
}

# Right after QEMU has ended the driver does not take a 0 yet; qemu-server
# tries once a second, the hook beside it.
@test "a vendor VF that does not take 0 at first, with both at it" {
	local one out

	for PVE in 8.2.5 8.4 9.2; do
		running "$PVE" nvidia-vfio
		qemu_ends
		driver_refuses "*/${VFS[0]}/nvidia/current_vgpu_type" EBUSY 3
		qm_background clean-devices 100
		one=$PID out=$OUT
		run hook 100 post-stop
		assert_success
		ended "$one" "$out"
		assert_success
		assert_no_vgpus
		rm -f "$ROOT/run/qemu-server/100.cleanup"
		assert_over 100
		settings '[defaults]' 'cleanup-wait = 1'
	done
}

@test "a vendor VF that never takes 0: both give up, and the next start puts it right" {
	for PVE in 8.4 9.2; do
		running "$PVE" nvidia-vfio
		short_waits
		intent 100 "$NAME"
		driver_refuses "*/${VFS[0]}/nvidia/current_vgpu_type" EBUSY 10000
		run qm stop 100
		assert_success
		assert_output 'still holds a vGPU'
		assert_output 'failed in post-stop'
		assert_vgpus "${VFS[0]} $TYPE"
		echo clear > "$SYS/.sim/fault"
		# It holds the right type, so both take it as it is.
		works qm start 100
		assert_runs_with 100 "${VFS[0]}"
		works qm stop 100
		assert_no_vgpus
		assert_over 100
		settings '[defaults]' 'cleanup-wait = 1'
	done
}

# Up to 9.1.12 the VM's lock is free between the clean-up and post-stop.
@test "a VF that another VM got before our late post-stop stays that VM's" {
	local vf

	PVE=8.4
	running 8.4 nvidia-vfio
	vf=${VFS[0]}
	works qm --no-cleanup stop 100
	assert_no_vgpus
	mapping gpu "$vf" "${VFS[1]}" > "$ROOT/etc/pve/mapping/pci.cfg"
	vm 200 "hostpci0: mapping=gpu,mdev=nvidia-$OTHER"
	# Its QEMU has not opened it yet when post-stop comes.
	gated start 200
	assert_vgpus "$vf $OTHER"
	works qm cleanup 100 1 0
	assert_vgpus "$vf $OTHER"
	gate_open
	assert_success
	assert_vgpus "$vf $OTHER"
	assert_over 100
	works qm cleanup 100 1 0
	assert_vgpus "$vf $OTHER"
	works qm stop 200
	assert_no_vgpus
}

@test "the same with a type that is the one it had" {
	PVE=8.4
	running 8.4 nvidia-vfio
	works qm --no-cleanup stop 100
	mapping gpu "${VFS[0]}" "${VFS[1]}" > "$ROOT/etc/pve/mapping/pci.cfg"
	vm 200 "hostpci0: mapping=gpu,mdev=nvidia-$TYPE"
	gated start 200
	assert_vgpus "${VFS[0]} $TYPE"
	works qm cleanup 100 1 0
	assert_vgpus "${VFS[0]} $TYPE"
	gate_open
	assert_success
	works qm cleanup 100 1 0
	assert_vgpus "${VFS[0]} $TYPE"
	assert_over 100
	works qm stop 200
	assert_no_vgpus
}

@test "a start between a stop and its qm cleanup: the late one is refused, the VM keeps its vGPU" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		PVE=8.4
		pve_node "$f"
		running 8.4 "$f"
		works qm --no-cleanup stop 100
		works qm start 100
		run qm cleanup 100 1 0
		assert_failure
		assert_output 'no clean-up, it runs'
		# Were it called all the same
		short_waits
		run hook 100 post-stop
		assert_runs_with 100 "$VGPU"
		works qm stop 100
		assert_no_vgpus
		assert_over 100
	done
}

@test "post-stop twice, and once more: the second and third find nothing and say nothing" {
	running 8.1 mdev
	works qm stop 100
	works qm cleanup 100 1 1
	works qm cleanup 100 0 0
	assert_equal "$output" ''
	assert_equal "$(phases 100)" 'pre-start post-start pre-stop post-stop post-stop post-stop'
	assert_no_vgpus
	assert_over 100
}

# Qemu-server 7.4 loses it with every `qm stop`: its own wait of ten seconds
# eats up the ten that `qm cleanup` waits for the lock.
@test "no post-stop at all: the next start of the VM, and later of another, put it right" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		PVE=7.4
		[ "$f" = mdev ] || PVE=8.4
		pve_node "$f"
		running "$PVE" "$f"
		works qm --no-cleanup stop 100
		assert_no_vgpus
		works qm start 100
		assert_runs_with 100 "$VGPU"
		works qm --no-cleanup stop 100
		age 100 400
		native 200 "${VFS[0]}"
		works qm start 200
		# However late it comes
		works hook 100 post-stop
		works qm stop 200
		assert_no_vgpus
		assert_over 100 200
	done
}

@test "qm stop; qm start: post-stop never keeps the start from the lock" {
	local f ms

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		pve_node "$f"
		settings ''
		for PVE in 8.4 9.2; do
			settings '[defaults]' 'cleanup-wait = 30'
			running "$PVE" "$f"
			qm_background stop 100
			soon test ! -e "$ROOT/run/qemu-server/100.pid"
			works qm start 100
			assert_runs_with 100 "$VGPU"
			wait "$PID" || true
			works qm stop 100
			assert_no_vgpus
			assert_over 100
		done
		# Whatever time it has, a post-stop after qemu-server's clean-up takes none.
		ms=$(sed -n 's/^hook 100 post-stop .* ms=//p' "$TRACE" | sort -n | tail -n 1)
		[ "$ms" -lt 15000 ]
	done
}

# Vm 100 was running, has been stopped, qemu-server has removed its vGPU, and
# its post-stop was lost (7.4 loses it with every `qm stop`). Its record is in
# phase `running`, the VM has no QEMU, nobody holds its lock, and the vGPU is
# gone. The grace is for the time before QEMU has appeared, and that was over.
lost_post_stop() {
	PVE=$1
	pve_node "$2"
	native 100 "${VFS[0]}"
	works qm start 100
	works qm --no-cleanup stop 100
	assert_no_vgpus
	native 200 "${VFS[0]}"
	works qm start 200
	works qm stop 200
	assert_no_vgpus
	assert_over 100 200
}

@test "the place of a VM that ran and has ended is free for another at once: mdev, 7.4" { lost_post_stop 7.4 mdev; }
@test "the place of a VM that ran and has ended is free for another at once: vendor VF, 8.4" { lost_post_stop 8.4 nvidia-vfio; }
