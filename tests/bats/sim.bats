#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# The simulated node itself, spoken to through its mount alone.

# Names in sysfs are plain:
# shellcheck disable=SC2010

load sim_helper

setup() {
	SYS='' BACKGROUND='' LAST=''
}

teardown() {
	sim_teardown
}

VF=0000:e8:00.4
VF2=0000:e8:00.5

one_a40() {	# fields to add or change, as JSON members
	node - <<-JSON
	{ "kernel": "6.8.12-4-pve", "gpus": [ { "bdf": "0000:e8:00.0", "numa_node": 1${1:+, $1} } ]${2:+, $2} }
	JSON
}

# --- the tree ---------------------------------------------------------------

@test "tree: eight A40 with 32 VFs each are listed on the bus" {
	node a40x8-mdev
	[ "$(ls "$SYS/class/mdev_bus" | wc -l)" = 256 ]
	[ "$(ls "$SYS/bus/pci/drivers/nvidia" | grep -c '^0000:')" = 264 ]
	[ "$(ls -d "$SYS"/bus/pci/devices/0000:e8:* | wc -l)" = 33 ]
	[ "$(ls "$SYS/$(pci $VF)/mdev_supported_types" | wc -l)" = 22 ]
}

@test "tree: every link leads somewhere inside the mount" {
	local l n=0

	node a40-full-mdev
	while read -r l; do
		[ -e "$l" ] || { echo "$l -> $(readlink "$l")"; return 1; }
		case $(readlink -f "$l") in "$SYS"/*) ;; *) echo "$l"; return 1 ;; esac
		n=$((n + 1))
	done < <(find "$SYS" -type l)
	[ "$n" -gt 150 ]
}

@test "tree: every link of a vendor VFIO node leads somewhere, too" {
	local l

	node a40-full-vfio
	while read -r l; do
		[ -e "$l" ] || { echo "$l -> $(readlink "$l")"; return 1; }
	done < <(find "$SYS" -type l)
	[ -e "$SYS/$(pci $VF)/vfio-dev/vfio0/dev" ]
	[ ! -e "$SYS/$(pci 0000:e8:00.0)/nvidia" ]
	[ ! -e "$SYS/$(pci $VF)/mdev_supported_types" ]
}

@test "tree: links are relative, as the kernel writes them" {
	node a40-foreign
	is "$(readlink "$SYS/$(pci $VF)")" ../../../devices/pci0000:e0/0000:e0:1c.7/0000:e8:00.4
	is "$(readlink "$SYS/$(pci $VF)/physfn")" ../0000:e8:00.0
	is "$(readlink "$SYS/$(pci 0000:e8:00.0)/virtfn12")" ../0000:e8:02.0
	is "$(readlink "$SYS/$(pci $VF)/driver")" ../../../../bus/pci/drivers/nvidia
	is "$(readlink "$SYS/bus/mdev/devices/31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13/mdev_type")" \
		../mdev_supported_types/nvidia-570
	is "$(readlink "$SYS/bus/mdev/devices/31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13")" \
		../../../devices/pci0000:e0/0000:e0:1c.7/0000:e8:01.2/31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13
}

@test "tree: VFs are beside their PF and follow first_vf in PCI order" {
	local pf

	node a40x8-mdev
	pf=$(readlink -f "$SYS/$(pci 0000:67:00.0)")
	is "$(readlink -f "$SYS/$(pci 0000:67:00.0)/virtfn4")" "${pf%/*}/0000:67:01.0"
	is "$(readlink -f "$SYS/$(pci 0000:67:00.0)/virtfn31")" "${pf%/*}/0000:67:04.3"
	[ ! -e "$SYS/$(pci 0000:67:00.0)/virtfn32" ]
	[ ! -e "$SYS/$(pci 0000:67:00.0)/virtfn04" ]
}

@test "tree: attributes are printed as the kernel prints them" {
	node a40x8-mdev
	cd "$SYS/$(pci 0000:e8:00.0)"
	is "$(cat vendor device subsystem_vendor subsystem_device class | tr '\n' ' ')" \
		"0x10de 0x2235 0x10de 0x145a 0x030200 "
	is "$(cat numa_node local_cpulist sriov_totalvfs sriov_numvfs | tr '\n' ' ')" "1 16-31 32 32 "
	is "$(cat modalias)" pci:v000010DEd00002235sv000010DEsd0000145Abc03sc02i00
	grep -qx PCI_SLOT_NAME=0000:e8:00.0 uevent
	is "$(stat -c '%a %s' vendor uevent)" $'444 4096\n644 4096'
	is "$(stat -c %a "../$VF/mdev_supported_types/nvidia-555/create")" 200
	is "$(cat "$SYS/module/nvidia/version")" 550.163.02
	[ -d "$SYS/devices/system/node/node1" ]
	[ -e "$SYS/module/nvidia/drivers/pci:nvidia" ]
	cd /
}

@test "tree: modes count for root, and nothing can be made or deleted" {
	node a40-foreign
	is "$(get "$(pci $VF)/mdev_supported_types/nvidia-560/create")" "Permission denied"
	is "$(put 1 "$(pci $VF)/vendor")" "Permission denied"
	is "$(put 1 "$(pci $VF)/no_such")" "Permission denied"
	run rm "$SYS/$(pci $VF)/vendor"
	[ "$status" = 1 ]
	[[ "$output" = *"Operation not permitted"* ]]
}

@test "tree: without an IOMMU NVIDIA has no VFs and no function a group" {
	node - <<-'JSON'
	{ "iommu": false, "gpus": [ { "bdf": "0000:e8:00.0" } ] }
	JSON
	is "$(get "$(pci 0000:e8:00.0)/sriov_numvfs")" 0
	is "$(get "$(pci 0000:e8:00.0)/sriov_totalvfs")" 32
	[ ! -e "$SYS/$(pci $VF)" ]
	[ ! -e "$SYS/$(pci 0000:e8:00.0)/iommu_group" ]
	is "$(ls "$SYS/kernel/iommu_groups" "$SYS/class/iommu" | grep -v :)" ""
}

@test "tree: an iommu group lists its only member" {
	local g

	node a40-foreign
	g=$(readlink -f "$SYS/$(pci $VF)/iommu_group")
	is "$(ls "$g/devices")" $VF
	g=$(readlink -f "$SYS/bus/mdev/devices/31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13/iommu_group")
	is "$(ls "$g/devices")" 31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13
}

@test "tree: mdevs are vfio devices of their own from kernel 6.1 on" {
	one_a40
	is "$(create $VF nvidia-575 $UUID_A)" ok
	[ -e "$SYS/bus/mdev/devices/$UUID_A/vfio-dev/vfio0/dev" ]
	[ -e "$SYS/class/vfio-dev/vfio0/device/remove" ]
	fusermount3 -u "$SYS"
	node a40-foreign
	[ ! -e "$SYS/bus/mdev/devices/31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13/vfio-dev" ]
}

@test "tree: sixteen GPUs with 64 VFs each are there at once" {
	node a40x16-64vf-mdev
	[ "$(ls "$SYS/class/mdev_bus" | wc -l)" = 1024 ]
	[ -e "$SYS/class/mdev_bus/0000:d8:08.3/mdev_supported_types/nvidia-576/create" ]
	[ ! -e "$SYS/class/mdev_bus/0000:d8:08.4" ]
}

# --- mdev: what is available ---------------------------------------------------

@test "mdev: a taken VF has room for nothing, the others keep that size alone" {
	one_a40
	is "$(available $VF nvidia-575)" 1
	is "$(create $VF nvidia-575 $UUID_A)" ok
	is "$(cat "$SYS"/class/mdev_bus/$VF/mdev_supported_types/*/available_instances | sort -u)" 0
	is "$(available $VF2 nvidia-575)" 1
	is "$(available $VF2 nvidia-565)" 1
	is "$(available $VF2 nvidia-560)" 0
	is "$(ls "$SYS/class/mdev_bus/$VF/mdev_supported_types/nvidia-575/devices")" $UUID_A
}

