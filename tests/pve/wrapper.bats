# SPDX-License-Identifier: AGPL-3.0-or-later
# The wrapper in front of QEMU, with each version of qemu-server: from intent to
# a QEMU that has the vGPU, and back.

load pve_helper

WRAPPER_AT=${WRAPPER_AT:-$TOP/build/tests/wrapper/wrapper-at}
SMBIOS=6f2a1d0e-0000-4000-8000-00000000cafe

# wrapped: the wrapper stands at /usr/bin/kvm of this node, and qm runs it
wrapped() {
	local qemu=$KVM

	mkdir -p "$ROOT/usr/bin" "$ROOT/usr/lib/pve-vgpu"
	cp "$WRAPPER_AT" "$ROOT/usr/lib/pve-vgpu/qemu-wrapper"
	ln -s ../lib/pve-vgpu/qemu-wrapper "$ROOT/usr/bin/kvm"
	printf '#!/bin/sh\nexec "%s" "$@"\n' "$qemu" > "$ROOT/usr/bin/kvm.distrib"
	chmod +x "$ROOT/usr/bin/kvm.distrib"
	KVM=$BATS_TEST_TMPDIR/kvm
	printf '#!/bin/sh\nexec "%s" "%s" "%s" /usr/bin/kvm "$@"\n' \
		"$ROOT/usr/bin/kvm" "$ROOT" "$ROOT/usr/bin/kvm.distrib" > "$KVM"
	chmod +x "$KVM"
}

# wanted VMID INDEX [LINE…]: an intent for the wrapper's mode
wanted() {
	vm "$1" 'hookscript: local:snippets/pve-vgpu' "smbios1: uuid=$SMBIOS"
	printf '%s\n' "[vm $1]" "hostpci$2 = $NAME" 'mode = wrapper' "${@:3}" >> "$ROOT/etc/pve/pve-vgpu.conf"
}

# seen_by_pve VMID: PVE's own test of a running VM holds for its QEMU
seen_by_pve() {
	[[ $(argv "$1" | head -n 1) == *kvm ]]
	assert_equal "$(option "$1" pidfile)" "/var/run/qemu-server/$1.pid"
}

wrapper_story() {
	local device

	PVE=$1
	pve_node "$2"
	wrapped
	wanted 100 1
	works qm start 100
	device=host=${VFS[0]}
	[ "$2" = nvidia-vfio ] || device=sysfsdev=/sys/bus/mdev/devices/$(uuid 100 1)
	assert_equal "$(option 100 device)" "vfio-pci,$device,id=hostpci1,bus=pci.0,addr=0x11"
	assert_equal "$(option 100 uuid)" $SMBIOS
	seen_by_pve 100
	case $2 in
	mdev) device=$(uuid 100 1) ;;
	*) device=${VFS[0]} ;;
	esac
	assert_vgpus "$device $TYPE"
	assert_runs_with 100 "$device"
	works qm stop 100
	assert_no_vgpus
	assert_over 100
}

@test "the wrapper adds an mdev, qemu-server 7.1" { wrapper_story 7.1 mdev; }
@test "the wrapper adds an mdev, qemu-server 7.2-3" { wrapper_story 7.2-3 mdev; }
@test "the wrapper adds an mdev, qemu-server 7.2-4" { wrapper_story 7.2-4 mdev; }
@test "the wrapper adds an mdev, qemu-server 7.4" { wrapper_story 7.4 mdev; }
@test "the wrapper adds an mdev, qemu-server 8.1" { wrapper_story 8.1 mdev; }
@test "the wrapper adds a vendor VF, qemu-server 8.4" { wrapper_story 8.4 nvidia-vfio; }
@test "the wrapper adds an mdev, qemu-server 9.2" { wrapper_story 9.2 mdev; }
@test "the wrapper adds a vendor VF, qemu-server 9.2" { wrapper_story 9.2 nvidia-vfio; }

# native_story VERSION UUID: qemu-server attaches the vGPU, and QEMU has this -uuid
native_story() {
	PVE=$1
	pve_node mdev
	vm 100 'hookscript: local:snippets/pve-vgpu' "hostpci0: ${VFS[0]},mdev=nvidia-$TYPE" "smbios1: uuid=$SMBIOS"
	intent 100 "$NAME"
	if [ -n "$3" ]; then
		run qm start 100
		assert_failure
		assert_output 'failed to get region 0 info'
	fi
	wrapped
	works qm start 100
	assert_equal "$(option 100 uuid)" "$2"
	assert_equal "$(option 100 device | wc -l)" 1
	seen_by_pve 100
	works qm stop 100
	assert_no_vgpus
	assert_over 100
}

