#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# How a vGPU is to reach QEMU, checked at every start; and what the wrapper is
# told in the run state.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

SMBIOS=6f2a1d0e-0000-4000-8000-00000000cafe

# mode VMID MODE [LINE…]: a section with hostpci0 = A40-24A
mode() {
	printf '%s\n' "[vm $1]" 'hostpci0 = A40-24A' "mode = $2" "${@:3}" >> "$ROOT/etc/pve/pve-vgpu.conf"
}

# wrapper_here: the package pve-vgpu-qemu-wrapper is installed on this node
wrapper_here() {
	mkdir -p "$ROOT/usr/bin" "$ROOT/usr/lib/pve-vgpu"
	echo wrapper > "$ROOT/usr/lib/pve-vgpu/qemu-wrapper"
	echo qemu > "$ROOT/usr/bin/qemu-system-x86_64"
	ln -sfn qemu-system-x86_64 "$ROOT/usr/bin/kvm.distrib"
	ln -sfn ../lib/pve-vgpu/qemu-wrapper "$ROOT/usr/bin/kvm"
}

# devices VMID: the run state's devices and what goes with them, in short
devices() {
	state "$1" '[.devices // [] | .[] | [.index, .add, .pcie, .x_vga, .display, .ramfb, .params] | map(tostring) | join(" ")] | join("; ")'
}

# --- native and args against the config ----------------------------------------------

@test "native: with an address the hook makes it there, and the record says the mode" {
	node a40x8-mdev
	mode 100 native
	at 100 $VF2
	run hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100)")" $VF2
	assert_equal "$(state 100 '.vgpus[0].mode, .devices, .uuid' | paste -sd' ')" "native null null"
}

@test "native: without a hostpci line, and with args instead, the start is refused with the command" {
	node a40x8-mdev
	mode 100 native
	vm 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: mode = native, and the VM's config has neither hostpci0 nor its UUID in args"
	assert_output "hint: pve-vgpu set 100 A40-24A --mode native writes the config for that mode"
	with_args 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "mode = native, and the VM's config has its UUID in args"
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "args: as the config has it; a hostpci line, and nothing at all, are refused" {
	node a40x8-mdev
	mode 100 args
	with_args 100
	run hook 100 pre-start
	assert_success
	assert_equal "$(state 100 '.vgpus[0].mode, .attached' | paste -sd' ')" "args true"
	hook 100 post-stop
	at 100 $VF1
	run hook 100 pre-start
	assert_failure 1
	assert_output "mode = args, and the VM's config has hostpci0: '$VF1,mdev=nvidia-575'"
	vm 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "mode = args, and the VM's config has neither hostpci0 nor its UUID in args"
	assert_output "hint: pve-vgpu set 100 A40-24A --mode args"
	assert_equal "$(mdevs)" ""
}

@test "args: on a node with vendor VFIO the refusal names the difference, and what works" {
	local m

	node a40x8-vfio
	for m in 'mode = args' ''; do
		settings '[vm 100]' 'hostpci0 = A40-24A, A40-12A' ${m:+"$m"}
		with_args 100
		run hook 100 pre-start
		assert_failure 1
		assert_output "vm 100: pre-start: hostpci0: args attach it by its mdev, and this node has A40-24A on NVIDIA's vendor VFIO, where there are no mdevs"
		assert_output "hint: pve-vgpu set 100 A40-24A,A40-12A --mode native, or --mode wrapper with pve-vgpu-qemu-wrapper on this node"
		assert_equal "$(vendor_vgpus)" ""
		assert_no_state 100
	done
}

@test "args: on a node with both frameworks the mdev GPUs alone are places" {
	node_json <<< '{"gpus": [{"bdf": "0000:67:00.0", "framework": "nvidia-vfio", "totalvfs": 4}, {"bdf": "0000:68:00.0", "totalvfs": 4}]}'
	mode 100 args
	with_args 100
	run pve_vgpu plan 100
	assert_success
	assert_output "A40-24A on 0000:67:00.0: is on vendor VFIO, and args attach mdevs alone"
	run hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100)")" 0000:68:00.4
	assert_equal "$(vendor_vgpus)" ""
}

