#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Where a vGPU goes: several sizes on one GPU, NUMA distance, boards, unlike GPUs.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034,SC2030,SC2031

load hook_helper

# --- several sizes on one GPU ---------------------------------------------------

GPU=0000:e8:00.0

# mixed FRAMEWORK YES-OR-NO [INTENT…]: one A40; vm 100 on has what each INTENT says, A40-24A the first
mixed() {
	local framework=$1 mode=$2 vmid=100 type

	shift 2
	a40 "\"framework\": \"$framework\", \"mixed_size\": $mode"
	short_waits
	for type in A40-24A "$@"; do
		intent $vmid "$type"
		vm $vmid
		vmid=$((vmid + 1))
	done
	hook 100 pre-start 2> /dev/null
}

# on_both COMMAND…: with each framework
on_both() {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f.$1
		echo "# $f"
		"$@" $f
	done
}

takes_any_size() {
	mixed "$1" true A40-8Q A40-4Q A40-12Q A40-8Q
	run hook 101 pre-start
	assert_success
	assert_output "vm 101: hostpci0: A40-8Q"
	refute_output 'next place'
	run hook 102 pre-start
	assert_success
	run hook 103 pre-start
	assert_success
	run -1 hook 104 pre-start
	assert_output "A40-8Q on $GPU: full: 49152 of 49152 MiB (vm 100, vm 101, vm 102, vm 103)"
}

@test "mixed sizes: a GPU in that mode takes any size as long as there is memory" {
	on_both takes_any_size
}

equal_sizes() {
	mixed "$1" false A40-8Q
	run -1 hook 101 pre-start
	assert_output "A40-8Q on $GPU: holds A40-24A of 24576 MiB, and A40-8Q has 8192 MiB: the vGPUs on one GPU are of equal size"
	refute_output 'unless'
	refute_output 'next place'
	assert_output "hint: stop a VM or choose another type; \`pve-vgpu types\` shows what fits, \`pve-vgpu plan 101\` why; for several sizes on one GPU: \`nvidia-smi vgpu -i $GPU -shm 1\` once its SR-IOV is enabled, before its first vGPU"
	assert_no_state 101
	assert_equal "$(pve_vgpu list | wc -l)" 1
}

@test "mixed sizes: a GPU that is not in that mode takes one size, and the hint tells how to change that" {
	on_both equal_sizes
}

one_question() {
	local bare

	mixed "$1" "$2" A40-8Q A40-8Q
	ops_reset
	run hook 101 pre-start
	[ "$(ops)" -le "$3" ] || { cat "$SYS/.sim/ops"; return 1; }
	ops_reset
	run hook 102 pre-start
	# With two sizes there, nothing is in doubt.
	[ "$(ops)" -le "$4" ] || { cat "$SYS/.sim/ops"; return 1; }
}

@test "mixed sizes: one attribute is read to find out, and none once two sizes are there" {
	ROOT=$BATS_TEST_TMPDIR/1 one_question mdev true 3 2
	ROOT=$BATS_TEST_TMPDIR/2 one_question mdev false 1 1
	# Vendor VFIO: the list twice, and current_vgpu_type written and read
	ROOT=$BATS_TEST_TMPDIR/3 one_question nvidia-vfio true 4 3
	ROOT=$BATS_TEST_TMPDIR/4 one_question nvidia-vfio false 1 1
}

# params LINE…: the parameters that the driver was loaded with
params() {
	mkdir -p "$ROOT/proc/driver/nvidia"
	printf '%s\n' 'ModifyDeviceFiles: 1' "$@" 'RmMsg: ""' > "$ROOT/proc/driver/nvidia/params"
}

FIXED='its scheduler is fixed share (RmPVMRL=0x11 in'