@test "mdev: max_instance holds for the whole GPU, and a removal frees all sizes" {
	one_a40
	is "$(create $VF nvidia-575 $UUID_A)" ok
	is "$(create $VF2 nvidia-565 $UUID_B)" ok
	is "$(available 0000:e8:01.0 nvidia-575)" 0
	is "$(create 0000:e8:01.0 nvidia-575 $UUID_C)" "No space left on device"
	is "$(put 1 "bus/mdev/devices/$UUID_A/remove")" ok
	is "$(available 0000:e8:01.0 nvidia-575)" 1
	is "$(put 1 "bus/mdev/devices/$UUID_B/remove")" ok
	is "$(available $VF nvidia-555)" 1
	is "$(ls "$SYS/bus/mdev/devices")" ""
}

@test "mdev: create tells a bad UUID, a used one and a taken VF apart" {
	node a40x8-mdev
	is "$(create $VF nvidia-575 $UUID_A)" ok
	is "$(create 0000:67:00.4 nvidia-575 $UUID_A)" "File exists"
	is "$(create 0000:67:00.4 nvidia-575 11111111-aaaa-4bbb-8ccc-00000000000)" "Invalid argument"
	is "$(create 0000:67:00.4 nvidia-575 11111111-aaaa-4bbb-8ccc-00000000000g)" "Invalid argument"
	is "$(create 0000:67:00.4 nvidia-575 "$UUID_B"xx)" "Invalid argument"
	is "$(create $VF nvidia-575 $UUID_B)" "No space left on device"
	is "$(create 0000:67:00.4 nvidia-575 $UUID_B$'\n')" ok
}

@test "mdev: a UUID in capitals is the same UUID" {
	one_a40
	is "$(create $VF nvidia-575 ${UUID_A^^})" ok
	is "$(ls "$SYS/bus/mdev/devices")" $UUID_A
	is "$(create $VF2 nvidia-575 $UUID_A)" "File exists"
}

@test "mdev: remove takes any number but zero" {
	one_a40
	is "$(create $VF nvidia-575 $UUID_A)" ok
	is "$(put x "bus/mdev/devices/$UUID_A/remove")" "Invalid argument"
	is "$(put 0 "bus/mdev/devices/$UUID_A/remove")" ok
	[ -e "$SYS/bus/mdev/devices/$UUID_A" ]
	is "$(put 17 "bus/mdev/devices/$UUID_A/remove")" ok
	[ ! -e "$SYS/bus/mdev/devices/$UUID_A" ]
	[ ! -e "$SYS/$(pci $VF)/$UUID_A" ]
}

@test "mdev: what exists at the start is held or not as the file says" {
	node a40-foreign
	is "$(cat "$SYS/.sim/open")" 8c2de1f4-05ab-4b97-a6d3-f17e3c920b58
	is "$(put 1 "bus/mdev/devices/31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13/remove")" ok
	is "$(ls "$SYS/bus/mdev/devices")" 8c2de1f4-05ab-4b97-a6d3-f17e3c920b58
}

@test "mdev: a full GPU has room nowhere" {
	node a40-full-mdev
	is "$(cat "$SYS"/class/mdev_bus/*/mdev_supported_types/*/available_instances | sort -u)" 0
}

@test "mdev: without VFs the PF counts down what is left of one size" {
	node p40x2
	[ ! -e "$SYS/$(pci 0000:3b:00.0)/sriov_totalvfs" ]
	is "$(available 0000:3b:00.0 nvidia-156)" 12
	is "$(create 0000:3b:00.0 nvidia-47 $UUID_A)" ok
	is "$(available 0000:3b:00.0 nvidia-156)" 11
	is "$(available 0000:3b:00.0 nvidia-215)" 11
	is "$(available 0000:3b:00.0 nvidia-46)" 0
	is "$(available 0000:af:00.0 nvidia-46)" 24
	is "$(create 0000:3b:00.0 nvidia-46 $UUID_B)" "No space left on device"
	is "$(create 0000:3b:00.0 nvidia-215 $UUID_B)" ok
	is "$(get class/mdev_bus/0000:3b:00.0/mdev_supported_types/nvidia-215/name)" "GRID P40-2B4"
}

@test "mdev: types carry name, description and device_api" {
	node a40x8-mdev
	cd "$SYS/class/mdev_bus/$VF/mdev_supported_types"
	is "$(cat nvidia-555/name)" "NVIDIA A40-1B"
	is "$(cat nvidia-555/description)" \
		"num_heads=4, frl_config=45, framebuffer=1024M, max_resolution=5120x2880, max_instance=32"
	is "$(cat nvidia-575/device_api)" vfio-pci
	cd /
}

