# SPDX-License-Identifier: AGPL-3.0-or-later
# Modes, mappings and the next hookscript, as qemu-server goes them with the hook.

load pve_helper

# served ID VF…: a mapping as PVE has it, with all that it compares with the hardware
served() {
	local id=$1 vf dir

	shift
	mkdir -p "$ROOT/etc/pve/nodes/here"
	ln -sfn nodes/here "$ROOT/etc/pve/local"
	{
		echo "$id"
		for vf; do
			dir=$SYS/bus/pci/devices/$vf
			printf '\tmap id=%s:%s,iommugroup=%s,node=here,path=%s%s\n' \
				"$(cut -c3- "$dir/vendor")" "$(cut -c3- "$dir/device")" \
				"$(basename "$(readlink "$dir/iommu_group")")" "$vf" \
				"$([ ! -e "$dir/subsystem_vendor" ] || echo ",subsystem-id=$(cut -c3- "$dir/subsystem_vendor"):$(cut -c3- "$dir/subsystem_device")")"
		done
		printf '\tmdev 1\n\n'
	} > "$ROOT/etc/pve/mapping/pci.cfg"
}

# section VMID LINE…: one more [vm] section, with hostpci0
section() {
	printf '%s\n' "[vm $1]" "hostpci0 = $NAME" "${@:2}" >> "$ROOT/etc/pve/pve-vgpu.conf"
}

# The hook picks the place on the mapping, and qemu-server finds it there.
mapping_story() {
	PVE=$1
	pve_node mdev
	served gpu "${VFS[@]}" "${VFS2[@]}"
	section 100 'mode = native' 'placement = spread' 'identity = ctime:5'
	hooked 100 "hostpci0: mapping=gpu,mdev=nvidia-$TYPE" 'meta: ctime=5'
	# What makes the first GPU the worse one
	make "$(uuid 200)" "${VFS[0]}" "nvidia-$TYPE"
	run qm start 100
	assert_success
	refute_output 'hint:'
	assert_equal "$(parent_of "$(uuid 100)")" "${VFS2[0]}"
	# Before 8.2.5 the kernel's refusal of a second one goes unnoticed, and it is used just the same.
	[ "$PVE" = 8.1 ] || assert_equal "$(traced '^adopted')" 1
	assert_vgpus "$(uuid 100) $TYPE" "$(uuid 200) $TYPE"
	assert_runs_with 100 "$(uuid 100)"
	works qm stop 100
	assert_vgpus "$(uuid 200) $TYPE"
	assert_over 100
}

@test "placement through a mapping: the hook makes it, qemu-server 8.1 uses it" { mapping_story 8.1; }
@test "placement through a mapping: the hook makes it, qemu-server 9.2 uses it" { mapping_story 9.2; }

left_story() {
	PVE=$1
	pve_node "$2"
	served gpu "${VFS[@]}"
	section 100 'mode = native'
	hooked 100 "hostpci0: mapping=gpu,mdev=nvidia-$TYPE"
	works qm start 100
	assert_output 'left to qemu-server'
	assert_equal "$(traced '^made')" 1
	assert_equal "$(vgpus | wc -l)" 1
	assert_no_state 100
	works qm stop 100
	assert_no_vgpus
	assert_over 100
}

@test "a mapping alone is qemu-server's: mdev, 8.1" { left_story 8.1 mdev; }
@test "a mapping alone is qemu-server's: mdev, 9.2" { left_story 9.2 mdev; }
@test "a mapping alone is qemu-server's: vendor VF, 8.4" { left_story 8.4 nvidia-vfio; }
@test "a mapping alone is qemu-server's: vendor VF, 9.2" { left_story 9.2 nvidia-vfio; }

