#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# MIG: the mode, the instances, and what to do where they do not fit what is asked for.

load helper

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

PF=0000:21:00.0

# a100 MEMBERS [VGPUS]: one A100 at 0000:21:00.0
a100() {
	node_json <<< "{\"gpus\":[{\"bdf\":\"$PF\",\"types\":\"A100\",\"totalvfs\":16,\"memory_mib\":40960,$1}]${2:+,\"vgpus\":[$2]}}"
}

# proc MINOR [INSTANCE…]: what /proc/driver/nvidia tells of it
proc() {
	local minor=$1 gi

	shift
	mkdir -p "$ROOT/proc/driver/nvidia/gpus/$PF" "$ROOT/proc/driver/nvidia/capabilities/gpu$minor/mig"
	printf 'Model: \t\t NVIDIA A100-PCIE-40GB\nDevice Minor: \t %s\n' "$minor" \
		> "$ROOT/proc/driver/nvidia/gpus/$PF/information"
	for gi; do
		mkdir "$ROOT/proc/driver/nvidia/capabilities/gpu$minor/mig/gi$gi"
	done
}

# names TEXT CURE: the output has a line on the GPU, and a hint with the cure
names() {
	assert_output "GPU $PF: $1"
	[[ $output =~ hint:\ [^$'\n']*"$2" ]] || { echo "no '$2' in the hint of:"; echo "$output"; return 1; }
}

# refused TYPE TEXT CURE: plan, a start and create refuse it with this
refused() {
	vm 100
	settings '[vm 100]' "hostpci0 = $1"
	run -1 pve_vgpu plan 100
	names "$2" "$3"
	run -1 hook 100 pre-start
	names "$2" "$3"
	run -1 pve_vgpu create "$1"
	names "$2" "$3"
	run -1 pve_vgpu create "$1" --dry-run
	names "$2" "$3"
	[ ! -e "$ROOT/run/pve-vgpu/100.json" ]
}

# made TYPE: all of them take it
made() {
	vm 100
	settings '[vm 100]' "hostpci0 = $1"
	run -0 pve_vgpu plan 100
	run -0 hook 100 pre-start
	assert_output "$1"
}

# mode: [mig, gpu_instances] of types --json
mode() {
	pve_vgpu types --json 2>/dev/null | jq -c '[.[] | [.mig, .gpu_instances]] | unique | .[]'
}

@test "mig: on and no GPU instance, on both frameworks" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		# Vendor VFIO lists nothing then: the types are known from before.
		a100 "\"framework\": \"$f\", \"mig\": true, \"gpu_instances\": [{\"id\": 3, \"slices\": 2}, {\"id\": 7, \"slices\": 1}]"
		pve_vgpu types > /dev/null
		node_teardown
		MOUNTED=''
		a100 "\"framework\": \"$f\", \"mig\": true"
		run -0 pve_vgpu types
		names 'MIG mode is on and there is no GPU instance' "nvidia-smi mig -i $PF -cgi <profile> -C"
		assert_equal "$(mode)" '[true,0]'
		refused A100-1-5C 'MIG mode is on and there is no GPU instance' "nvidia-smi mig -i $PF -cgi <profile> -C"
		assert_output "nvidia-smi mig -i $PF -lgip"
		node_teardown
		MOUNTED=''
		a100 "\"framework\": \"$f\", \"mig\": true, \"gpu_instances\": [{\"id\": 7, \"slices\": 1}]"
		made A100-1-5C
	done
}

@test "mig: on and no GPU instance, as /proc tells" {
	node a100-mig-empty
	proc 0
	assert_equal "$(mode)" '[true,0]'
	refused A100-1-5C 'MIG mode is on and there is no GPU instance' '-cgi <profile> -C'
	refute_output 'profile has room'
	refute_output "'s profile"
}

@test "mig: on and no instance of that profile" {
	node a100-mig
	proc 2 3 7 8
	assert_equal "$(mode)" '[true,3]'
	run -0 pve_vgpu types
	assert_output "GPU $PF: MIG mode is on, 3 GPU instances"
	refused A100-3-20C "MIG mode is on and there is no GPU instance of A100-3-20C's profile" '-cgi <profile> -C'
	made A100-1-5C
}

@test "mig: on and every instance of that profile has its vGPU, on both frameworks" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a100 "\"framework\": \"$f\", \"mig\": true, \"gpu_instances\": [{\"id\": 3, \"slices\": 2}]"
		run -0 pve_vgpu create A100-2-10C
		refused A100-2-10C "MIG mode is on and no GPU instance of A100-2-10C's profile has room" 'stop a VM that has one'
		assert_output '-cgi <profile> -C'
		assert_equal "$(mode)" '[true,null]'
	done
}

@test "mig: a stranger's vGPU in the only instance counts" {
	a100 '"framework": "nvidia-vfio", "mig": true, "gpu_instances": [{"id": 3, "slices": 2}]'
	pve_vgpu types > /dev/null
	echo "$(pve_vgpu types --json 2>/dev/null | jq '.[] | select(.name == "A100-2-10C") | .id')" \
		> "$SYS/bus/pci/devices/0000:21:02.3/nvidia/current_vgpu_type"
	refused A100-2-10C "MIG mode is on and no GPU instance of A100-2-10C's profile has room" 'stop a VM that has one'
}