@test "mdev: a VF's driver names its types, and no driver gives the bus's name" {
	one_a40 '' '"vf_drivers": { "0000:e8:04.0": "vfio-pci", "0000:e8:04.1": null }'
	[ -e "$SYS/class/mdev_bus/0000:e8:04.0/mdev_supported_types/vfio-pci-575/create" ]
	[ ! -e "$SYS/class/mdev_bus/0000:e8:04.0/mdev_supported_types/nvidia-575" ]
	[ -e "$SYS/class/mdev_bus/0000:e8:04.1/mdev_supported_types/pci-575/create" ]
	[ ! -e "$SYS/$(pci 0000:e8:04.1)/driver" ]
	is "$(create 0000:e8:04.0 vfio-pci-575 $UUID_A)" ok
	is "$(available $VF nvidia-560)" 0
}

@test "mdev: vgpu_params are replaced as a whole, cleared by a blank, fixed while held" {
	local p=bus/mdev/devices/$UUID_A/nvidia/vgpu_params

	one_a40
	create $VF nvidia-575 $UUID_A
	is "$(get $p)" ""
	is "$(put "frame_rate_limiter=0,disable_vnc=1" $p)" ok
	is "$(put "loglevel=5"$'\n' $p)" ok
	is "$(get $p)" loglevel=5
	is "$(put "$UUID_A yes" .sim/open)" ok
	is "$(put " " $p)" "Device or resource busy"
	is "$(put "$UUID_A no" .sim/open)" ok
	is "$(put " " $p)" ok
	is "$(get $p)" ""
}

# --- mdev: remove while it is held ------------------------------------------------

remover() {	# uuid: ends with 0 when the write succeeded
	background bash -c "exec dd if=<(echo 1) of='$SYS/bus/mdev/devices/$1/remove' status=none"
}

writes_are() {	# attribute number
	[ "$(write_count "$1")" = "$2" ]
}

@test "remove: blocks while the vGPU is held, and succeeds once it is let go" {
	node a40-full-mdev
	local u=5b7f9c0e-3d14-4a86-9e27-c1f04b8d6a35

	local dir

	dir=$(readlink -f "$SYS/bus/mdev/devices/$u")
	remover $u
	soon writes_are remove 1
	[ ! -e "$SYS/bus/mdev/devices/$u" ]
	[ -d "$dir" ]
	alive "$LAST"
	is "$(put "$u no" .sim/open)" ok
	[ ! -e "$dir" ]
	wait "$LAST"
}

@test "remove: a writer that is killed is let go, and the mount is free" {
	node a40-full-mdev
	local u=5b7f9c0e-3d14-4a86-9e27-c1f04b8d6a35 dir

	dir=$(readlink -f "$SYS/bus/mdev/devices/$u")
	remover $u
	soon writes_are remove 1
	kill -9 "$LAST"
	soon gone "$LAST"
	[ -d "$dir" ]
	is "$(put "$u no" .sim/open)" ok
	[ ! -e "$dir" ]
	fusermount3 -u "$SYS"
}

@test "remove: 64 blocked writers hinder nobody" {
	local i u vfs

	node a40x8-mdev
	mapfile -t vfs < <(ls "$SYS/class/mdev_bus")
	for i in {0..63}; do
		u=$(printf '%08d-0000-4000-8000-000000000000' "$i")
		is "$(create "${vfs[i]}" nvidia-557 "$u")" ok
		is "$(put "$u yes" .sim/open)" ok
		remover "$u"
	done
	soon writes_are remove 64
	is "$(timeout 5 cat "$SYS/$(pci $VF)/vendor")" 0x10de
	is "$(create $VF nvidia-575 $UUID_A)" ok
	is "$(put 1 "bus/mdev/devices/$UUID_A/remove")" ok
	for i in {0..31}; do
		is "$(put "$(printf '%08d-0000-4000-8000-000000000000' "$i") no" .sim/open)" ok
	done
	is "$(ls "$SYS/bus/mdev/devices")" ""
	is "$(ls -d "$SYS"/bus/pci/devices/*/*-0000-4000-8000-* | wc -l)" 32
}

@test "remove: the driver's own clean-up comes the given time after the vGPU is let go" {
	one_a40
	create $VF nvidia-575 $UUID_A
	is "$(put "$UUID_A 150" .sim/selfclean)" ok
	is "$(put "$UUID_A yes" .sim/open)" ok
	[ -e "$SYS/bus/mdev/devices/$UUID_A" ]
	is "$(put "$UUID_A no" .sim/open)" ok
	[ -e "$SYS/bus/mdev/devices/$UUID_A" ]
	soon test ! -e "$SYS/bus/mdev/devices/$UUID_A"
	is "$(available $VF nvidia-555)" 1
}

# --- vendor VFIO ----------------------------------------------------------------------

current() {
	get "$(pci "$1")/nvidia/current_vgpu_type"
}

@test "vendor: creatable types follow every change, the header stays" {
	local n

	one_a40 '"framework": "nvidia-vfio"'
	n=$(pci $VF)/nvidia
	is "$(sed -n '1p;2p;$p' "$SYS/$n/creatable_vgpu_types")" \
		$'ID    : vGPU Name\n555   : NVIDIA A40-1B\n576   : NVIDIA A40-48A'
	is "$(current $VF)" 0
	is "$(put 575 "$n/current_vgpu_type")" ok
	is "$(current $VF)" 575
	is "$(get "$n/creatable_vgpu_types")" "ID    : vGPU Name"
	is "$(get "$(pci $VF2)/nvidia/creatable_vgpu_types")" \
		$'ID    : vGPU Name\n565   : NVIDIA A40-24Q\n575   : NVIDIA A40-24A'
	is "$(put 565 "$(pci $VF2)/nvidia/current_vgpu_type")" ok
	is "$(get "$(pci 0000:e8:01.0)/nvidia/creatable_vgpu_types")" "ID    : vGPU Name"
	is "$(put 0 "$n/current_vgpu_type")" ok
	is "$(current $VF)" 0
}

