# SPDX-License-Identifier: AGPL-3.0-or-later
# A VM's start and stop as each version of qemu-server goes them, with the hook.

load pve_helper

# The hook makes the vGPU, qemu-server finds it and uses it, both clear up.
mdev_story() {
	PVE=$1
	pve_node mdev
	native 100 "${VFS[0]}"
	works qm start 100
	assert_output 'is there already and is used'
	assert_equal "$(traced '^adopted')" 1
	assert_equal "$(traced '^made')" 0
	assert_vgpus "$(uuid 100) $TYPE"
	assert_runs_with 100 "$(uuid 100)"
	works qm stop 100
	assert_no_vgpus
	assert_over 100
	assert_equal "$(phases 100)" 'pre-start post-start pre-stop post-stop'
}

@test "mdev by address, qemu-server 7.1" { mdev_story 7.1; }
@test "mdev by address, qemu-server 7.2-4" { mdev_story 7.2-4; }
@test "mdev by address, qemu-server 7.2-7" { mdev_story 7.2-7; }
@test "mdev by address, qemu-server 7.4" { mdev_story 7.4; }
@test "mdev by address, qemu-server 8.1" { mdev_story 8.1; }
@test "mdev by address, qemu-server 8.4" { mdev_story 8.4; }
@test "mdev by address, qemu-server 9.2" { mdev_story 9.2; }

vendor_story() {
	PVE=$1
	pve_node nvidia-vfio
	native 100 "${VFS[1]}"
	works qm start 100
	assert_equal "$(traced "^adopted ${VFS[1]}")" 1
	assert_equal "$(traced '^(made|wrote)')" 0
	assert_vgpus "${VFS[1]} $TYPE"
	assert_runs_with 100 "${VFS[1]}"
	assert_equal "$(reservations)" "${VFS[1]} 100 pid:$(cat "$ROOT/run/qemu-server/100.pid")"
	works qm stop 100
	assert_no_vgpus
	assert_over 100
	assert_equal "$(phases 100)" 'pre-start post-start pre-stop post-stop'
}

@test "vendor VF by address, qemu-server 8.2.5" { vendor_story 8.2.5; }
@test "vendor VF by address, qemu-server 8.4" { vendor_story 8.4; }
@test "vendor VF by address, qemu-server 9.2" { vendor_story 9.2; }

# Qemu-server knows nothing of the vGPU; the hook alone makes and removes it.
args_story() {
	PVE=$1
	pve_node mdev
	hooked 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100),bus=pci.0,addr=0x10 -uuid $(uuid 100)"
	intent 100 "$NAME"
	works qm start 100
	assert_vgpus "$(uuid 100) $TYPE"
	assert_runs_with 100 "$(uuid 100)"
	works qm stop 100
	assert_no_vgpus
	assert_over 100
}

@test "mdev through args, qemu-server 7.4" { args_story 7.4; }
@test "mdev through args, qemu-server 9.2" { args_story 9.2; }

@test "the command line names the same device as without the hook, in each version" {
	local v want

	pve_node mdev
	for PVE in 7.2-4 7.2-7 7.4 9.2; do
		settings '[defaults]' 'cleanup-wait = 1'
		vm 100 "hostpci1: ${VFS[0]},mdev=nvidia-$TYPE" 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
		works qm start 100
		want=$(grep ^kvm "$TRACE")
		works qm stop 100
		assert_no_vgpus
		: > "$TRACE"
		hooked 100 "hostpci1: ${VFS[0]},mdev=nvidia-$TYPE" 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
		intent 100 "$NAME" 1
		works qm start 100
		assert_equal "$(grep ^kvm "$TRACE")" "$want"
		case $PVE in
		7.2-4) v=sysfsdev=/sys/bus/pci/devices/${VFS[0]}/$(uuid 100 1) ;;
		*) v=sysfsdev=/sys/bus/mdev/devices/$(uuid 100 1) ;;
		esac
		assert_equal "$(option 100 device)" "vfio-pci,$v,id=hostpci1,bus=pci.0,addr=0x11"
		case $PVE in
		7.2-*) v=$(uuid 100 1) ;;
		*) v=6f2a1d0e-0000-4000-8000-00000000cafe ;;
		esac
		assert_equal "$(option 100 uuid)" "$v"
		works qm stop 100
		assert_over 100
		: > "$TRACE"
	done
}

