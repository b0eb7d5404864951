# SPDX-License-Identifier: AGPL-3.0-or-later
# A start that fails after pre-start gets no post-stop, in no version.

load pve_helper

failing() {
	local vgpu=$3

	PVE=$1
	pve_node "$2"
	native 100 "${VFS[0]}"
	[ "$2" = mdev ] && vgpu=$(uuid 100) || vgpu=${VFS[0]}

	run qm --fail volumes start 100
	assert_failure
	run qm --kvm /bin/false start 100
	assert_failure
	assert_output 'start failed'
	assert_equal "$(phases 100)" 'pre-start pre-start'

	# It may be seen as taken, but nobody gets what is not there.
	run pve_vgpu list
	assert_success
	works qm start 100
	assert_vgpus "$vgpu $TYPE"
	assert_runs_with 100 "$vgpu"
	works qm stop 100
	assert_no_vgpus
	assert_over 100

	# And gc, when the start is older than start-grace
	run qm --kvm /bin/false start 100
	assert_failure
	run pve_vgpu gc
	assert_success
	[ -e "$ROOT/run/pve-vgpu/100.json" ]
	age 100 400
	run pve_vgpu gc
	assert_success
	assert_no_vgpus
	assert_over 100
}

@test "a start that fails: mdev, 7.1, which leaves the mdev" { failing 7.1 mdev; }
@test "a start that fails: mdev, 7.2-7" { failing 7.2-7 mdev; }
@test "a start that fails: mdev, 7.4" { failing 7.4 mdev; }
@test "a start that fails: mdev, 8.4" { failing 8.4 mdev; }
@test "a start that fails: mdev, 9.2" { failing 9.2 mdev; }
@test "a start that fails: vendor VF, 8.2.5" { failing 8.2.5 nvidia-vfio; }
@test "a start that fails: vendor VF, 9.2" { failing 9.2 nvidia-vfio; }

@test "7.1 without -uuid: QEMU refuses, and the next start with it uses the mdev that was left" {
	PVE=7.1
	pve_node mdev
	native 100 "${VFS[0]}"
	sed -i '/^args:/d' "$ROOT/etc/pve/qemu-server/100.conf"
	run qm start 100
	assert_failure
	assert_output 'failed to get region 0 info'
	assert_vgpus "$(uuid 100) $TYPE"
	native 100 "${VFS[0]}"
	settings ''
	intent 100 "$NAME"
	works qm start 100
	assert_vgpus "$(uuid 100) $TYPE"
	works qm stop 100
	assert_no_vgpus
	assert_over 100
}

@test "pre-start refuses: qemu-server touches nothing" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		pve_node "$f"
		native 100 "${VFS[0]}"
		# The config says one type and the intent another.
		settings '[vm 100]' "hostpci0 = $OTHER_NAME"
		for PVE in 8.2.5 9.2; do
			ops_reset
			run qm start 100
			assert_failure
			assert_output 'failed in pre-start'
			assert_equal "$(count_ops '.create.write + .current_vgpu_type.write')" 0
			assert_no_vgpus
			assert_over 100
		done
	done
}

# 8.2.5 to 9.0.0 make the vGPU of a stopped VM for `qm showcmd` and take it
# away again, and the line of the reservation with it.
@test "qm showcmd of a stopped VM leaves nothing, and the next start works" {
	pve_node nvidia-vfio
	native 100 "${VFS[0]}"
	for PVE in 8.4 9.2; do
		works qm showcmd 100
		assert_output "host=${VFS[0]}"
		assert_no_vgpus
		assert_over 100
		works qm start 100
		assert_vgpus "${VFS[0]} $TYPE"
		works qm showcmd 100
		assert_vgpus "${VFS[0]} $TYPE"
		works qm stop 100
		assert_no_vgpus
		assert_over 100
	done
}