@test "mixed sizes: fixed share is named where sizes are what keeps a type out" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		mixed $f false A40-8Q
		params 'RegistryDwords: "RmPVMRL=0x01"' "RegistryDwordsPerDevice: \"pci=$GPU;RmPVMRL=0x11\""
		run -1 hook 101 pre-start
		assert_output "hint: stop a VM or choose another type; \`pve-vgpu types\` shows what fits, \`pve-vgpu plan 101\` why; no several sizes on GPU $GPU: $FIXED NVreg_RegistryDwordsPerDevice), and mixed sizes take best effort or equal share"
		refute_output '-shm 1'
		run -1 pve_vgpu plan 101
		assert_output "vm 101: GPU $GPU: $FIXED"
		run -1 pve_vgpu create A40-8Q
		assert_output "GPU $GPU: $FIXED"
		run -0 pve_vgpu types
		refute_output "$FIXED"
		params 'RegistryDwords: "RmPVMRL=0x01"'
		run -1 hook 101 pre-start
		assert_output '-shm 1'
		refute_output 'fixed share'
	done
}

@test "mixed sizes: types remarks a GPU in that mode with fixed share" {
	local f v

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		mixed $f true
		params 'RegistryDwords: "RmPVMRL=0x11"'
		run -0 pve_vgpu types
		assert_output "GPU $GPU: is in mixed-size mode: $FIXED NVreg_RegistryDwords)"
		intent 101 A40-8Q,A40-24A
		intent 102 A40-8Q
		intent 103 A40-8Q
		for v in 101 102 103; do
			vm $v
			run -0 hook $v pre-start
		done
		# full of two sizes
		run -0 pve_vgpu types
		assert_output "GPU $GPU: is in mixed-size mode: $FIXED"
		params 'RegistryDwords: ""'
		run -0 pve_vgpu types
		refute_output 'fixed share'
	done
}

@test "mixed sizes: the mode is not suggested for a GPU without SR-IOV" {
	node t4x2
	pve_vgpu create T4-2Q --gpu 0000:3b:00.0
	pve_vgpu create T4-2Q --gpu 0000:86:00.0
	run -1 pve_vgpu create T4-4Q
	assert_output 'are of equal size'
	refute_output '-shm'
}

@test "mixed sizes: what cannot fit by memory is not asked for" {
	mixed mdev true A40-48Q
	ops_reset
	run -1 hook 101 pre-start
	assert_output 'are of equal size'
	assert_equal "$(ops)" 0
}

@test "mixed sizes: plan asks the driver once, and shows what a start does" {
	mixed mdev true A40-8Q
	ops_reset
	run -0 pve_vgpu plan 101
	assert_output "1. A40-8Q (nvidia-562) on 0000:e8:00.5, GPU $GPU, room for 3"
	assert_equal "$(ops)" 1
	# Where two sizes are there, the mode is known.
	hook 101 pre-start
	intent 102 A40-8Q
	vm 102
	ops_reset
	run pve_vgpu plan 102
	assert_success
	assert_output "1. A40-8Q (nvidia-562) on 0000:e8:00.6, GPU $GPU, room for 2"
	assert_equal "$(ops)" 0
}

@test "mixed sizes: plan shows a GPU with equal sizes as out, after one question" {
	mixed mdev false A40-8Q
	ops_reset
	run -1 pve_vgpu plan 101
	assert_output "out: A40-8Q on $GPU: holds A40-24A of 24576 MiB, and A40-8Q has 8192 MiB: the vGPUs on one GPU are of equal size"
	refute_output 'unless'
	assert_equal "$(ops)" 1
}

@test "mixed sizes: max_instance does not count once there are several sizes" {
	# A40-24Q: 2 a GPU, and two other vGPUs are there
	mixed mdev true A40-4Q A40-16Q
	hook 101 pre-start
	run hook 102 pre-start
	assert_success
}

