#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# What lies where: PCI functions, the mdev bus, types, a vGPU's own directory.

load helper

setup_file() { have_node mdev; }
teardown_file() { bed_done; }
setup() { words; }
teardown() { clean_slate; }

D=bus/pci/devices

@test "functions: vendor, device, class and subsystem as lspci shows them, NUMA node and modes" {
	local f

	is "$(cd "$SYS/$D" && cat "$GPU"/{vendor,device,subsystem_vendor,subsystem_device,class})" \
		$'0x10de\n0x2235\n0x10de\n0x145a\n0x030200'
	is "$(cd "$SYS/$D" && cat "$CARD"/{vendor,device,subsystem_vendor,subsystem_device,class})" \
		$'0x10de\n0x1eb8\n0x10de\n0x12a2\n0x030200'
	for f in "${VF[0]}" "${VF2[31]}"; do
		is "$(cd "$SYS/$D" && cat "$f"/{vendor,device,class})" $'0x10de\n0x2235\n0x030200'
	done
	reads $'0x10de\n' "$D/$GPU/vendor"
	slurp "$D/$GPU/numa_node"
	[[ $TEXT =~ ^(-1|[0-9]+)$'\n'$ ]]
	reads "$TEXT" "$D/${VF[0]}/numa_node"
	reads "$TEXT" "$D/${VF[31]}/numa_node"
	is "$(cd "$SYS/$D/$GPU" && stat -c '%n %a' vendor device class numa_node sriov_totalvfs sriov_numvfs uevent)" \
		"vendor 444
device 444
class 444
numa_node 644
sriov_totalvfs 444
sriov_numvfs 644
uevent 644"
}