@test "vendor: without the header a full GPU reads empty" {
	one_a40 '"framework": "nvidia-vfio", "creatable_header": false'
	is "$(put 576 "$(pci $VF)/nvidia/current_vgpu_type")" ok
	is "$(get "$(pci $VF2)/nvidia/creatable_vgpu_types")" ""
	is "$(stat -c %s "$SYS/$(pci $VF2)/nvidia/creatable_vgpu_types")" 4096
}

@test "vendor: each refusal has its errno" {
	local t

	t=$(pci $VF)/nvidia/current_vgpu_type
	one_a40 '"framework": "nvidia-vfio"'
	is "$(put 999 $t)" "Invalid argument"
	is "$(put A40 $t)" "Invalid argument"
	is "$(put 575 $t)" ok
	is "$(put 575 $t)" "Input/output error"
	is "$(put 560 "$(pci $VF2)/nvidia/current_vgpu_type")" "No space left on device"
	is "$(put 575 "$(pci $VF2)/nvidia/current_vgpu_type")" ok
	is "$(put 575 "$(pci 0000:e8:01.0)/nvidia/current_vgpu_type")" "No space left on device"
}

@test "vendor: zero is refused while the vGPU is held" {
	local t

	t=$(pci $VF)/nvidia/current_vgpu_type
	node a40-full-vfio
	is "$(put 0 $t)" "Device or resource busy"
	is "$(put "disable_vnc=1" "$(pci $VF)/nvidia/vgpu_params")" "Device or resource busy"
	is "$(put "$VF no" .sim/open)" ok
	is "$(put 0 $t)" ok
	is "$(current $VF)" 0
}

@test "vendor: ids of instance and placement are there with the vGPU alone" {
	local n

	n=$(pci $VF)/nvidia

	one_a40 '"framework": "nvidia-vfio"'
	is "$(get $n/placement_id)" "No such device or address"
	is "$(get $n/gpu_instance_id)" "No such device or address"
	is "$(put 575 $n/current_vgpu_type)" ok
	is "$(get $n/placement_id)" 0
	is "$(get $n/gpu_instance_id)" 0
}

@test "vendor: the driver's own clean-up works by address" {
	one_a40 '"framework": "nvidia-vfio"'
	put 575 "$(pci $VF)/nvidia/current_vgpu_type"
	is "$(put "$VF 100" .sim/selfclean)" ok
	is "$(put "$VF yes" .sim/open)" ok
	is "$(put "$VF no" .sim/open)" ok
	zero() { [ "$(current $VF)" = 0 ]; }
	soon zero
}

@test "vendor: a VF that is not nvidia's has no nvidia directory" {
	one_a40 '"framework": "nvidia-vfio", "vf_drivers": { "0000:e8:00.4": "vfio-pci" }'
	[ ! -e "$SYS/$(pci $VF)/nvidia" ]
	[ -e "$SYS/$(pci $VF2)/nvidia" ]
	[ -e "$SYS/$(pci $VF)/vfio-dev" ]
}

# --- sizes, MIG, pools ------------------------------------------------------------------

@test "mixed sizes: what fits into the memory can be made" {
	one_a40 '"mixed_size": true'
	is "$(create $VF nvidia-565 $UUID_A)" ok
	is "$(available $VF2 nvidia-560)" 1
	is "$(available $VF2 nvidia-566)" 0
	is "$(create $VF2 nvidia-560 $UUID_B)" ok
	is "$(available 0000:e8:01.0 nvidia-565)" 0
	is "$(available 0000:e8:01.0 nvidia-564)" 1
	is "$(create 0000:e8:01.0 nvidia-565 $UUID_C)" "No space left on device"
}

MIG_TYPES='"types": [ { "id": 468, "name": "GRID A100-4C", "max_instance": 10 },
	{ "id": 474, "name": "GRID A100-1-5C", "gi_slices": 1, "max_instance": 7 },
	{ "id": 475, "name": "GRID A100-2-10C", "gi_slices": 2, "max_instance": 3 } ]'

@test "MIG: only MIG types, and each into an instance with room" {
	one_a40 '"mig": true, "gpu_instances": [ { "id": 3, "slices": 1, "memory_mib": 5120 },
		{ "id": 5, "slices": 1 } ], '"$MIG_TYPES"
	is "$(available $VF nvidia-468)" 0
	is "$(create $VF nvidia-468 $UUID_A)" "Input/output error"
	is "$(create $VF nvidia-475 $UUID_A)" "No space left on device"
	is "$(create $VF nvidia-474 $UUID_A)" ok
	is "$(create $VF2 nvidia-474 $UUID_B)" ok
	is "$(available 0000:e8:01.0 nvidia-474)" 0
	is "$(put 1 "bus/mdev/devices/$UUID_A/remove")" ok
	is "$(available 0000:e8:01.0 nvidia-474)" 1
}

@test "MIG: with it off the MIG types have no room" {
	one_a40 "$MIG_TYPES"
	is "$(available $VF nvidia-468)" 1
	is "$(available $VF nvidia-474)" 0
	is "$(create $VF nvidia-474 $UUID_A)" "Input/output error"
}

@test "MIG: the instance's id is told, profiles and several vGPUs an instance count" {
	one_a40 '"framework": "nvidia-vfio", "mig": true,
		"gpu_instances": [ { "id": 3, "slices": 1, "profile": "1g.24gb", "memory_mib": 24576 },
			{ "id": 9, "slices": 1, "profile": "1g.24gb+gfx", "memory_mib": 24576 } ],
		"types": [ { "id": 10, "name": "NVIDIA X-1-12Q", "gi_slices": 1, "gi_profile": "1g.24gb+gfx",
			"max_instance": 8, "max_instance_per_gi": 2 } ]'
	is "$(put 10 "$(pci $VF)/nvidia/current_vgpu_type")" ok
	is "$(get "$(pci $VF)/nvidia/gpu_instance_id")" 9
	is "$(put 10 "$(pci $VF2)/nvidia/current_vgpu_type")" ok
	is "$(put 10 "$(pci 0000:e8:01.0)/nvidia/current_vgpu_type")" "No space left on device"
}

