# SPDX-License-Identifier: AGPL-3.0-or-later
# An admin's way on each qemu-server: set, start, stop, unset, and nothing by hand.

load set_helper

UUID=00000000-0000-0000-0000-000000000100
SMBIOS=12345678-1234-4234-8234-000000000100

# story VERSION FRAMEWORK WHAT-SET-IS-ASKED… ; then the VM runs, in the mode MODE
story() {
	local version=$1

	set_node "$2"
	shift 2
	pve_version "$version"
	pve_vm 100 'machine: q35'
	remember 100
	set_ok 100 "$NAME" "$@"
	assert_output "vm 100: mode $MODE: "
	run pve_vgpu show 100 --json
	assert_success
	assert_equal "$(jq -c '[.[].problems[]]' <<< "$output")" '[]'
	works qm start 100
	assert_equal "$(vgpus | wc -l)" 1
}

# over: it stops, and unset leaves the config as it was
over() {
	works qm stop 100
	assert_no_vgpus
	assert_over 100
	unset_ok 100
	assert_as_before 100
}

@test "7.1, mdev: args bring device and -uuid" {
	MODE=args story 7.1-4 mdev
	assert_runs_with 100 "$UUID"
	assert_equal "$(option 100 uuid)" "$SMBIOS"
	assert_equal "$(option 100 device | grep -c "$UUID")" 1
	over
}

@test "7.2-4, mdev: native by address, -uuid from qemu-server" {
	MODE=native story 7.2-4 mdev
	assert_runs_with 100 "$UUID"
	assert_equal "$(parent_of "$UUID")" "${VFS[0]}"
	assert_equal "$(option 100 uuid)" "$UUID"
	over
}

@test "7.4, mdev: native by address, with params" {
	MODE=native story 7.4-1 mdev --params frame_rate_limiter=0 --pcie
	assert_runs_with 100 "$UUID"
	assert_equal "$(option 100 uuid)" "$SMBIOS"
	option 100 device | grep "$UUID" | grep -q 'bus=ich9-pcie-port-1'
	over
}

@test "8.1, mdev: native by a mapping; the hook picks the GPU" {
	MODE=native story 8.1.0 mdev --gpu 0000:e9:00.0
	assert_runs_with 100 "$UUID"
	assert_equal "$(parent_of "$UUID")" "${VFS2[0]}"
	over
}

@test "8.4, vendor VFIO: native by a mapping" {
	MODE=native story 8.4.1 nvidia-vfio
	assert_equal "$(current "${VFS[0]}")" "$TYPE"
	over
}

@test "8.4, vendor VFIO with params: native by an address" {
	MODE=native story 8.4.1 nvidia-vfio --gpu A40 --params frame_rate_limiter=0
	assert_runs_with 100 "${VFS[0]}"
	over
}

@test "9.2, mdev: native by a mapping" {
	MODE=native story 9.2.6 mdev
	over
}

@test "9.2, mdev: args, with a type for the day when the first has no room" {
	set_node mdev
	pve_vm 100
	remember 100
	set_ok 100 "$NAME,$OTHER_NAME"
	for vf in "${VFS[@]}" "${VFS2[@]}"; do
		make "$(cat /proc/sys/kernel/random/uuid)" "$vf" "nvidia-$OTHER" || true
	done 2> /dev/null
	echo 1 > "$SYS/bus/mdev/devices/$(mdevs | tail -n 1)/remove"
	works qm start 100
	assert_equal "$(type_of "$UUID" | sed 's/.*-//')" "$OTHER"
	assert_equal "$(option 100 uuid)" "$SMBIOS"
	works qm stop 100
	unset_ok 100
	assert_as_before 100
}

@test "set while the VM runs: it has it from its next start on" {
	set_node mdev
	pve_vm 100
	remember 100
	works qm start 100
	set_ok 100 "$NAME"
	assert_output 'waits in [PENDING] until its next start'
	assert_no_vgpus
	works qm stop 100
	# PVE takes over what waits as the VM starts
	tool qm set 100 --cores 4
	works qm start 100
	assert_vgpus "$UUID $TYPE"
	over
}

@test "a clone of a VM with args: its start is refused, and set gives it a vGPU of its own" {
	set_node mdev
	pve_vm 100
	set_ok 100 "$NAME" --mode args
	pve_vm 101 "$(conf 100 | grep '^args')" 'hookscript: local:snippets/pve-vgpu'
	run qm start 101
	assert_failure
	assert_output 'pve-vgpu set 101 <type> --index 0'
	set_ok 101 "$NAME" --mode args --index 0
	works qm start 100
	works qm start 101
	assert_runs_with 100 "$UUID"
	assert_runs_with 101 "$(uuid 101)"
	assert_equal "$(vgpus | wc -l)" 2
}

@test "a vmid that was given again: its start is refused, and set makes it this VM's" {
	set_node mdev
	pve_vm 100
	set_ok 100 "$NAME" --mode args
	admin_edits 100 's/ctime=.*/ctime=1800000000/'
	run qm start 100
	assert_failure
	assert_output "pve-vgpu set 100 $NAME"
	assert_no_vgpus
	set_ok 100 "$NAME"
	works qm start 100
	assert_equal "$(vgpus | wc -l)" 1
}