@test "mig: off and a MIG-backed type" {
	node a100-mig-off
	assert_equal "$(mode)" '[false,0]'
	run -0 pve_vgpu types
	assert_output "GPU $PF: MIG mode is off"
	refused A100-1-5C 'MIG mode is off, and A100-1-5C is MIG-backed' \
		"sriov-manage -d $PF; nvidia-smi -i $PF -mig 1; /usr/lib/nvidia/sriov-manage -e $PF; nvidia-smi mig"
	made A100-4C
	node_teardown
	MOUNTED=''
	rm -rf "$ROOT/run/pve-vgpu"
	a100 '"mig": true, "gpu_instances": [{"id": 7, "slices": 1}]'
	made A100-1-5C
}

@test "mig: off and a MIG-backed type, on vendor VFIO, which has never listed it" {
	a100 '"framework": "nvidia-vfio"'
	refused A100-1-5C 'MIG mode is off, and A100-1-5C is MIG-backed' "nvidia-smi -i $PF -mig 1"
	made A100-4C
}

@test "mig: on and a time-sliced type, on both frameworks" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a100 "\"framework\": \"$f\", \"mig\": true, \"gpu_instances\": [{\"id\": 3, \"slices\": 2}]"
		refused A100-4C 'MIG mode is on, and A100-4C is time-sliced' "nvidia-smi -i $PF -mig 0"
		assert_output 'choose a MIG-backed type'
		made A100-2-10C
	done
}

@test "mig: a GPU in the right mode serves beside one in the wrong mode" {
	node_json <<-J
	{"gpus": [ {"bdf": "$PF", "types": "A100", "totalvfs": 16, "memory_mib": 40960, "mig": true},
		{"bdf": "0000:31:00.0", "types": "A100", "totalvfs": 16, "memory_mib": 40960} ]}
	J
	made A100-4C
	assert_output 'GPU 0000:31:00.0'
	run -0 pve_vgpu plan 100
	assert_equal "$(pve_vgpu types --json 2>/dev/null | jq -c '[.[] | [.gpu, .mig]] | unique')" \
		"[[\"$PF\",true],[\"0000:31:00.0\",false]]"
}

@test "mig: a board without MIG is in no MIG mode, and one that cannot be told is null" {
	node a40x8-mdev
	assert_equal "$(mode)" '[false,0]'
	ROOT=$BATS_TEST_TMPDIR/eio
	a100 '"framework": "nvidia-vfio"'
	pve_vgpu types > /dev/null
	fault read '*/creatable_vgpu_types' EIO 100
	assert_equal "$(mode)" '[null,null]'
}

@test "mig: of two vGPUs the one that has no place is explained, not the other" {
	node_json <<-J
	{"gpus": [ {"bdf": "$PF", "types": "A100", "totalvfs": 16, "memory_mib": 40960, "mig": true, "gpu_instances": [{"id": 7, "slices": 1}]},
		{"bdf": "0000:e8:00.0"} ], "vgpus": [{"parent": "0000:e8:00.4", "type": 566, "uuid": "11111111-aaaa-4bbb-8ccc-000000000001"}]}
	J
	vm 100
	settings '[vm 100]' 'hostpci0 = A100-1-5C' 'hostpci1 = A40-48A'
	run -1 hook 100 pre-start
	assert_output 'hostpci1: A40-48A: no GPU of this node has room'
	refute_output 'GPU instance'
}

@test "mig: Blackwell, several vGPUs in one instance, one after the other" {
	node blackwell-mig-vfio
	run -0 pve_vgpu create DC-1-2Q
	assert_output 'on 0001:04:00.2'
	run -0 pve_vgpu create DC-1-2Q
	assert_output 'on 0001:04:00.3'
	vm 100
	settings '[vm 100]' 'hostpci0 = DC-1-2Q'
	run -0 hook 100 pre-start
	assert_output 'on 0001:04:00.4'
	assert_equal "$(vendor_vgpus | wc -l)" 3
	run -1 pve_vgpu create DC-1-24Q
	assert_output "GPU 0001:04:00.0: MIG mode is on and no GPU instance of DC-1-24Q's profile has room"
	run -1 pve_vgpu create DC-24Q
	assert_output 'GPU 0001:04:00.0: MIG mode is on, and DC-24Q is time-sliced'
	assert_equal "$(mode)" '[true,null]'
}

@test "mig: types takes 3N+2 on a MIG board, a start that succeeds no more than elsewhere" {
	node a100-mig
	proc 0 3 7 8
	ops_reset
	pve_vgpu types > /dev/null 2>&1
	[ "$(ops)" -le $((3 * 13 + 2)) ]
	vm 100
	settings '[vm 100]' 'hostpci0 = A100-1-5C'
	ops_reset
	hook 100 pre-start
	[ "$(ops)" -le 4 ]
}

@test "mig: a refusal takes one attribute more, and with /proc none" {
	node a100-mig-off
	pve_vgpu types > /dev/null 2>&1
	ops_reset
	run -1 pve_vgpu create A100-1-5C
	assert_equal "$(ops)" 2
	ROOT=$BATS_TEST_TMPDIR/proc
	node a100-mig
	proc 0 3 7 8
	pve_vgpu types > /dev/null 2>&1
	ops_reset
	run -1 pve_vgpu create A100-4C
	assert_equal "$(ops)" 1
}