# What qemu-server has left is the VM's: by its UUID, or by PVE's reservation.
@test "an mdev that qemu-server has left is adopted by the hook, and by qemu-server again" {
	for PVE in 7.1 8.1 9.2; do
		[ -n "$ROOT" ] || pve_node mdev
		make "$(uuid 100)" "${VFS[2]}" "nvidia-$TYPE"
		native 100 "${VFS[2]}"
		works qm start 100
		assert_equal "$(traced '^made')" 0
		assert_vgpus "$(uuid 100) $TYPE"
		assert_equal "$(parent_of "$(uuid 100)")" "${VFS[2]}"
		works qm stop 100
		assert_no_vgpus
		assert_over 100
		settings '[defaults]' 'cleanup-wait = 1'
	done
}

@test "an mdev of another type that qemu-server has left gives way; without the hook the start would die" {
	pve_node mdev
	make "$(uuid 100)" "${VFS[2]}" "nvidia-$OTHER"
	vm 100 "hostpci0: ${VFS[2]},mdev=nvidia-$TYPE"
	run qm start 100
	assert_failure
	make "$(uuid 100)" "${VFS[2]}" "nvidia-$OTHER"
	native 100 "${VFS[2]}"
	works qm start 100
	assert_vgpus "$(uuid 100) $TYPE"
	works qm stop 100
	assert_no_vgpus
}

@test "a vendor VF that qemu-server has set for this VM is adopted by both" {
	for PVE in 8.2.5 9.2; do
		[ -n "$ROOT" ] || pve_node nvidia-vfio
		set_vf "${VFS[2]}" "$TYPE"
		echo "${VFS[2]} 100 time:$(($(date +%s) + 60))" > "$ROOT/$RESERVED"
		native 100 "${VFS[2]}"
		ops_reset
		works qm start 100
		assert_equal "$(count_ops .current_vgpu_type.write)" 0
		assert_vgpus "${VFS[2]} $TYPE"
		works qm stop 100
		assert_no_vgpus
		assert_over 100
		settings '[defaults]' 'cleanup-wait = 1'
	done
}

# However QEMU ends
end_story() {
	PVE=$1
	pve_node "$2"
	native 100 "${VFS[0]}"
	for how in poweroff crash; do
		works qm start 100
		works qm "$how" 100
		assert_no_vgpus
		assert_over 100
	done
	assert_equal "$(phases 100)" 'pre-start post-start post-stop pre-start post-start post-stop'
}

@test "guest powers off, QEMU is killed: mdev, 7.4" { end_story 7.4 mdev; }
@test "guest powers off, QEMU is killed: mdev, 8.1" { end_story 8.1 mdev; }
@test "guest powers off, QEMU is killed: mdev, 9.2" { end_story 9.2 mdev; }
@test "guest powers off, QEMU is killed: vendor VF, 8.4" { end_story 8.4 nvidia-vfio; }
@test "guest powers off, QEMU is killed: vendor VF, 9.2" { end_story 9.2 nvidia-vfio; }

@test "9.2 on a node that has not been booted since the update ends VMs the old way" {
	pve_node mdev
	: > "$ROOT/run/qemu-server/force-legacy-cleanup"
	native 100 "${VFS[0]}"
	works qm start 100
	works qm stop 100
	assert_no_vgpus
	assert_over 100
	assert_equal "$(phases 100)" 'pre-start post-start pre-stop post-stop'
}

@test "two vGPUs of one VM, on both frameworks" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		pve_node "$f"
		hooked 100 "hostpci0: ${VFS[0]},mdev=nvidia-$TYPE" "hostpci1: ${VFS2[0]},mdev=nvidia-$OTHER"
		intent 100 "$NAME"
		printf 'hostpci1 = %s\n' "$OTHER_NAME" >> "$ROOT/etc/pve/pve-vgpu.conf"
		works qm start 100
		if [ "$f" = mdev ]; then
			assert_vgpus "$(uuid 100) $TYPE" "$(uuid 100 1) $OTHER"
		else
			assert_vgpus "${VFS[0]} $TYPE" "${VFS2[0]} $OTHER"
		fi
		works qm stop 100
		assert_no_vgpus
		assert_over 100
	done
}