@test "7.1: a hostpci line gets its -uuid from the wrapper, without which the start fails" { native_story 7.1 $SMBIOS fails; }
@test "7.2-3: a hostpci line gets its -uuid from the wrapper, without which the start fails" { native_story 7.2-3 $SMBIOS fails; }
@test "7.2-4: qemu-server gives -uuid, and the wrapper no second one" { native_story 7.2-4 "$(uuid 100)" ''; }
@test "9.2: qemu-server gives -uuid, and the wrapper no second one" { native_story 9.2 $SMBIOS ''; }

@test "a VM without hook and intent, by hand, on 7.1: -uuid all the same" {
	PVE=7.1
	pve_node mdev
	wrapped
	vm 100 "hostpci2: ${VFS[0]},mdev=nvidia-$TYPE"
	works qm start 100
	assert_equal "$(option 100 uuid)" "$(uuid 100 2)"
	seen_by_pve 100
	works qm stop 100
	assert_no_vgpus
}

@test "two through the wrapper beside one of qemu-server's, each on its slot" {
	pve_node mdev
	wrapped
	wanted 100 0 "hostpci2 = $NAME"
	echo "hostpci1: ${VFS2[0]},mdev=nvidia-$TYPE" >> "$ROOT/etc/pve/qemu-server/100.conf"
	works qm start 100
	assert_equal "$(option 100 device | sed 's/.*,id=//')" \
		$'hostpci0,bus=pci.0,addr=0x10\nhostpci1,bus=pci.0,addr=0x11\nhostpci2,bus=pci.0,addr=0x1b'
	assert_equal "$(option 100 uuid)" $SMBIOS
	works qm stop 100
	assert_no_vgpus
	assert_over 100
}

# whole_mapping ID VF…: a mapping with all that agrees with the hardware
whole_mapping() {
	local vf d

	echo "$1"
	for vf in "${@:2}"; do
		d=$SYS/bus/pci/devices/$vf
		printf '\tmap id=%s:%s,iommugroup=%s,node=here,path=%s,subsystem-id=%s:%s\n' \
			"$(cut -c3- "$d/vendor")" "$(cut -c3- "$d/device")" "$(basename "$(readlink "$d/iommu_group")")" "$vf" \
			"$(cut -c3- "$d/subsystem_vendor")" "$(cut -c3- "$d/subsystem_device")"
	done
	printf '\tmdev 1\n\n'
}

@test "params reach a vGPU that qemu-server has taken through a mapping" {
	pve_node nvidia-vfio
	wrapped
	mkdir -p "$ROOT/etc/pve/nodes/here"
	ln -sfn nodes/here "$ROOT/etc/pve/local"
	whole_mapping gpu "${VFS[@]}" > "$ROOT/etc/pve/mapping/pci.cfg"
	vm 100 'hookscript: local:snippets/pve-vgpu' "hostpci0: mapping=gpu,mdev=nvidia-$TYPE"
	intent 100 "$NAME"
	echo 'params = frame_rate_limiter=0' >> "$ROOT/etc/pve/pve-vgpu.conf"
	works qm start 100
	assert_equal "$(cat "$SYS/bus/pci/devices/${VFS[0]}/nvidia/vgpu_params")" frame_rate_limiter=0
	works qm stop 100
	assert_no_vgpus
}

@test "a vGPU that goes between pre-start and QEMU stops the start, and the next one makes it anew" {
	pve_node mdev
	wrapped
	wanted 100 0
	snippet pve-vgpu "\"$PVE_VGPU\" --root '$ROOT' \"\$@\" || exit; [ \"\$2\" != pre-start ] || echo 1 > '$SYS/bus/mdev/devices/$(uuid 100)/remove'"
	run qm start 100
	assert_failure
	assert_output "pve-vgpu qemu-wrapper: vm 100: hostpci0: the $NAME that pre-start made, $(uuid 100), is not there any more"
	[ ! -e "$ROOT/run/qemu-server/100.pid" ]
	snippet pve-vgpu "exec '$PVE_VGPU' --root '$ROOT' \"\$@\""
	works qm start 100
	assert_vgpus "$(uuid 100) $TYPE"
	works qm stop 100
	assert_no_vgpus
	assert_over 100
}

@test "a VM that is backed up while it is stopped, and an incoming migration, have their vGPU" {
	pve_node mdev
	wrapped
	wanted 100 0
	works qm backup 100
	assert_equal "$(argv 100 | grep -cx -- -S)" 1
	assert_runs_with 100 "$(uuid 100)"
	works qm backup-stop 100
	assert_no_vgpus
	mkdir -p "$ROOT/etc/pve/nodes/there/qemu-server"
	mv "$ROOT/etc/pve/qemu-server/100.conf" "$ROOT/etc/pve/nodes/there/qemu-server/"
	works qm --migrated-from there start 100
	assert_runs_with 100 "$(uuid 100)"
}