@test "SR-IOV: 32 VFs each in PCI order, counted by sriov_numvfs, linked both ways" {
	local i v dev fn next

	reads $'32\n' "$D/$GPU/sriov_totalvfs"
	reads $'32\n' "$D/$GPU/sriov_numvfs"
	is "${#VF[@]} ${#VF2[@]}" "32 32"
	fn=${VF[0]##*.} dev=${VF[0]##*:}
	next=$((16#${dev%.*} * 8 + fn))
	for i in {0..31}; do
		printf -v v '%s:%02x.%x' "${GPU%:*}" $((next / 8)) $((next % 8))
		is "${VF[i]}" "$v"
		[ "$SYS/$D/$v/physfn" -ef "$SYS/$D/$GPU" ]
		next=$((next + 1))
	done
	[ "$SYS/$D/$GPU/virtfn12" -ef "$SYS/$D/${VF[12]}" ]
	is "$(readlink "$SYS/$D/$GPU/virtfn31" "$SYS/$D/${VF[31]}/physfn")" "../${VF[31]}"$'\n'"../$GPU"
	for v in "$GPU/virtfn32" "$GPU/virtfn00" "$GPU/physfn" "${VF[0]}/sriov_totalvfs" "${VF[0]}/virtfn0" \
		"$CARD/sriov_totalvfs" "$CARD/sriov_numvfs" "$CARD/virtfn0" "$CARD/physfn"; do
		missing "$SYS/$D/$v"
	done
}

@test "SR-IOV: what sriov_numvfs answers before it asks the driver" {
	local bad

	for bad in x -1 32x 70000 ' 1'; do
		writes EINVAL "$bad" "$D/$GPU/sriov_numvfs"
	done
	writes ERANGE 33 "$D/$GPU/sriov_numvfs"
	writes ok 32 "$D/$GPU/sriov_numvfs"
	writes ok 0x20 "$D/$GPU/sriov_numvfs"
	reads $'32\n' "$D/$GPU/sriov_numvfs"
}

@test "links: driver, subsystem and iommu_group of a function, and back" {
	local f link pf

	for f in "$GPU" "$CARD" "${VF[0]}" "${VF2[31]}"; do
		[ "$SYS/$D/$f/driver" -ef "$SYS/bus/pci/drivers/nvidia" ]
		[ "$SYS/bus/pci/drivers/nvidia/$f" -ef "$SYS/$D/$f" ]
		[ "$SYS/$D/$f/subsystem" -ef "$SYS/bus/pci" ]
		link=$(readlink "$SYS/$D/$f/iommu_group")
		[[ $link =~ ^(\.\./)+kernel/iommu_groups/[0-9]+$ ]]
		[ "$SYS/kernel/iommu_groups/${link##*/}/devices/$f" -ef "$SYS/$D/$f" ]
		link=$(readlink "$SYS/$D/$f")
		[[ $link == ../../../devices/pci0000:*/"$f" ]]
		[ "$f" != "$GPU" ] || pf=${link%/*}
		[ "$f" != "${VF[0]}" ] || is "${link%/*}" "$pf"
	done
}

@test "mdev_bus: the VFs of both GPUs and the card, none of vendor VFIO's files" {
	local f

	is "$(ls "$SYS/class/mdev_bus")" "$(printf '%s\n' $VFS $VFS2 "$CARD" | sort)"
	for f in "${VF[0]}" "${VF[31]}" "${VF2[7]}" "$CARD"; do
		[ "$SYS/class/mdev_bus/$f" -ef "$SYS/$D/$f" ]
		missing "$SYS/$D/$f/nvidia"
		missing "$SYS/$D/$f/vfio-dev"
	done
	[[ $(readlink "$SYS/class/mdev_bus/${VF[0]}") == ../../devices/pci0000:*/"${VF[0]}" ]]
	missing "$SYS/$D/$GPU/mdev_supported_types"
	missing "$SYS/$D/$GPU/nvidia"
}

# table ROWS ROOM: what `grep .` shows of such types, with ROOM (max: max_instance) available
table() {
	awk -F'|' -v room="$2" '{
		t = "nvidia-" $1 "/"
		print t "available_instances:" (room == "max" ? $3 : room)
		print t "description:" $5
		print t "device_api:vfio-pci"
		print t "name:" $4
	}' <<<"$1"
}

types_of() {	# parent
	(cd "$SYS/class/mdev_bus/$1/mdev_supported_types" && grep . -- */{available_instances,description,device_api,name} | sort)
}

@test "types: those of the board and no other, the same on every VF" {
	local v wanted

	wanted=$(table "$A40" 1 | sort)
	for v in "${VF[0]}" "${VF[31]}" "${VF2[16]}"; do
		is "$(types_of "$v")" "$wanted"
	done
	is "$(types_of "$CARD")" "$(table "$T4" max | sort)"
	v=$(cd "$SYS/class/mdev_bus" && grep -H . -- */mdev_supported_types/*/name | grep -v "^$CARD" | sed 's/^[^/]*//' |
		sort | uniq -c | sed 's/^ *//; s/ .*//' | uniq -c)
	# 22 names, each of them 64 times
	is "${v// /}" 2264
	v=class/mdev_bus/${VF[0]}/mdev_supported_types/nvidia-575
	reads $'NVIDIA A40-24A\n' "$v/name"
	reads $'vfio-pci\n' "$v/device_api"
	reads $'1\n' "$v/available_instances"
	is "$(cd "$SYS/$v" && stat -c '%n %a %s %F' -- *)" "available_instances 444 4096 regular file
create 200 4096 regular file
description 444 4096 regular file
device_api 444 4096 regular file
devices 755 0 directory
name 444 4096 regular file"
	is "$(ls "$SYS/$v/devices")" ""
}

@test "a vGPU: its parent's child, with links to type, group, driver and bus, and back" {
	local u=$SYS/bus/mdev/devices/$UUID_A t=$SYS/class/mdev_bus/${VF[3]}/mdev_supported_types link n

	create ok "${VF[3]}" 575 $UUID_A
	[[ $(readlink "$u") == ../../../devices/pci0000:*/"${VF[3]}/$UUID_A" ]]
	[ "$u" -ef "$SYS/$D/${VF[3]}/$UUID_A" ]
	missing "$SYS/$D/${VF[2]}/$UUID_A"
	is "$(ls "$SYS/bus/mdev/devices")" $UUID_A
	is "$(readlink "$u/mdev_type")" ../mdev_supported_types/nvidia-575
	[ "$t/nvidia-575/devices/$UUID_A" -ef "$u" ]
	is "$(ls "$t/nvidia-575/devices" "$t/nvidia-565/devices")" \
		"$t/nvidia-565/devices:"$'\n\n'"$t/nvidia-575/devices:"$'\n'"$UUID_A"
	link=$(readlink "$u/iommu_group")
	[[ $link =~ ^(\.\./)+kernel/iommu_groups/[0-9]+$ ]]
	is "$(ls "$SYS/kernel/iommu_groups/${link##*/}/devices")" $UUID_A
	[ "$u/subsystem" -ef "$SYS/bus/mdev" ]
	link=$(readlink "$u/driver")
	[[ $link =~ ^(\.\./)+bus/mdev/drivers/[^/]+$ ]]
	link=$SYS/bus/mdev/drivers/${link##*/}
	[ "$link/$UUID_A" -ef "$u" ]
	# The mdev bus adds nothing to this.
	reads "DRIVER=${link##*/}"$'\n' "bus/mdev/devices/$UUID_A/uevent"
	is "$(cd "$u" && stat -c '%n %a' remove uevent nvidia nvidia/vgpu_params)" "remove 200
uevent 644
nvidia 755
nvidia/vgpu_params 644"
	n=$(ls "$u/vfio-dev")
	[[ $n =~ ^vfio[0-9]+$ ]]
	[ "$SYS/class/vfio-dev/$n" -ef "$u/vfio-dev/$n" ]
	[ "$u/vfio-dev/$n/device" -ef "$u" ]
	[ "$u/vfio-dev/$n/subsystem" -ef "$SYS/class/vfio-dev" ]
	# No link of them all leads nowhere.
	is "$(find "$SYS/$D/${VF[3]}/" -xtype l)" ""
	[ "$(find "$SYS/$D/${VF[3]}/" -type l | wc -l)" -ge 10 ]
	remove ok $UUID_A
	missing "$link/$UUID_A"
	missing "$t/nvidia-575/devices/$UUID_A"
	missing "$SYS/class/vfio-dev/$n"
	missing "$SYS/$D/${VF[3]}/$UUID_A"
}