@test "mixed sizes: certain GPUs first, then those in doubt, then the second choice" {
	node_json <<< '{"gpus":[{"bdf":"0000:17:00.0","mixed_size":true},{"bdf":"0000:65:00.0"},{"bdf":"0000:e8:00.0","mixed_size":true}]}'
	short_waits
	intent 100 A40-24A
	intent 101 A40-8Q
	intent 102 A40-8Q,A40-24A
	intent 103 A40-48Q,A40-16Q
	for v in 100 101 102 103; do vm $v; done
	hook 100 pre-start
	ops_reset
	hook 101 pre-start
	assert_equal "$(parent_of "$(uuid 101)") $(ops)" "0000:65:00.4 2"
	# e8 out: the doubtful GPU 17 comes before the second choice
	make 11111111-aaaa-4bbb-8ccc-000000000001 0000:e8:00.4 nvidia-566
	for vf in 00.5 00.6 00.7 01.0 01.1; do
		make 11111111-aaaa-4bbb-8ccc-00000000${vf/./0} "0000:65:$vf" nvidia-562
	done
	run hook 102 pre-start
	assert_success
	assert_output 'A40-8Q (nvidia-562) on 0000:17:00.5'
	# no place for the first choice at all
	run hook 103 pre-start
	assert_success
	assert_output 'A40-16Q (nvidia-564) on 0000:17:00.6'
}

@test "mixed sizes: each GPU in doubt is asked once" {
	node_json <<< '{"gpus":[{"bdf":"0000:17:00.0"},{"bdf":"0000:65:00.0"},{"bdf":"0000:e8:00.0"}]}'
	short_waits
	intent 100 A40-24A
	vm 100
	make 11111111-aaaa-4bbb-8ccc-000000000001 0000:17:00.4 nvidia-562
	make 11111111-aaaa-4bbb-8ccc-000000000002 0000:65:00.4 nvidia-562
	make 11111111-aaaa-4bbb-8ccc-000000000003 0000:e8:00.4 nvidia-562
	pve_vgpu types > /dev/null
	ops_reset
	run -1 hook 100 pre-start
	# one attribute for each GPU in doubt
	assert_equal "$(ops)" 3
}

@test "mixed sizes: the driver says yes and then no: the start ends, with nothing left" {
	mixed mdev true A40-8Q
	fault write '*/create' EIO 40
	run -1 hook 101 pre-start
	assert_output 'Input/output error'
	assert_no_state 101
	assert_equal "$(mdevs)" "$(uuid 100)"
}

@test "mixed sizes: a question that cannot be answered is the reason" {
	mixed mdev true A40-8Q
	fault read '*/available_instances' EIO 40
	run -1 hook 101 pre-start
	assert_output 'Input/output error'
	assert_no_state 101
}

@test "mixed sizes: two sizes of one VM, where the GPU can and where it cannot" {
	a40 '"mixed_size": true'
	settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-8Q'
	vm 100
	run hook 100 pre-start
	assert_success
	assert_equal "$(mdevs | wc -l)" 2
	ROOT=$BATS_TEST_TMPDIR/no
	a40
	settings '[defaults]' 'lock-wait = 3' '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-8Q'
	vm 100
	run -1 hook 100 pre-start
	assert_output 'no GPU of this node has room'
	assert_equal "$(mdevs)" ''
	assert_no_state 100
}

rush() {
	local v

	a40 "\"framework\": \"$1\", \"mixed_size\": $2"
	settings '[defaults]' 'lock-wait = 20'
	for v in {100..111}; do
		intent "$v" "$([ $((v % 2)) = 1 ] && echo A40-24A || echo A40-8Q)"
		vm "$v"
	done
	pve_vgpu types > /dev/null
	for v in {100..111}; do
		in_background "$v" pre-start
	done
	for v in $PIDS; do
		wait "$v" || true
	done
	PIDS=
}

equal_rush() {
	local sizes

	rush "$1" false
	sizes=$(pve_vgpu list --json | jq -r '.[].name' | sort | uniq -c | tr -s ' ')
	[ "$sizes" = ' 2 A40-24A' ] || [ "$sizes" = ' 6 A40-8Q' ] || { echo "$sizes"; return 1; }
	assert_equal "$(find "$ROOT/run/pve-vgpu" -maxdepth 1 -name "*.json" | wc -l)" "$(pve_vgpu list --json | jq length)"
}

