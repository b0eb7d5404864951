#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# NVIDIA's vendor VFIO files on the VFs; the card without SR-IOV stays on mdev.

load helper

setup_file() { have_node vfio; }
teardown_file() { bed_done; }
setup() { words; }
teardown() { clean_slate; }

D=bus/pci/devices

# --- what lies where ------------------------------------------------------------

@test "tree: each VF has nvidia/ and a vfio device, the PF and the card have not" {
	local v n link last=

	for v in "${VF[0]}" "${VF[31]}" "${VF2[0]}"; do
		is "$(cd "$SYS/$D/$v/nvidia" && stat -c '%n %a %s' creatable_vgpu_types current_vgpu_type vgpu_params)" \
			"creatable_vgpu_types 444 4096
current_vgpu_type 644 4096
vgpu_params 644 4096"
		n=$(ls "$SYS/$D/$v/vfio-dev")
		[[ $n =~ ^vfio[0-9]+$ ]]
		[ "$SYS/class/vfio-dev/$n" -ef "$SYS/$D/$v/vfio-dev/$n" ]
		[ "$SYS/$D/$v/vfio-dev/$n/device" -ef "$SYS/$D/$v" ]
		[ "$SYS/$D/$v/vfio-dev/$n/subsystem" -ef "$SYS/class/vfio-dev" ]
		missing "$SYS/$D/$v/mdev_supported_types"
		[ "$SYS/$D/$v/driver" -ef "$SYS/bus/pci/drivers/nvidia" ]
		[ "$SYS/$D/$v/physfn/driver" -ef "$SYS/bus/pci/drivers/nvidia" ]
		link=$(readlink "$SYS/$D/$v/iommu_group")
		[ "$SYS/kernel/iommu_groups/${link##*/}/devices/$v" -ef "$SYS/$D/$v" ]
		[ "$link" != "$last" ]
		last=$link
	done
	reads $'32\n' "$D/$GPU/sriov_numvfs"
	is "$(cat "$SYS/$D"/*/nvidia/current_vgpu_type | sort | uniq -c | sed 's/^ *//')" "64 0"
	for v in "$GPU" "$GPU2" "$CARD"; do
		missing "$SYS/$D/$v/nvidia"
		missing "$SYS/$D/$v/vfio-dev"
	done
}

@test "tree: the mdev bus has the card alone, and a VF's vGPU is no device of its own" {
	local before

	before=$(ls "$SYS/class/vfio-dev")
	becomes ok "${VF[0]}" 575
	is "$(ls "$SYS/class/vfio-dev")" "$before"
	is "$(ls "$SYS/bus/mdev/devices")" ""
	is "$(ls "$SYS/class/mdev_bus")" "$CARD"
	create ok "$CARD" 232 $UUID_A
	is "$(ls "$SYS/bus/mdev/devices")" $UUID_A
	remove ok $UUID_A
}

# --- what is listed ----------------------------------------------------------------

@test "creatable: one line each type, with the names of the table, the same on every VF" {
	creatable "${VF[0]}"
	is "$NAMES" "$(awk -F'|' '{ printf "%-5u : %s\n", $1, $4 }' <<<"$A40")"
	slurp "$D/${VF[0]}/nvidia/creatable_vgpu_types"
	is "${TEXT: -5}" $'-48A\n'
	is "$(cat "$SYS/$D"/*/nvidia/creatable_vgpu_types | sort | uniq -c | grep -cv '^ *64 ' || :)" 0
	writes EACCES 575 "$D/${VF[0]}/nvidia/creatable_vgpu_types"
}

@test "creatable: nothing on a VF that has one, that size on the others, nothing on a full GPU" {
	local all

	ids_of "$A40"
	all=$IDS
	becomes ok "${VF[1]}" 575
	creatable_is "" "${VF[1]}"
	ids_of "$A40" 24576
	creatable_is "$IDS" "${VF[0]}" "${VF[2]}" "${VF[31]}"
	creatable_is "$all" "${VF2[0]}" "${VF2[31]}"
	has_type 575 "${VF[1]}"
	has_type 0 "${VF[0]}"
	becomes ok "${VF[31]}" $'565\n'
	creatable_is "" "${VF[0]}" "${VF[1]}" "${VF[31]}"
	becomes ok "${VF[1]}" 0
	creatable_is "$IDS" "${VF[0]}" "${VF[1]}"
	becomes ok "${VF[31]}" $'0\n'
	has_type 0 "${VF[31]}"
	creatable_is "$all" "${VF[0]}" "${VF[1]}" "${VF[31]}"
}

@test "creatable: max_instance holds over the GPU" {
	local i

	bed_errno count EDQUOT
	for i in {0..11}; do
		becomes ok "${VF[i]}" 560
	done
	creatable_is "" "${VF[0]}" "${VF[12]}" "${VF[31]}"
	becomes EDQUOT "${VF[12]}" 570
	becomes ok "${VF[4]}" 0
	becomes ok "${VF[12]}" 570
	creatable_is "" "${VF[4]}"
}

# --- current_vgpu_type ---------------------------------------------------------------

@test "current: what is no number is EINVAL and changes nothing" {
	local bad

	becomes ok "${VF[0]}" 0
	for bad in x 575x -1 ' 575' '575 ' nvidia-575 "NVIDIA A40-24A" $'575\n\n' $'\n'; do
		becomes EINVAL "${VF[0]}" "$bad"
	done
	has_type 0 "${VF[0]}"
	becomes ok "${VF[0]}" 575
	becomes EINVAL "${VF[0]}" x
	has_type 575 "${VF[0]}"
}