@test "GVT-g: all types share one pool, names may be missing, descriptions have lines" {
	local t=class/mdev_bus/0000:00:02.0/mdev_supported_types

	node - <<-'JSON'
	{ "gpus": [ { "bdf": "0000:00:02.0", "vendor": "8086", "device": "5916", "class": "030000",
		"driver": "i915", "totalvfs": 0, "types": [
		{ "id": "GVTg_V5_2", "max_instance": 2, "description": "low_gm_size: 256MB\nfence: 4\n" },
		{ "id": "GVTg_V5_4", "max_instance": 4 } ] } ] }
	JSON
	is "$(available 0000:00:02.0 i915-GVTg_V5_4)" 4
	is "$(create 0000:00:02.0 i915-GVTg_V5_2 $UUID_A)" ok
	is "$(available 0000:00:02.0 i915-GVTg_V5_4)" 2
	is "$(available 0000:00:02.0 i915-GVTg_V5_2)" 1
	[ ! -e "$SYS/$t/i915-GVTg_V5_2/name" ]
	is "$(get $t/i915-GVTg_V5_2/description)" $'low_gm_size: 256MB\nfence: 4'
	[ ! -e "$SYS/$t/i915-GVTg_V5_4/description" ]
	[ ! -e "$SYS/bus/mdev/devices/$UUID_A/nvidia" ]
	is "$(readlink "$SYS/$(pci 0000:00:02.0)")" ../../../devices/pci0000:00/0000:00:02.0
}

@test "parents that are no GPU stand on their own bus" {
	node - <<-'JSON'
	{ "parents": [ { "path": "css0/0.0.0313", "driver": "vfio_ccw", "device_api": "vfio-ccw",
		"types": [ { "id": "io", "max_instance": 1 } ] } ] }
	JSON
	is "$(readlink "$SYS/bus/css/devices/0.0.0313")" ../../../devices/css0/0.0.0313
	is "$(available 0.0.0313 vfio_ccw-io)" 1
	is "$(get class/mdev_bus/0.0.0313/mdev_supported_types/vfio_ccw-io/device_api)" vfio-ccw
	is "$(create 0.0.0313 vfio_ccw-io $UUID_A)" ok
	is "$(available 0.0.0313 vfio_ccw-io)" 0
	[ -e "$SYS/devices/css0/0.0.0313/$UUID_A/mdev_type/create" ]
	[ ! -e "$SYS/class/mdev_bus/0.0.0313/vendor" ]
}

@test "frameworks vf and none have no types" {
	node - <<-'JSON'
	{ "gpus": [ { "bdf": "0000:03:00.0", "vendor": "1002", "device": "7460", "driver": "gim", "framework": "vf", "totalvfs": 4 },
		{ "bdf": "0000:04:00.0", "driver": "vfio-pci", "framework": "none" } ] }
	JSON
	[ -e "$SYS/$(pci 0000:03:00.4)/physfn" ]
	is "$(readlink "$SYS/$(pci 0000:03:00.4)/driver")" ../../../../bus/pci/drivers/gim
	is "$(ls "$SYS/class/mdev_bus")" ""
	[ ! -e "$SYS/$(pci 0000:04:00.0)/virtfn0" ]
	is "$(readlink "$SYS/$(pci 0000:04:00.0)/driver")" ../../../../bus/pci/drivers/vfio-pci
}

@test "sriov_numvfs: as the kernel has it, and NVIDIA's driver refuses" {
	local n

	n=$(pci 0000:03:00.0)/sriov_numvfs

	node - <<-'JSON'
	{ "gpus": [ { "bdf": "0000:03:00.0", "vendor": "1002", "device": "7460", "driver": "gim", "framework": "vf", "totalvfs": 4 },
		{ "bdf": "0000:e8:00.0" } ] }
	JSON
	is "$(put 2 $n)" "Device or resource busy"
	is "$(put 5 $n)" "Numerical result out of range"
	is "$(put x $n)" "Invalid argument"
	is "$(put 0 $n)" ok
	[ ! -e "$SYS/$(pci 0000:03:00.4)" ]
	is "$(put 2 $n)" ok
	[ -e "$SYS/$(pci 0000:03:00.5)" ]
	[ ! -e "$SYS/$(pci 0000:03:00.6)" ]
	is "$(put 0 "$(pci 0000:e8:00.0)/sriov_numvfs")" "No such file or directory"
}

@test "errno: the node file chooses, for one GPU or for all" {
	node - <<-'JSON'
	{ "errno": { "busy": "EPERM" }, "gpus": [ { "bdf": "0000:e8:00.0", "framework": "nvidia-vfio",
		"errno": { "size": "EOPNOTSUPP", "unknown": "ENOENT" } } ] }
	JSON
	is "$(put 575 "$(pci $VF)/nvidia/current_vgpu_type")" ok
	is "$(put 575 "$(pci $VF)/nvidia/current_vgpu_type")" "Operation not permitted"
	is "$(put 560 "$(pci $VF2)/nvidia/current_vgpu_type")" "Operation not supported"
	is "$(put 1 "$(pci $VF2)/nvidia/current_vgpu_type")" "No such file or directory"
}

@test "errno: it can be changed while the node runs, and put back" {
	one_a40 '"framework": "nvidia-vfio", "errno": { "unknown": "ENOENT" }'
	is "$(put "unknown EPERM" .sim/errno)" ok
	is "$(put 1 "$(pci $VF)/nvidia/current_vgpu_type")" "Operation not permitted"
	is "$(put clear .sim/errno)" ok
	is "$(put 1 "$(pci $VF)/nvidia/current_vgpu_type")" "No such file or directory"
}

# --- controls -------------------------------------------------------------------------------

@test "ops: one for each read at the start and each write, nothing else" {
	one_a40
	: >"$SYS/.sim/fault" || :
	echo reset >"$SYS/.sim/ops"
	is "$(cat "$SYS/.sim/ops")" '{ "total": 0 }'
	available $VF nvidia-575
	available $VF nvidia-560
	create $VF nvidia-575 $UUID_A
	create $VF nvidia-575 $UUID_A
	ls -lR "$SYS/class" >/dev/null
	is "$(cat "$SYS/.sim/ops")" \
		'{ "total": 4, "available_instances": { "read": 2, "write": 0 }, "create": { "read": 0, "write": 2 } }'
}

@test "ops: attributes of one name are counted together, wherever they are" {
	node a40-foreign
	echo >"$SYS/.sim/ops"
	get "$(pci $VF)/uevent" >/dev/null
	get bus/mdev/devices/31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13/uevent >/dev/null
	is "$(cat "$SYS/.sim/ops")" '{ "total": 2, "uevent": { "read": 2, "write": 0 } }'
}