# In place of the wrapper: the device and -uuid of the run state, and QEMU.
stand_in_wrapper() {
	mkdir -p "$ROOT/usr/bin" "$ROOT/usr/lib/pve-vgpu"
	cat > "$ROOT/usr/lib/pve-vgpu/qemu-wrapper" <<- END
	#!/bin/bash
	state='$ROOT/run/pve-vgpu/100.json'
	where=\$(jq -r '.devices[0] as \$d | .vgpus[] | select(.index == \$d.index) |
		if .uuid then "sysfsdev=/sys/bus/mdev/devices/" + .uuid else "host=" + .parent end' "\$state")
	exec -a "\$0" '$KVM' "\$@" -device "vfio-pci,\$where,id=hostpci0,bus=pci.0,addr=0x10" -uuid "\$(jq -r .uuid "\$state")"
	END
	chmod +x "$ROOT/usr/lib/pve-vgpu/qemu-wrapper"
	: > "$ROOT/usr/bin/kvm.distrib"
	ln -sfn ../lib/pve-vgpu/qemu-wrapper "$ROOT/usr/bin/kvm"
	KVM=$ROOT/usr/bin/kvm
}

wrapper_story() {
	PVE=$1
	pve_node "$2"
	stand_in_wrapper
	section 100 'mode = wrapper'
	vm 100 'hookscript: local:snippets/pve-vgpu' 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
	works qm start 100
	assert_equal "$(vgpus | wc -l)" 1
	assert_runs_with 100 "$(vgpus | cut -d' ' -f1)"
	assert_equal "$(option 100 uuid)" 6f2a1d0e-0000-4000-8000-00000000cafe
	works qm stop 100
	assert_no_vgpus
	assert_over 100
}

@test "mode wrapper: mdev, 7.1" { wrapper_story 7.1 mdev; }
@test "mode wrapper: mdev, 7.4" { wrapper_story 7.4 mdev; }
@test "mode wrapper: mdev, 9.2" { wrapper_story 9.2 mdev; }
@test "mode wrapper: vendor VF, 8.4" { wrapper_story 8.4 nvidia-vfio; }

@test "mode wrapper: a start that fails after pre-start leaves what the next start takes up" {
	pve_node mdev
	stand_in_wrapper
	section 100 'mode = wrapper'
	vm 100 'hookscript: local:snippets/pve-vgpu'
	run qm --fail volumes start 100
	assert_failure
	assert_equal "$(state 100 '.devices | length')" 1
	works qm start 100
	assert_runs_with 100 "$(uuid 100)"
	works qm stop 100
	assert_no_vgpus
	assert_over 100
}

# chained: vm 100 with its own hookscript behind ours
chained() {
	PVE=$1
	pve_node mdev
	section 100 'mode = native' 'next-hook = local:snippets/own.sh'
	hooked 100 "hostpci0: ${VFS[0]},mdev=nvidia-$TYPE"
	snippet own.sh "echo \"own \$* from=\${PVE_MIGRATED_FROM-unset}\"; $2"
}

@test "the next hookscript: each phase, in the task log, with PVE's environment" {
	chained 7.1 true
	works qm start 100
	assert_output 'own 100 pre-start from=unset'
	assert_output 'own 100 post-start from=unset'
	works qm stop 100
	assert_output 'own 100 pre-stop from='
	assert_no_vgpus
	assert_over 100
	PVE=9.2
	works qm start 100
	assert_output $'own 100 pre-start from=\n'
	works qm stop 100
	assert_output 'own 100 post-stop from='
	assert_over 100
}

@test "the next hookscript: at an incoming migration it knows where from" {
	chained 9.2 true
	mkdir -p "$ROOT/etc/pve/nodes/there/qemu-server"
	mv "$ROOT/etc/pve/qemu-server/100.conf" "$ROOT/etc/pve/nodes/there/qemu-server/"
	works qm --migrated-from there start 100
	assert_output 'own 100 pre-start from=there'
	target_ends 100
	assert_output 'own 100 post-stop'
	assert_no_vgpus
	assert_over 100
}

@test "the next hookscript: where it fails in pre-start there is no VM and no vGPU" {
	chained 9.2 "[ \$2 != pre-start ]"
	run qm start 100
	assert_failure
	assert_output 'own 100 pre-start'
	assert_output "next-hook 'local:snippets/own.sh': it ended with exit status 1"
	assert_output 'failed in pre-start'
	assert_no_vgpus
	assert_over 100
}

@test "the next hookscript: where it fails later the VM runs, and PVE warns" {
	chained 9.2 "[ \$2 = pre-start ]"
	run qm start 100
	assert_success
	assert_output 'failed in post-start'
	assert_runs_with 100 "$(uuid 100)"
	run qm stop 100
	assert_success
	assert_output 'failed in pre-stop'
	assert_output 'failed in post-stop'
	assert_no_vgpus
	assert_over 100
}