@test "mixed sizes: twelve VMs of two sizes at once fill a GPU with one of them" {
	on_both equal_rush
}

mixed_rush() {
	local used

	rush "$1" true
	used=$(pve_vgpu list --json | jq '[.[].framebuffer_mib] | add')
	assert_equal "$used" 49152
}

@test "mixed sizes: twelve VMs of two sizes at once fill a GPU that takes both" {
	on_both mixed_rush
}

# --- NUMA ----------------------------------------------------------------------------

# The node has NUMA node 0 with CPUs 0 to 15 and four A40, node 1 with 16 to 31 and four.
ON_NODE0=$PF1
ON_NODE1=0000:e5:00.0

# pinned VMID AFFINITY [SETTING…]: the GPU that a start chooses
pinned() {
	local vmid=$1 affinity=$2

	shift 2
	settings '[defaults]' "$@" "[vm $vmid]" 'hostpci0 = A40-24A'
	vm "$vmid" "affinity: $affinity"
	hook "$vmid" pre-start 2> /dev/null | sed 's/.*GPU \([^,]*\).*/\1/'
}

cpus() {
	cat "$SYS/devices/system/node/node$1/cpulist"
}

@test "NUMA: a VM that is pinned to CPUs gets the nearest GPU, one that is not the first" {
	local f

	for f in a40x8-mdev a40x8-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		node $f
		assert_equal "$(pinned 100 "$(cpus 1)")" "$ON_NODE1"
		assert_equal "$(pinned 101 "$(cpus 0)")" "$ON_NODE0"
	done
	settings '[vm 102]' 'hostpci0 = A40-24A'
	vm 102 'numa: 1'
	run hook 102 pre-start
	assert_output "GPU $ON_NODE0"
}

@test "NUMA: a VM whose memory is bound to a node gets the nearest GPU, where numa is on" {
	local f

	for f in a40x8-mdev a40x8-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		node $f
		settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'hostpci0 = A40-24A' '[vm 102]' 'hostpci0 = A40-24A' \
			'[vm 103]' 'hostpci0 = A40-24A'
		vm 100 'numa: 1' 'numa0: cpus=0-3,hostnodes=1,memory=1024,policy=bind'
		run -0 hook 100 pre-start
		assert_output "GPU $ON_NODE1"
		# where the memory is counts for more than where the CPUs are
		vm 101 "affinity: $(cpus 0)" 'numa: 1' 'numa0: cpus=0-3,hostnodes=1,memory=1024,policy=bind'
		run -0 hook 101 pre-start
		assert_output "GPU $ON_NODE1"
		# over both nodes, the CPUs decide
		vm 102 "affinity: $(cpus 1)" 'numa: 1' 'numa0: cpus=0,hostnodes=0,policy=bind' 'numa1: cpus=1,hostnodes=1,policy=bind'
		run -0 hook 102 pre-start
		assert_output 'GPU 0000:e6:00.0'
		vm 103 'numa: 0' 'numa0: cpus=0-3,hostnodes=1,memory=1024,policy=bind'
		run -0 hook 103 pre-start
		assert_output "GPU $ON_NODE0"
	done
}

@test "NUMA: plan shows the order that a start takes" {
	node a40x8-mdev
	intent 100 A40-24A
	vm 100 "affinity: $(cpus 1)"
	run pve_vgpu plan 100
	assert_success
	assert_output "1. A40-24A (nvidia-575) on 0000:e5:00.4, GPU $ON_NODE1"
	assert_output "5. A40-24A (nvidia-575) on 0000:67:00.4, GPU $ON_NODE0"
}