@test "fault: as many operations as told fail, and they count" {
	one_a40
	is "$(put "write devices/*/$VF/*/create EBUSY 2" .sim/fault)" ok
	is "$(put "read */available_instances EIO" .sim/fault)" ok
	echo >"$SYS/.sim/ops"
	is "$(create $VF2 nvidia-575 $UUID_B)" ok
	is "$(create $VF nvidia-575 $UUID_A)" "Device or resource busy"
	is "$(create $VF nvidia-575 $UUID_A)" "Device or resource busy"
	is "$(create $VF nvidia-575 $UUID_A)" ok
	is "$(available $VF nvidia-575)" "Input/output error"
	is "$(available $VF nvidia-575)" 0
	is "$(write_count create)" 4
}

@test "fault: LOST reports success and does nothing" {
	one_a40
	is "$(put "write *create LOST" .sim/fault)" ok
	is "$(create $VF nvidia-575 $UUID_A)" ok
	is "$(ls "$SYS/bus/mdev/devices")" ""
	is "$(available $VF nvidia-575)" 1
	is "$(create $VF nvidia-575 $UUID_A)" ok
	is "$(ls "$SYS/bus/mdev/devices")" $UUID_A
}

@test "fault: clear disarms, and what is armed can be read" {
	one_a40
	put "write * EIO 100000" .sim/fault
	is "$(cat "$SYS/.sim/fault")" "write * EIO 100000"
	is "$(put clear .sim/fault)" ok
	is "$(create $VF nvidia-575 $UUID_A)" ok
}

@test "vgpus: what there is at one moment, and who is held" {
	one_a40
	is "$(cat "$SYS/.sim/vgpus")" ""
	create $VF nvidia-575 $UUID_A > /dev/null
	create $VF2 nvidia-575 $UUID_B > /dev/null
	is "$(put "$UUID_B yes" .sim/open)" ok
	is "$(sort "$SYS/.sim/vgpus")" "$VF 575 $UUID_A free"$'\n'"$VF2 575 $UUID_B held"
	is "$(put clear .sim/vgpus)" "Invalid argument"
}

@test "controls: bad input is refused" {
	local bad

	one_a40
	for bad in "write *" "rite * EIO" "write * ENOTHING" "write * EIO 0" "write * EIO x" "write * EIO 1 1" " "; do
		is "$bad: $(put "$bad" .sim/fault)" "$bad: Invalid argument"
	done
	for bad in "*" "* x" "* -1" "* 1 1"; do
		is "$bad: $(put "$bad" .sim/delay)" "$bad: Invalid argument"
	done
	for bad in "*" "* maybe" "* yes no"; do
		is "$bad: $(put "$bad" .sim/hang)" "$bad: Invalid argument"
	done
	for bad in "$UUID_A yes" "$VF yes" "$VF" "$VF maybe" "clear"; do
		is "$bad: $(put "$bad" .sim/open)" "$bad: Invalid argument"
	done
	for bad in "size" "size EFOO" "none EIO" "size LOST" "size EIO 1"; do
		is "$bad: $(put "$bad" .sim/errno)" "$bad: Invalid argument"
	done
	for bad in "0000:99:00.0 5" "$VF" "$VF x"; do
		is "$bad: $(put "$bad" .sim/selfclean)" "$bad: Invalid argument"
	done
	is "$(put 0000:99:00.0 .sim/vanish)" "Invalid argument"
}

# stands PATTERN N: so many stand there
stands() {
	local tries

	for ((tries = 0; tries < 500; tries++)); do
		! grep -qFx "$1 $2" "$SYS/.sim/hang" || return 0
		sleep 0.02
	done
	cat "$SYS/.sim/hang"
	return 1
}

@test "hang: what matches stands until it is let go, and others do not" {
	local pattern="*/$VF/*/create" writer

	one_a40
	is "$(put "$pattern yes" .sim/hang)" ok
	is "$(cat "$SYS/.sim/hang")" "$pattern 0"
	create $VF nvidia-575 $UUID_A > "$BATS_TEST_TMPDIR/said" &
	writer=$!
	stands "$pattern" 1
	is "$(create $VF2 nvidia-575 $UUID_B)" ok
	is "$(ls "$SYS/bus/mdev/devices")" $UUID_B
	is "$(put "$pattern no" .sim/hang)" ok
	wait "$writer"
	is "$(cat "$BATS_TEST_TMPDIR/said")" ok
	is "$(ls "$SYS/bus/mdev/devices" | wc -l)" 2
	is "$(cat "$SYS/.sim/hang")" ""
}

@test "hang: a signal lets go of who stands there, and nothing is done; a read stands, too" {
	local file

	one_a40
	put "*nvidia-575/* yes" .sim/hang
	file=$SYS/$(pci $VF)/mdev_supported_types/nvidia-575
	perl -e '$SIG{ALRM} = sub {}; open(my $f, ">", shift) or die; alarm(1); print(defined(syswrite($f, shift)) ? "done" : "$!")' \
		"$file/create" $UUID_A > "$BATS_TEST_TMPDIR/said"
	is "$(cat "$BATS_TEST_TMPDIR/said")" "Interrupted system call"
	stands "*nvidia-575/*" 0
	cat "$file/available_instances" > "$BATS_TEST_TMPDIR/said" &
	stands "*nvidia-575/*" 1
	is "$(put clear .sim/hang)" ok
	wait "$!"
	is "$(cat "$BATS_TEST_TMPDIR/said")" 1
	is "$(ls "$SYS/bus/mdev/devices")" ""
}

ms_now() {
	local t=${EPOCHREALTIME/[.,]/}

	echo $((t / 1000))
}