@test "current: each refusal has the driver's errno and changes nothing" {
	bed_errno unknown ENOENT
	bed_errno busy EPERM
	bed_errno size EOPNOTSUPP
	bed_errno count EDQUOT
	becomes ENOENT "${VF[0]}" 999
	becomes ENOENT "${VF[0]}" 232
	becomes ok "${VF[0]}" 575
	becomes EPERM "${VF[0]}" 575
	becomes EPERM "${VF[0]}" 565
	has_type 575 "${VF[0]}"
	becomes EOPNOTSUPP "${VF[1]}" 560
	becomes ok "${VF[1]}" 565
	becomes EDQUOT "${VF[2]}" 575
	has_type 0 "${VF[2]}"
	bed_errno unknown EIO
	becomes EIO "${VF[2]}" 1
}

@test "current: of six at once for one VF exactly one wins" {
	local i pids=()

	bed_errno busy EBUSY
	for i in {1..6}; do
		(put 575 "$D/${VF[0]}/nvidia/current_vgpu_type"
			echo "$RESULT" >"$BATS_TEST_TMPDIR/result$i") 3>&- 4>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	is "$(sort "$BATS_TEST_TMPDIR"/result* | uniq -c | sed 's/^ *//')" $'5 EBUSY\n1 ok'
	has_type 575 "${VF[0]}"
}

# --- held ------------------------------------------------------------------------------

@test "held: 0 is refused with the driver's errno until it is let go" {
	becomes ok "${VF[0]}" 575
	becomes ok "${VF[1]}" 575
	bed_hold "${VF[0]}"
	bed_errno held EBUSY
	becomes EBUSY "${VF[0]}" 0
	bed_errno held EPERM
	becomes EPERM "${VF[0]}" $'0\n'
	has_type 575 "${VF[0]}"
	creatable_is "" "${VF[0]}"
	# The other VFs of the GPU do as they like.
	becomes ok "${VF[1]}" 0
	becomes ok "${VF[2]}" 565
	bed_let_go "${VF[0]}"
	has_type 575 "${VF[0]}"
	becomes ok "${VF[0]}" 0
	has_type 0 "${VF[0]}"
}

@test "selfclean: the driver removes it some time after it is let go" {
	becomes ok "${VF[0]}" 575
	bed_selfclean "${VF[0]}" 200
	bed_hold "${VF[0]}"
	has_type 575 "${VF[0]}"
	bed_let_go "${VF[0]}"
	soon has_type 0 "${VF[0]}"
	ids_of "$A40"
	creatable_is "$IDS" "${VF[0]}"
}

# --- vgpu_params ----------------------------------------------------------------------

@test "vgpu_params: empty at first, replaced as a whole, cleared by a blank, fixed while it is held" {
	local p=$D/${VF[0]}/nvidia/vgpu_params

	becomes ok "${VF[0]}" 575
	reads $'\n' "$p"
	writes ok frame_rate_limiter=0,disable_vnc=1 "$p"
	reads $'frame_rate_limiter=0,disable_vnc=1\n' "$p"
	reads $'\n' "$D/${VF[1]}/nvidia/vgpu_params"
	writes ok $'loglevel=5\n' "$p"
	reads $'loglevel=5\n' "$p"
	bed_errno params EPERM
	bed_hold "${VF[0]}"
	writes EPERM loglevel=6 "$p"
	writes EPERM ' ' "$p"
	reads $'loglevel=5\n' "$p"
	bed_errno params EBUSY
	writes EBUSY loglevel=6 "$p"
	bed_let_go "${VF[0]}"
	writes ok ' ' "$p"
	reads $'\n' "$p"
}

# --- operations and reads -------------------------------------------------------------

@test "ops: reads and writes are counted by attribute" {
	bed_ops_reset
	creatable "${VF[0]}"
	creatable "${VF[1]}"
	ops_are creatable_vgpu_types 2 0
	becomes ok "${VF[0]}" 575
	becomes EINVAL "${VF[0]}" x
	has_type 575 "${VF[0]}"
	ops_are current_vgpu_type 1 2
	writes ok loglevel=5 "$D/${VF[0]}/nvidia/vgpu_params"
	ops_are vgpu_params 0 1
	ls -lR "$SYS/$D/${VF[0]}/" >/dev/null
	ops_are creatable_vgpu_types 2 0
	bed_ops_reset
	ops_are current_vgpu_type 0 0
}

@test "reads: a list in small pieces is one list, one operation, whatever happens meanwhile" {
	local f=$SYS/$D/${VF[0]}/nvidia/creatable_vgpu_types fd first rest

	slurp "$D/${VF[0]}/nvidia/creatable_vgpu_types"
	bed_ops_reset
	exec {fd}<"$f"
	IFS= read -r -N 30 first <&"$fd"
	becomes ok "${VF[0]}" 575
	IFS= read -r -d '' rest <&"$fd" || :
	exec {fd}<&-
	is "$first$rest" "$TEXT"
	ops_are creatable_vgpu_types 1 0
	is "$(dd if="$f" bs=5 status=none | tail -n 1)" "$(tail -n 1 "$f")"
}