@test "NUMA: placement counts for more, distance for more than the address" {
	node a40x8-mdev
	assert_equal "$(pinned 100 "$(cpus 0)" 'placement = pack')" "$ON_NODE0"
	assert_equal "$(pinned 101 "$(cpus 1)" 'placement = pack')" "$ON_NODE0"
	assert_equal "$(pinned 102 "$(cpus 1)" 'placement = spread')" "$ON_NODE1"
	assert_equal "$(pinned 103 "$(cpus 1)" 'placement = spread')" 0000:e6:00.0
}

@test "NUMA: nothing is read for a VM that is not pinned, or has one GPU to go to" {
	node a40x8-mdev
	pve_vgpu types > /dev/null
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'hostpci0 = A40-24A' "gpu = $ON_NODE1" '[vm 102]' 'hostpci0 = A40-24A' '[vm 103]' 'hostpci0 = A40-24A'
	vm 100
	vm 101 'affinity: 0-3'
	vm 102 "hostpci0: 0000:68:00.4,mdev=nvidia-575" 'affinity: 0-3'
	vm 103 'affinity: 0-3'
	ops_reset
	for v in 100 101 102; do hook $v pre-start; done
	assert_equal "$(ops)" 6
	ops_reset
	hook 103 pre-start
	# Two lists of CPUs, one table, a number for each GPU; none of it goes to the driver.
	assert_equal "$(count_ops .cpulist.read) $(count_ops .distance.read) $(count_ops .numa_node.read) $(ops)" "2 1 8 13"
}

@test "NUMA: an affinity that cannot be read is passed over" {
	node a40x8-mdev
	assert_equal "$(pinned 100 'all of them')" "$ON_NODE0"
	assert_equal "$(pinned 101 '4000')" "$ON_NODE0"
	fault read '*/numa_node' EIO 20
	assert_equal "$(pinned 102 "$(cpus 1)")" 0000:68:00.0
	fault read '*/cpulist' EIO 20
	assert_equal "$(pinned 103 "$(cpus 1)")" 0000:68:00.0
}

# --- GPUs by board -------------------------------------------------------------------

# chosen VMID: the GPU of a start
chosen() {
	hook "$1" pre-start 2> /dev/null | sed 's/.*: \([^ ]*\) (.*GPU \([^,]*\).*/\1 \2/'
}

@test "gpu: a board stands for all of its GPUs, beside addresses" {
	node two-boards
	settings '[vm 100]' 'hostpci0 = A40-8Q, L40S-8Q' 'gpu = L40S' \
		'[vm 101]' 'hostpci0 = A40-8Q, L40S-8Q' 'gpu = l40s, 0000:17:00.0' \
		'[vm 102]' 'hostpci0 = L40S-8Q, A40-8Q' 'gpu = NVIDIA A40'
	for v in 100 101 102; do vm $v; done
	assert_equal "$(chosen 100)" 'L40S-8Q 0000:65:00.0'
	assert_equal "$(chosen 101)" 'A40-8Q 0000:17:00.0'
	assert_equal "$(chosen 102)" 'A40-8Q 0000:17:00.0'
}

@test "gpu: boards of [defaults] hold for VMs that say nothing of GPUs" {
	node two-boards
	settings '[defaults]' 'gpu = L40S' '[vm 100]' 'hostpci0 = A40-8Q, L40S-8Q' \
		'[vm 101]' 'hostpci0 = A40-8Q, L40S-8Q' 'gpu = 0000:17:00.0'
	vm 100
	vm 101
	assert_equal "$(chosen 100)" 'L40S-8Q 0000:65:00.0'
	assert_equal "$(chosen 101)" 'A40-8Q 0000:17:00.0'
}

@test "gpu: the others are left out, and plan says by what" {
	node two-boards
	settings '[vm 100]' 'hostpci0 = A40-8Q' 'gpu = L40S'
	vm 100
	run -1 pve_vgpu plan 100
	assert_output "out: A40-8Q on 0000:17:00.0: left out by 'gpu ='"
	run -1 hook 100 pre-start
	assert_output "A40-8Q on 0000:65:00.0: does not offer A40-8Q"
}