@test "delay: matching operations take longer, faulted ones too, others do not" {
	local t

	one_a40
	is "$(put "*/$VF/*/available_instances 300" .sim/delay)" ok
	is "$(put "read */available_instances EIO" .sim/fault)" ok
	t=$(ms_now)
	is "$(available $VF nvidia-575)" "Input/output error"
	[ $(($(ms_now) - t)) -ge 300 ]
	t=$(ms_now)
	is "$(available $VF nvidia-575)" 1
	[ $(($(ms_now) - t)) -ge 300 ]
	is "$(put clear .sim/delay)" ok
	is "$(put "*/$VF/*/available_instances 30000" .sim/delay)" ok
	is "$(timeout 5 cat "$SYS/class/mdev_bus/$VF2/mdev_supported_types/nvidia-575/available_instances")" 1
}

@test "delay: forty delayed clients wait side by side, not in a row" {
	local i t

	one_a40
	put "*/vendor 400" .sim/delay
	t=$(ms_now)
	for i in {1..40}; do
		background cat "$SYS/$(pci $VF)/vendor" >/dev/null
	done
	wait $BACKGROUND
	[ $(($(ms_now) - t)) -lt 4000 ]
}

@test "delay: a writer killed while it is delayed is let go, and the driver has done it" {
	one_a40
	put "*/create 60000" .sim/delay
	background bash -c "printf $UUID_A >'$SYS/class/mdev_bus/$VF/mdev_supported_types/nvidia-575/create'"
	writes() { [ "$(write_count create)" = 1 ]; }
	soon writes
	is "$(ls "$SYS/bus/mdev/devices")" ""
	kill -9 "$LAST"
	soon gone "$LAST"
	is "$(ls "$SYS/bus/mdev/devices")" $UUID_A
}

@test "permissions: another user reads and may not write" {
	node a40-foreign
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "${BATS_TEST_TMPDIR%/*}"
	run setpriv --reuid 65534 --regid 65534 --clear-groups cat "$SYS/$(pci $VF)/vendor"
	is "$output" 0x10de
	run setpriv --reuid 65534 --regid 65534 --clear-groups \
		bash -c "echo 1 >'$SYS/bus/mdev/devices/31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13/remove'"
	[ "$status" = 1 ]
	[[ "$output" = *"Permission denied"* ]]
	[ -e "$SYS/bus/mdev/devices/31f6a8b7-c94e-4d20-8f5a-7b0d62e49c13" ]
}

@test "vanish: a VF is gone with its vGPU, and clear brings it back" {
	one_a40
	create $VF nvidia-575 $UUID_A
	is "$(put $VF .sim/vanish)" ok
	[ ! -e "$SYS/$(pci $VF)" ]
	[ ! -e "$SYS/$(pci 0000:e8:00.0)/virtfn0" ]
	[ ! -e "$SYS/class/mdev_bus/$VF" ]
	is "$(ls "$SYS/bus/mdev/devices")" ""
	is "$(ls "$SYS/class/mdev_bus" | wc -l)" 31
	is "$(put clear .sim/vanish)" ok
	is "$(available $VF nvidia-555)" 1
}

@test "vfs: VFs come and go whatever the driver says, and not while one is held" {
	one_a40
	is "$(put "0000:e8:00.0 0" .sim/vfs)" ok
	is "$(ls "$SYS/class/mdev_bus")" ""
	is "$(cat "$SYS/$(pci 0000:e8:00.0)/sriov_numvfs")" 0
	is "$(put "0000:e8:00.0 32" .sim/vfs)" ok
	create $VF nvidia-575 $UUID_A
	put "$UUID_A yes" .sim/open
	is "$(put "0000:e8:00.0 0" .sim/vfs)" "Device or resource busy"
	put "$UUID_A no" .sim/open
	is "$(put "0000:e8:00.0 4" .sim/vfs)" ok
	is "$(ls "$SYS/bus/mdev/devices")" ""
	is "$(ls "$SYS/class/mdev_bus" | wc -l)" 4
	is "$(put "0000:e8:00.0 33" .sim/vfs)" "Numerical result out of range"
	is "$(put "$VF 1" .sim/vfs)" "Invalid argument"
}

@test "driver: a function is bound to another driver, or to none" {
	one_a40
	is "$(put "$VF -" .sim/driver)" ok
	[ ! -e "$SYS/$(pci $VF)/driver" ]
	is "$(available $VF pci-575)" 1
	is "$(put "$VF nvidia" .sim/driver)" ok
	is "$(available $VF nvidia-575)" 1
	is "$(put "$VF none" .sim/driver)" "Invalid argument"
}

@test "types: a GPU shows none until they are given back" {
	one_a40
	is "$(put "0000:e8:00.0 no" .sim/types)" ok
	[ -z "$(ls "$SYS/class/mdev_bus/$VF/mdev_supported_types")" ]
	is "$(put "0000:e8:00.0 yes" .sim/types)" ok
	is "$(available $VF nvidia-575)" 1
	is "$(put "0000:e8:00.0 x" .sim/types)" "Invalid argument"
}

# --- node files ------------------------------------------------------------------------------

refused() {	# part of the message; the node file on standard input
	cat >"$BATS_TEST_TMPDIR/bad.json"
	mkdir -p "$BATS_TEST_TMPDIR/mnt"
	run "$VGPU_SIM" "$BATS_TEST_TMPDIR/bad.json" "$BATS_TEST_TMPDIR/mnt"
	[ "$status" = 1 ] || { fusermount3 -u "$BATS_TEST_TMPDIR/mnt"; return 1; }
	[[ "$output" = "vgpu-sim: $BATS_TEST_TMPDIR/bad.json: "*"$1"* ]] || { echo "$output"; return 1; }
}