@test "twice: hostpci0 and args for the same vGPU are refused in every mode" {
	local m

	node a40x8-mdev
	for m in '' 'mode = native' 'mode = args'; do
		settings '[vm 100]' 'hostpci0 = A40-24A' ${m:+"$m"}
		with_args 100 "hostpci0: $VF1,mdev=nvidia-575"
		run hook 100 pre-start
		assert_failure 1
		assert_output "the VM's config attaches it twice: hostpci0, and its UUID in args"
		assert_output "hint: pve-vgpu set 100 A40-24A leaves one of them"
	done
	assert_equal "$(mdevs)" ""
}

@test "the command is for the index that it is about, and its types are one word" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci3 = NVIDIA A40-24A, A40-12A' 'mode = native'
	vm 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "hint: pve-vgpu set 100 'NVIDIA A40-24A,A40-12A' --index 3 --mode native"
}

@test "settings that a mode cannot give are said, and the start goes on" {
	node a40x8-mdev
	mode 100 native 'display = on' 'ramfb = yes' 'x-vga = yes'
	at 100 $VF1
	run hook 100 pre-start
	assert_success
	assert_output "vm 100 pre-start: hostpci0: 'display' has no effect: qemu-server attaches the vGPU and does not give it"
	assert_output "hostpci0: 'ramfb' has no effect"
	assert_output "hostpci0: 'x-vga' has no effect: the VM's own hostpci line does not say x-vga=1"
	hook 100 post-stop
	vm 100 "hostpci0: $VF1,mdev=nvidia-575,x-vga=1"
	run hook 100 pre-start
	assert_success
	refute_output "'x-vga'"
	hook 100 post-stop
	settings
	mode 100 args 'x-vga = hostpci0'
	with_args 100
	run hook 100 pre-start
	assert_success
	assert_output "hostpci0: 'x-vga' has no effect: args cannot give it"
}

# --- wrapper -------------------------------------------------------------------------