@test "gpu: a board that is not here is answered with those that are" {
	local f

	for f in two-boards l40s-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		node $f
		settings '[vm 100]' 'hostpci0 = A40-8Q, L40S-8Q' 'gpu = A41'
		vm 100
		run -1 hook 100 pre-start
		assert_output "'gpu': 'A41' is no board of this node; its boards: "
		assert_output 'hint: a board is the name of its types without the size'
		assert_equal "$(pve_vgpu list 2> /dev/null)" ''
		# where another item stands for something, that is a note
		settings '[vm 100]' 'hostpci0 = A40-8Q, L40S-8Q' 'gpu = A41, L40S'
		run hook 100 pre-start
		assert_success
		assert_output "'gpu': 'A41' is no board of this node; its boards: "
	done
	ROOT=$BATS_TEST_TMPDIR/two-boards
	assert_output 'L40S'
}

@test "gpu: an address that no GPU here has is answered with those that are" {
	node two-boards
	settings '[vm 100]' 'hostpci0 = A40-8Q' 'gpu = 0000:99:00.0'
	vm 100
	for cmd in 'plan 100' '100 pre-start'; do
		# shellcheck disable=SC2086
		run -1 pve_vgpu $cmd
		assert_output "'gpu': no GPU of this node with vGPU types has the address 0000:99:00.0; those that have: 0000:17:00.0 (A40), 0000:65:00.0 (L40S)"
		refute_output 'left out'
	done
	# an address of a VF is none of a GPU
	settings '[vm 100]' 'hostpci0 = A40-8Q' 'gpu = 0000:17:00.4'
	run -1 hook 100 pre-start
	assert_output "has the address 0000:17:00.4; it is a VF of GPU 0000:17:00.0"
	# where another item stands for something, that is a note
	settings '[vm 100]' 'hostpci0 = A40-8Q' 'gpu = 0000:99:00.0, A40'
	run -0 hook 100 pre-start
	assert_output 'has the address 0000:99:00.0'
}

@test "gpu: create takes a board" {
	node two-boards
	run pve_vgpu create L40S-8Q --gpu l40s
	assert_success
	assert_output 'GPU 0000:65:00.0'
	run pve_vgpu create L40S-8Q --gpu L40S --dry-run
	assert_output 'would make L40S-8Q'
	run -1 pve_vgpu create L40S-8Q --gpu A40
	assert_output 'left out by --gpu'
	run -1 pve_vgpu create L40S-8Q --gpu A41
	assert_output "--gpu 'A41' is no board of this node; its boards: A40, L40S"
	run -2 pve_vgpu create L40S-8Q --gpu 3b:00
	assert_output 'is no PCI address such as'
}

# --- pack and spread over unlike boards ----------------------------------------------

# starts PLACEMENT CHOICES VMID…: the GPUs of these starts, one after the other, by their bus
starts() {
	local placement=$1 choices=$2 v

	shift 2
	settings '[defaults]' "placement = $placement"
	for v; do
		intent "$v" "$choices"
		vm "$v"
	done
	for v; do
		chosen "$v"
	done | sed 's/.*0000:\(..\):.*/\1/' | paste -sd' '
}

@test "unlike boards: the order of choices counts for more than the placement" {
	local p

	for p in first pack spread; do
		ROOT=$BATS_TEST_TMPDIR/$p
		node two-boards
		assert_equal "$(starts $p 'L40S-24Q, A40-24Q' 100 101 102 103)" '65 65 17 17'
	done
}

@test "unlike boards: one type goes to its own board, however empty the other is" {
	node two-boards
	assert_equal "$(starts spread L40S-8Q 100 101 102 103 104 105 106)" '65 65 65 65 65 65'
	run -1 hook 106 pre-start
	assert_output 'L40S-8Q on 0000:65:00.0: full: 6 of 6'
	assert_output 'L40S-8Q on 0000:17:00.0: does not offer L40S-8Q'
}