@test "node files: what is wrong is named with its place" {
	refused "unknown key 'gpu'" <<<'{ "gpu": [] }'
	refused "gpus[0]: 0000:e8:00.0: unknown key 'memory'" <<<'{ "gpus": [ { "bdf": "0000:e8:00.0", "memory": 1 } ] }'
	refused "gpus[0]: 'bdf' is missing" <<<'{ "gpus": [ {} ] }'
	refused "'bdf' is not like 0000:e8:00.0: 'e8:00.0'" <<<'{ "gpus": [ { "bdf": "e8:00.0" } ] }'
	refused "no board 'A41'" <<<'{ "gpus": [ { "bdf": "0000:e8:00.0", "types": "A41" } ] }'
	refused "'framework' is none of" <<<'{ "gpus": [ { "bdf": "0000:e8:00.0", "framework": "x" } ] }'
	refused "'numvfs' 40 is more than" <<<'{ "gpus": [ { "bdf": "0000:e8:00.0", "numvfs": 40 } ] }'
	refused "'memory_mib' is not a number" <<<'{ "gpus": [ { "bdf": "0000:e8:00.0", "memory_mib": "48" } ] }'
	refused "the address 0000:e8:00.4 is taken twice" <<<'{ "gpus": [ { "bdf": "0000:e8:00.0" }, { "bdf": "0000:e8:00.4" } ] }'
	refused "no errno is called 'EFOO'" <<<'{ "errno": { "size": "EFOO" } }'
	refused "errno: unknown key 'foo'" <<<'{ "errno": { "foo": "EIO" } }'
	refused "no VF is at '0000:e9:00.4'" <<<'{ "vf_drivers": { "0000:e9:00.4": null } }'
	refused "vgpus[0]: 'parent' takes no vGPU" <<<'{ "gpus": [ { "bdf": "0000:e8:00.0" } ], "vgpus": [ { "parent": "0000:e8:00.0" } ] }'
	refused "vgpus[0]: 'uuid' is no UUID" <<<'{ "gpus": [ { "bdf": "0000:e8:00.0" } ], "vgpus": [ { "parent": "0000:e8:00.4", "type": 575 } ] }'
	refused "" <<<'{ "gpus": ['
}

@test "node files: one that is missing, wrong usage and no directory" {
	run "$VGPU_SIM" /no/such.json "$BATS_TEST_TMPDIR"
	[ "$status" = 1 ]
	[[ "$output" = *"/no/such.json"*"No such file"* ]]
	run "$VGPU_SIM" "$NODES_DIR/p40x2.json"
	[ "$status" = 2 ]
	[[ "$output" = usage:* ]]
	run "$VGPU_SIM" "$NODES_DIR/p40x2.json" "$BATS_TEST_TMPDIR/none"
	[ "$status" = 1 ]
	[[ "$output" = *"$BATS_TEST_TMPDIR/none: No such file or directory" ]]
}

@test "node files: the one of the specification runs as it stands" {
	node - <<-'JSON'
	{ "kernel": "5.15.158-2-pve", "nvidia_driver": "550.163.02", "iommu": true,
	  "gpus": [
	    { "bdf": "0000:e8:00.0", "vendor": "10de", "device": "2235", "subsystem_vendor": "10de", "subsystem_device": "145a",
	      "class": "030200", "numa_node": 1, "memory_mib": 49152, "driver": "nvidia",
	      "framework": "mdev", "totalvfs": 32, "numvfs": 32, "first_vf": "0000:e8:00.4",
	      "mig": false, "mixed_size": false, "creatable_header": true, "types": "A40" } ],
	  "parents": [ { "path": "css0/0.0.0313", "driver": "vfio_ccw", "device_api": "vfio-ccw", "types": [ { "id": "io", "max_instance": 1 } ] } ],
	  "vgpus": [ { "parent": "0000:e8:00.4", "type": 575, "uuid": "242e5ea7-90e2-4d6e-afeb-a0b9a656c108", "open": true } ] }
	JSON
	is "$(cat "$SYS/.sim/open")" 242e5ea7-90e2-4d6e-afeb-a0b9a656c108
	is "$(ls "$SYS/class/mdev_bus" | wc -l)" 33
	is "$(available 0000:e8:00.5 nvidia-575)" 1
}

@test "node files: every one that is kept here mounts" {
	local f

	for f in "$NODES_DIR"/*.json; do
		[ "${f##*/}" != types.json ] || continue
		node "$(basename "$f" .json)"
		[ -d "$SYS/bus/pci/devices" ]
		fusermount3 -u "$SYS"
	done
}

@test "types.json: a flat table of rows does as well" {
	mkdir -p "$BATS_TEST_TMPDIR/t/sim" "$BATS_TEST_TMPDIR/t/nodes"
	cp "$VGPU_SIM" "$BATS_TEST_TMPDIR/t/sim/vgpu-sim"
	echo '[ { "gpu": "A40", "id": "nvidia-575", "name": "NVIDIA A40-24A" },
		{ "gpu": "A100", "id": 474, "name": "GRID A100-1-5C", "max_instance": 7 } ]' \
		>"$BATS_TEST_TMPDIR/t/nodes/types.json"
	VGPU_SIM=$BATS_TEST_TMPDIR/t/sim/vgpu-sim one_a40
	is "$(ls "$SYS/class/mdev_bus/$VF/mdev_supported_types")" nvidia-575
	grep -q 'framebuffer=24576M.*max_instance=2$' \
		"$SYS/class/mdev_bus/$VF/mdev_supported_types/nvidia-575/description"
}

@test "unmounting leaves no process behind" {
	local pids

	node p40x2
	pids=$(pgrep -f "vgpu-sim .*$SYS")
	[ -n "$pids" ]
	fusermount3 -u "$SYS"
	soon gone "$pids"
}

# --- others' tools ------------------------------------------------------------------------------

on_sys() {	# command…, with the mount as its /sys
	own_mounts bash -c 'mount --bind "$1" /sys && shift && exec "$@"' - "$SYS" "$@"
}

@test "mdevctl: lists the types and makes a vGPU" {
	command -v mdevctl >/dev/null || skip "no mdevctl here"
	node p40x2
	run on_sys mdevctl types
	[ "$status" = 0 ]
	[[ "$output" = *"nvidia-215"*"Available instances: 12"*"Name: GRID P40-2B4"* ]]
	run on_sys mdevctl start -u $UUID_A -p 0000:3b:00.0 -t nvidia-215
	echo "$output"
	[ "$status" = 0 ]
	run on_sys mdevctl list
	[[ "$output" = *"$UUID_A 0000:3b:00.0 nvidia-215"* ]]
	run on_sys mdevctl stop -u $UUID_A
	[ "$status" = 0 ]
	is "$(ls "$SYS/bus/mdev/devices")" ""
}

@test "a hundred clients at once keep the counts straight" {
	local i

	node a40x8-mdev
	echo >"$SYS/.sim/ops"
	for i in {1..96}; do
		background bash -c 'for n in 1 2 3 4 5; do read -r x <"$1/vendor"; done' - "$SYS/$(pci $VF)"
	done
	wait $BACKGROUND
	is "$(cat "$SYS/.sim/ops")" '{ "total": 480, "vendor": { "read": 480, "write": 0 } }'
}