@test "wrapper: without the wrapper on this node the start is refused, and the package named" {
	node a40x8-mdev
	mode 100 wrapper
	vm 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "vm 100: pre-start: hostpci0: mode = wrapper, and on this node the wrapper does not stand at /usr/bin/kvm"
	assert_output "hint: apt install pve-vgpu-qemu-wrapper on this node; or pve-vgpu set 100 A40-24A --mode auto, which takes a mode that works here"
	# the package is there and its diversion is not
	wrapper_here
	ln -sfn qemu-system-x86_64 "$ROOT/usr/bin/kvm"
	run hook 100 pre-start
	assert_failure 1
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "wrapper: the run state tells the device, -uuid and the mode, and post-start sees that QEMU has it" {
	node a40x8-mdev
	short_waits
	wrapper_here
	mode 100 wrapper
	vm 100
	run hook 100 pre-start
	assert_success
	refute_output 'nothing in the VM'
	assert_equal "$(parent_of "$(uuid 100)")" $VF1
	assert_equal "$(devices 100)" "0 true false false null false null"
	assert_equal "$(state 100 '.uuid, .no_vga, .attached, .vgpus[0].mode' | paste -sd' ')" "$(uuid 100) false true wrapper"
	qemu 100 "$(uuid 100)"
	run hook 100 post-start
	assert_success
	assert_equal "$output" ""
	qemu_gone 100
	run hook 100 post-stop
	assert_success
	assert_equal "$output" ""
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "wrapper: post-start says so where QEMU has not been given the device" {
	node a40x8-mdev
	wrapper_here
	mode 100 wrapper
	vm 100
	hook 100 pre-start
	qemu 100
	run hook 100 post-start
	assert_failure 1
	assert_output "vm 100: post-start: hostpci0: QEMU (pid 400100) does not hold the VM's A40-24A on $VF1"
	assert_output "hint: the wrapper was to add it: /usr/bin/kvm is to be that of pve-vgpu-qemu-wrapper"
}

@test "wrapper: pcie, x-vga, display and ramfb are the intent's; no_vga where the config has no vga" {
	node a40x8-mdev
	wrapper_here
	mode 100 wrapper 'pcie = yes' 'x-vga = hostpci4' 'display = on' 'ramfb = yes' 'hostpci4 = A40-24A'
	vm 100 'machine: pc-q35-8.1'
	run hook 100 pre-start
	assert_success
	assert_equal "$(devices 100)" "0 true true false on true null; 4 true true true on true null"
	assert_equal "$(state 100 .no_vga)" true
	vm 100 'machine: q35,viommu=intel' 'vga: std'
	run hook 100 pre-start
	assert_success
	assert_equal "$(state 100 .no_vga)" false
	vm 100 'machine: pc-i440fx-8.1'
	run hook 100 pre-start
	assert_failure 1
	assert_output "hostpci0: pcie = yes, and the VM's machine is no q35"
	assert_output "hint: qm set 100 --machine q35"
}

@test "wrapper: -uuid is the SMBIOS uuid, else that of the first NVIDIA hostpci or intent" {
	node a40x8-mdev
	wrapper_here
	settings '[vm 100]' 'hostpci2 = A40-24A' 'hostpci10 = A40-24A' 'mode = wrapper'
	vm 100
	hook 100 pre-start
	assert_equal "$(state 100 .uuid)" "$(uuid 100 10)"
	vm 100 "hostpci1: $VF5,mdev=nvidia-575"
	hook 100 pre-start
	assert_equal "$(state 100 .uuid)" "$(uuid 100 1)"
	vm 100 "smbios1: uuid=$SMBIOS,serial=YQ=="
	hook 100 pre-start
	assert_equal "$(state 100 .uuid)" $SMBIOS
}

@test "wrapper: Intel's vGPU needs no -uuid" {
	node gvtg
	wrapper_here
	settings '[vm 100]' 'hostpci0 = i915-GVTg_V5_4' 'mode = wrapper'
	vm 100 "smbios1: uuid=$SMBIOS"
	run hook 100 pre-start
	assert_success
	assert_equal "$(devices 100)" "0 true false false null false null"
	assert_equal "$(state 100 .uuid)" null
}

@test "wrapper: on vendor VFIO the device is by its VF" {
	node a40x8-vfio
	short_waits
	wrapper_here
	mode 100 wrapper 'params = frame_rate_limiter=0'
	vm 100
	run hook 100 pre-start
	assert_success
	assert_equal "$(vendor_vgpus)" "$VF1 575"
	assert_equal "$(devices 100)" "0 true false false null false null"
	assert_equal "$(state 100 '.vgpus[0].parent, .uuid' | paste -sd' ')" "$VF1 $(uuid 100)"
	assert_equal "$(cat "$SYS/bus/pci/devices/$VF1/nvidia/vgpu_params")" frame_rate_limiter=0
	hook 100 post-stop
	assert_equal "$(vendor_vgpus)" ""
	assert_no_state 100
}

@test "wrapper: what the config attaches by itself would be there twice, and is refused" {
	node a40x8-mdev
	wrapper_here
	mode 100 wrapper
	with_args 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "mode = wrapper, and the VM's config has its UUID in args: it would be attached twice"
	assert_output "hint: pve-vgpu set 100 A40-24A --mode wrapper"
	at 100 $VF1
	run hook 100 pre-start
	assert_failure 1
	assert_output "mode = wrapper, and the VM's config has hostpci0: '$VF1,mdev=nvidia-575': it would be attached twice"
	assert_equal "$(mdevs)" ""
}

# --- what is left after --------------------------------------------------------------

@test "left: a start that fails leaves neither vGPU nor device on record" {
	node a40x8-mdev
	settings '[defaults]' 'lock-wait = 1'
	wrapper_here
	mode 100 wrapper 'params = no_such=1'
	vm 100
	fault write '*/vgpu_params' EINVAL 99
	run hook 100 pre-start
	assert_failure 1
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "left: between two places that are tried the record is sound for whoever reads it" {
	node a40x8-mdev
	wrapper_here
	mode 100 wrapper
	vm 100
	fault write '*/create' EIO 1
	run hook 100 pre-start
	assert_success
	assert_output 'trying the next place'
	assert_equal "$(devices 100)" "0 true false false null false null"
	run pve_vgpu list
	assert_success
	refute_output damaged
}

@test "left: a start that fails leaves nothing for the wrapper to do, whatever stays on record" {
	node a40x8-mdev
	wrapper_here
	mode 100 wrapper 'params = frame_rate_limiter=0'
	vm 100
	hook 100 pre-start
	[ -n "$(devices 100)" ]
	fault write '*/vgpu_params' EINVAL
	run hook 100 pre-start
	assert_failure 1
	assert_equal "$(state 100 '.vgpus | length')" 1
	assert_equal "$(devices 100)" ""
}

@test "left: gc takes a dead VM's record with its devices" {
	node a40x8-mdev
	wrapper_here
	mode 100 wrapper
	vm 100
	hook 100 pre-start
	age 100 400
	run pve_vgpu gc
	assert_success
	assert_output "vm 100: A40-24A on $VF1: removed"
	assert_no_state 100
	assert_equal "$(mdevs)" ""
}

@test "left: without an intent a start forgets what the wrapper was to do, and no more" {
	node a40x8-mdev
	wrapper_here
	mode 100 wrapper
	vm 100
	hook 100 pre-start
	settings
	run hook 100 pre-start
	assert_success
	assert_equal "$output" ""
	assert_equal "$(state 100 '.devices, .uuid, (.vgpus | length)' | paste -sd' ')" "null null 1"
}

@test "left: the mode changed from wrapper to native takes the device off the record" {
	node a40x8-mdev
	wrapper_here
	mode 100 wrapper
	vm 100
	hook 100 pre-start
	settings
	mode 100 native
	at 100 $VF1
	run hook 100 pre-start
	assert_success
	assert_equal "$(state 100 '.devices, .vgpus[0].mode' | paste -sd' ')" "null native"
}

# --- mappings ------------------------------------------------------------------------

# map_entry VF: as PVE's own entry of it is
map_entry() {
	local dir=$SYS/bus/pci/devices/$1 id sub=''

	id=$(cut -c3- "$dir/vendor"):$(cut -c3- "$dir/device")
	[ ! -e "$dir/subsystem_vendor" ] ||
		sub=,subsystem-id=$(cut -c3- "$dir/subsystem_vendor"):$(cut -c3- "$dir/subsystem_device")
	printf '\tmap id=%s,iommugroup=%s,node=%s,path=%s%s\n' "$id" \
		"$(basename "$(readlink "$dir/iommu_group")")" "${2:-here}" "$1" "$sub"
}

# mapping ID VF…: the file, with that one mapping; this node is "here"
mapping() {
	local vf

	mkdir -p "$ROOT/etc/pve/mapping" "$ROOT/etc/pve/nodes/here"
	ln -sfn nodes/here "$ROOT/etc/pve/local"
	{
		echo "$1"
		for vf in "${@:2}"; do
			map_entry "$vf"
		done
		printf '\tmdev 1\n'
	} > "$ROOT/etc/pve/mapping/pci.cfg"
}

# mapped VMID [TYPE] [LINE…]
mapped() {
	vm "$1" "hostpci0: mapping=a40,mdev=${2:-nvidia-575}" "${@:3}"
}

@test "mapping: without params and placement it is qemu-server's, and nothing is on record" {
	node a40x8-mdev
	mapping a40 $VF2 $VF3
	mode 100 native
	mapped 100
	run hook 100 pre-start
	assert_success
	assert_output "hostpci0: left to qemu-server, which picks the device from mapping 'a40'"
	refute_output 'no effect'
	assert_equal "$(mdevs)" ""
	assert_no_state 100
	for phase in post-start pre-stop post-stop; do
		run hook 100 $phase
		assert_success
		assert_equal "$output" ""
	done
}

@test "mapping: with params, placement or gpu the hook makes it, on a parent of the mapping" {
	local line

	node a40x8-mdev
	short_waits
	mapping a40 $VF2 $VF4 $VF5
	for line in 'params = frame_rate_limiter=0' 'placement = spread' "gpu = $PF1"; do
		short_waits
		mode 100 native "$line"
		mapped 100
		run hook 100 pre-start
		assert_success
		refute_output 'left to qemu-server'
		assert_equal "$(parent_of "$(uuid 100)")" $VF2
		assert_equal "$(state 100 '.vgpus[0].mode, .attached, .devices' | paste -sd' ')" "native true null"
		run hook 100 post-stop
		assert_success
		assert_no_state 100
	done
	short_waits
	mode 100 native "gpu = $PF2"
	hook 100 pre-start
	assert_equal "$(parent_of "$(uuid 100)")" $VF4
}

@test "mapping: of two that overlap the smaller one is served, whichever index has it" {
	local small

	for small in 0 1; do
		ROOT=$BATS_TEST_TMPDIR/$small
		node a40x8-mdev
		mapping a40 $VF1 $VF2
		mv "$ROOT/etc/pve/mapping/pci.cfg" "$ROOT/large"
		mapping one $VF1
		{ echo; cat "$ROOT/large"; } >> "$ROOT/etc/pve/mapping/pci.cfg"
		settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-24A' 'placement = first'
		vm 100 "hostpci$small: mapping=one,mdev=nvidia-575" "hostpci$((1 - small)): mapping=a40,mdev=nvidia-575"
		run hook 100 pre-start
		assert_success
		assert_equal "$(parent_of "$(uuid 100 $small)")" $VF1
		assert_equal "$(parent_of "$(uuid 100 $((1 - small)))")" $VF2
	done
}

@test "mapping: where its parents are taken the refusal says so, and no other is touched" {
	node a40x8-mdev
	mapping a40 $VF2
	settings '[defaults]' 'placement = first' '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'hostpci0 = A40-24A'
	mapped 100
	mapped 101
	hook 100 pre-start
	run hook 101 pre-start
	assert_failure 1
	assert_output 'none of its VFs that are in the mapping is free'
	assert_output "A40-24A on $PF2"
	assert_output 'none of its VFs is in the mapping'
	assert_equal "$(mdevs)" "$(uuid 100)"
}

@test "mapping: one that does not serve this node is refused before qemu-server sees it" {
	node a40x8-mdev
	mapping a40 $VF1
	settings '[vm 100]' 'hostpci0 = A40-24A'
	vm 100 'hostpci0: mapping=gone,mdev=nvidia-575'
	run hook 100 pre-start
	assert_failure 1
	assert_output "hostpci0: the VM's config names mapping 'gone', which is not in /etc/pve/mapping/pci.cfg"
	assert_output "hint: qemu-server would refuse the start: mend the mapping (Datacenter, Resource Mappings), or pve-vgpu set 100 A40-24A"
	mapped 100
	sed -i 's/node=here/node=there/' "$ROOT/etc/pve/mapping/pci.cfg"
	run hook 100 pre-start
	assert_failure 1
	assert_output "mapping 'a40': no entry for node 'here'"
	mapping a40 $VF1 $VF2
	sed -i "/$VF2/s/iommugroup=[0-9]*/iommugroup=999/" "$ROOT/etc/pve/mapping/pci.cfg"
	run hook 100 pre-start
	assert_failure 1
	assert_output 'the entry has iommugroup=999, and the device '
}

@test "mapping: its GPUs must offer the type, under the name that mdev= says here" {
	node two-boards
	local other vf

	other=$(pve_vgpu types --json | jq -r '[.[] | .name] | .[0]')
	vf=$(pve_vgpu types --json | jq -r --arg n "$other" '[.[] | select(.name == $n)][0].gpu')
	vf=$(basename "$(readlink "$SYS/bus/pci/devices/$vf/virtfn0")")
	mapping a40 "$vf"
	# another driver's id in the config
	settings '[vm 100]' "hostpci0 = $other"
	mapped 100 nvidia-9999
	run hook 100 pre-start
	assert_failure 1
	assert_output "the VM's config has mdev='nvidia-9999', and on this node the intent '$other' is mdev="
	assert_output 'hint: pve-vgpu reconcile writes what this node has'
}

@test "mapping: of a GPU that has other types is refused" {
	node two-boards
	local types first last vf

	types=$(pve_vgpu types --json)
	first=$(jq -r '.[0].gpu' <<< "$types")
	last=$(jq -r --arg g "$first" '[.[] | select(.gpu != $g)][0].name' <<< "$types")
	vf=$(basename "$(readlink "$SYS/bus/pci/devices/$first/virtfn0")")
	mapping a40 "$vf"
	settings '[vm 100]' "hostpci0 = $last"
	mapped 100 "$(jq -r --arg n "$last" '[.[] | select(.name == $n)][0].type' <<< "$types")"
	run hook 100 pre-start
	assert_failure 1
	assert_output "mapping 'a40' has no device on this node that offers $last"
	assert_output "hint: pve-vgpu set 100 $last gives the VM a mapping that has"
}

@test "mapping: on vendor VFIO params are the wrapper's to write, and refused without it" {
	node a40x8-vfio
	mapping a40 $VF1 $VF2
	mode 100 native 'params = frame_rate_limiter=0' 'placement = pack'
	mapped 100
	run hook 100 pre-start
	assert_failure 1
	assert_output "hostpci0: qemu-server makes the vGPU itself, from mapping 'a40' (vendor VFIO), and nobody would write its params"
	assert_output "hint: apt install pve-vgpu-qemu-wrapper on this node"
	assert_no_state 100
	wrapper_here
	run hook 100 pre-start
	assert_success
	assert_output "left to qemu-server, which picks the device from mapping 'a40'; the wrapper writes its params; 'placement' and 'gpu' have no effect there"
	assert_equal "$(vendor_vgpus)" ""
	assert_equal "$(devices 100)" "0 false false false null false frame_rate_limiter=0"
	assert_equal "$(state 100 '.uuid, (.vgpus | length)' | paste -sd' ')" "null 0"
}

@test "mapping: a record of devices alone goes at post-stop, and with gc" {
	node a40x8-vfio
	short_waits
	mapping a40 $VF1
	wrapper_here
	mode 100 native 'params = a=1'
	mapped 100
	hook 100 pre-start
	qemu 100
	run hook 100 post-start
	assert_success
	assert_equal "$(state 100 .phase)" running
	# one that comes late finds the VM running
	run hook 100 post-stop
	assert_success
	assert_equal "$(devices 100)" "0 false false false null false a=1"
	qemu_gone 100
	run hook 100 post-stop
	assert_success
	assert_equal "$output" ""
	assert_no_state 100
	hook 100 pre-start
	run pve_vgpu gc
	assert_success
	assert_output 'vm 100: params for what qemu-server makes: kept: its start began'
	age 100 400
	run pve_vgpu gc
	assert_success
	assert_output 'vm 100: params for what qemu-server makes: removed'
	assert_no_state 100
}

# --- for those who look --------------------------------------------------------------

@test "plan and list: show the mode" {
	local m

	node a40x8-mdev
	wrapper_here
	settings '[vm 100]' 'hostpci0 = A40-24A' 'mode = native' '[vm 101]' 'hostpci1 = A40-24A' 'mode = args' \
		'[vm 102]' 'hostpci0 = A40-24A' 'mode = wrapper' '[vm 103]' 'hostpci0 = A40-24A'
	at 100 "$VF1"
	vm 101 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 101 1)"
	vm 102
	vm 103
	for m in '100 0 native' '101 1 args' '102 0 wrapper'; do
		# shellcheck disable=SC2086
		set -- $m
		run pve_vgpu plan "$1"
		assert_success
		assert_output "hostpci$2: A40-24A, mode $3"
		assert_equal "$(pve_vgpu plan "$1" --json | jq -r '.[0] | .mode, .mapping' | paste -sd' ')" "$3 null"
	done
	assert_equal "$(pve_vgpu plan 103 --json | jq -r '.[0].mode')" null
	for m in 100 101 102 103; do
		hook "$m" pre-start 2> /dev/null
	done
	assert_equal "$(pve_vgpu list --json | jq -r 'sort_by(.vmid) | .[].mode' | paste -sd' ')" 'native args wrapper null'
	run pve_vgpu list
	assert_success
	assert_output $'vm 102\tidle\twrapper'
	assert_output $'vm 103\tidle\t-'
	run on_tty "$PVE_VGPU" --root "$ROOT" list
	assert_output 'vm 102     idle     wrapper  00000000'
}

@test "plan: what is left to qemu-server is named with its mapping" {
	node a40x8-vfio
	mapping a40 "$VF1"
	mode 100 native
	mapped 100
	run pve_vgpu plan 100
	assert_success
	assert_output "left to qemu-server, which picks the device from mapping 'a40'"
	assert_equal "$(pve_vgpu plan 100 --json 2> /dev/null | jq -c '.[0]')" \
		'{"index":0,"mode":"native","mapping":"a40","has":null,"candidates":[],"out":[]}'
}