# A board of 48 GB and one of 24 GB that both offer type 900; vendor VFIO lists no sizes but in names.
unlike() {
	node_json <<< "{\"gpus\":[
		{\"bdf\":\"0000:17:00.0\",\"memory_mib\":49152,\"totalvfs\":8,\"framework\":\"$1\",\"types\":[
			{\"id\":900,\"name\":\"NVIDIA X1-8Q\",\"framebuffer_mib\":8192,\"max_instance\":6},
			{\"id\":902,\"name\":\"NVIDIA X1-48Q\",\"framebuffer_mib\":49152,\"max_instance\":1}]},
		{\"bdf\":\"0000:65:00.0\",\"memory_mib\":24576,\"totalvfs\":8,\"framework\":\"$1\",\"types\":[
			{\"id\":900,\"name\":\"NVIDIA X1-8Q\",\"framebuffer_mib\":8192,\"max_instance\":3},
			{\"id\":901,\"name\":\"NVIDIA X1-24Q\",\"framebuffer_mib\":24576,\"max_instance\":1}]}]}"
	pve_vgpu types > /dev/null 2>&1
}

@test "unlike boards: spread takes the one with more MiB left, pack the one with less" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f.spread
		unlike $f
		assert_equal "$(starts spread X1-8Q 100 101 102 103 104 105 106 107 108)" '17 17 17 17 65 17 65 17 65'
		ROOT=$BATS_TEST_TMPDIR/$f.pack
		unlike $f
		assert_equal "$(starts pack X1-8Q 100 101 102 103 104 105 106 107 108)" '65 65 65 17 17 17 17 17 17'
		ROOT=$BATS_TEST_TMPDIR/$f.first
		unlike $f
		assert_equal "$(starts first X1-8Q 100 101 102 103 104 105 106 107 108)" '17 17 17 17 17 17 65 65 65'
	done
}

@test "unlike boards: types of one name and two ids count apart" {
	node same-name
	settings '[vm 100]' 'hostpci0 = NVIDIA GeForce RTX 3050'
	vm 100
	run -1 hook 100 pre-start
	assert_output nvidia-1604
	assert_output nvidia-2266
	assert_equal "$(starts spread 'nvidia-2266, nvidia-1604' 100 101 102 103)" '65 65 65 17'
	assert_equal "$(starts pack 'nvidia-1604' 104 105 106 107 108)" '17 17 17 17 17'
	run -1 pve_vgpu create nvidia-2266
	assert_output 'full: 3 of 3'
}

@test "unlike boards: two sizes at once, each packed with its own" {
	node_json <<< '{"gpus":[{"bdf":"0000:17:00.0"},{"bdf":"0000:65:00.0"},{"bdf":"0000:e8:00.0"}]}'
	assert_equal "$(starts pack A40-8Q 100 101)" '17 17'
	assert_equal "$(starts pack A40-24A 102 103 104)" '65 65 e8'
	assert_equal "$(starts pack A40-8Q 105)" 17
}

# --- a limit that nobody has told -----------------------------------------------------

# Without max_instance and without a type of the whole board, the sizes tell no limit.
guessed() {
	node_json <<< '{"gpus": [{"bdf": "0000:e8:00.0", "framework": "nvidia-vfio",
		"types": [{"id": 558, "name": "NVIDIA A40-2Q"}, {"id": 560, "name": "NVIDIA A40-4Q"}]}]}'
	settings '[vm 100]' 'hostpci0 = A40-4Q' '[vm 101]' 'hostpci0 = A40-4Q'
	vm 100
	vm 101
}

@test "limits: one that is guessed from the sizes does not stand against the driver's word" {
	guessed
	hook 100 pre-start
	run -0 pve_vgpu plan 101
	assert_output '1. A40-4Q (nvidia-560) on 0000:e8:00.5'
	ops_reset
	run -0 hook 101 pre-start
	# one question more than else
	[ "$(ops)" -le 4 ]
	assert_equal "$(vendor_vgpus)" $'0000:e8:00.4 560\n0000:e8:00.5 560'
}
