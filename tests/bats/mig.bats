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

# smi [ID PROFILE]…: a stand-in for nvidia-smi that has these instances, and notes how it was called
smi() {
	local lines=''

	while [ $# -gt 0 ]; do
		lines+=$(printf '|   0  MIG %-16s  19      %3s          0:1     |' "$2" "$1")$'\n'
		shift 2
	done
	[ -n "$lines" ] || lines="No GPU instances found: Not Found"$'\n'
	smi_script "cat <<'EOF'" "| GPU   Name             Profile  Instance   Placement  |" "${lines}EOF" \
		"$([[ $lines == No* ]] && echo 'exit 6')"
}

# smi_script LINE…: what it does is this
smi_script() {
	mkdir -p "$ROOT/usr/bin"
	printf '%s\n' '#!/bin/sh' 'echo "$*" >> "${0%/*}/log"' "$@" > "$ROOT/usr/bin/nvidia-smi"
	chmod +x "$ROOT/usr/bin/nvidia-smi"
}

# smi_calls: how often it was called since the last smi_reset
smi_calls() { wc -l < "$ROOT/usr/bin/log" 2>/dev/null || echo 0; }
smi_reset() { rm -f "$ROOT/usr/bin/log"; }

# driver VERSION: as /proc has it
driver() {
	mkdir -p "$ROOT/proc/driver/nvidia"
	echo "NVRM version: NVIDIA UNIX x86_64 Kernel Module  $1" > "$ROOT/proc/driver/nvidia/version"
}

# instances NAME: [id, profile, vgpus, available] of each instance in the row of that type
instances() {
	pve_vgpu types --json 2>/dev/null | jq -c --arg n "$1" '.[] | select(.name == $n) | .instances | if . then map([.id, .profile, .vgpus, .available]) else . end'
}

# room NAME: [available, available_at_least] of types, and what plan --fit has
room() {
	pve_vgpu types --json 2>/dev/null | jq -c --arg n "$1" '.[] | select(.name == $n) | [.available, .available_at_least]'
	pve_vgpu plan --fit --json 2>/dev/null | jq -c --arg n "$1" '.[] | select(.name == $n) | [.available, .available_at_least]'
}

# has_room NAME N AT-LEAST: both say so
has_room() {
	assert_equal "$(room "$1")" "[$2,$3]"$'\n'"[$2,$3]"
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

@test "mig: types shows the instances: id, profile, what they hold and what they take" {
	node a100-mig
	smi 7 1g.5gb 8 1g.5gb 3 2g.10gb
	run -0 --separate-stderr pve_vgpu types
	assert_output "$PF"$'\t3\t2g.10gb\t0\t1\n'"$PF"$'\t7\t1g.5gb\t0\t1\n'"$PF"$'\t8\t1g.5gb\t0\t1'
	assert_output $'A100-1-5C\tnvidia-474\t5120\t7\t2\n'
	[[ $stderr == *'MIG mode is on, 3 GPU instances'* ]]
	assert_equal "$(mode)" '[true,3]'
	assert_equal "$(instances A100-1-5C)" '[[3,"2g.10gb",0,0],[7,"1g.5gb",0,1],[8,"1g.5gb",0,1]]'
	assert_equal "$(instances A100-4C)" '[[3,"2g.10gb",0,0],[7,"1g.5gb",0,0],[8,"1g.5gb",0,0]]'
	has_room A100-1-5C 2 false
	has_room A100-2-10C 1 false
	has_room A100-1-5CME 0 false
	run -0 pve_vgpu plan --fit
	assert_output $'A100-1-5C\tnvidia-474\t2\t\n'
}

@test "mig: on a terminal the instances are a table of their own, and on nodes without there is none" {
	node a100-mig
	smi 7 1g.5gb 8 1g.5gb 3 2g.10gb
	NO_COLOR=1 run -0 on_tty "$PVE_VGPU" --root "$ROOT" types
	assert_output 'GPU           INSTANCE  PROFILE  VGPUS  MORE'
	assert_output "$PF  3         2g.10gb  0      1"
	node_teardown
	MOUNTED=''
	ROOT=$BATS_TEST_TMPDIR/a40
	node a40x8-mdev
	run -0 on_tty "$PVE_VGPU" --root "$ROOT" types
	refute_output 'INSTANCE'
	assert_equal "$(instances A40-4A | sort -u)" '[]'
}

@test "mig: as many as types says can be made, on both frameworks" {
	local f n

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a100 "\"framework\": \"$f\", \"mig\": true, \"gpu_instances\": [{\"id\": 9, \"slices\": 1, \"memory_mib\": 5120}, {\"id\": 7, \"slices\": 1, \"memory_mib\": 5120}, {\"id\": 8, \"slices\": 1, \"memory_mib\": 5120}]"
		smi 7 1g.5gb 8 1g.5gb 9 1g.5gb
		for n in 3 2 1; do
			has_room A100-1-5C $n false
			run -0 pve_vgpu create A100-1-5C
		done
		has_room A100-1-5C 0 false
		run -1 pve_vgpu create A100-1-5C
		assert_equal "$(instances A100-1-5C)" '[[7,"1g.5gb",1,0],[8,"1g.5gb",1,0],[9,"1g.5gb",1,0]]'
		node_teardown
		MOUNTED=''
	done
}

@test "mig: where a vGPU lies is read from it on vendor VFIO, and not guessed on mdev" {
	local f want

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a100 "\"framework\": \"$f\", \"mig\": true, \"gpu_instances\": [{\"id\": 8, \"slices\": 1}, {\"id\": 7, \"slices\": 1}, {\"id\": 3, \"slices\": 2}]"
		smi 7 1g.5gb 8 1g.5gb 3 2g.10gb
		run -0 pve_vgpu create A100-1-5C
		run -0 pve_vgpu create A100-2-10C
		want='[[3,"2g.10gb",1,0],[7,"1g.5gb",0,1],[8,"1g.5gb",1,0]]'
		[ $f = nvidia-vfio ] || want='[[3,"2g.10gb",1,0],[7,"1g.5gb",null,null],[8,"1g.5gb",null,null]]'
		assert_equal "$(instances A100-1-5C)" "$want"
		has_room A100-1-5C 1 false
		node_teardown
		MOUNTED=''
	done
}

@test "mig: without nvidia-smi what vGPUs and /proc tell is shown, the room is the least, and one line says why" {
	a100 '"framework": "nvidia-vfio", "mig": true, "gpu_instances": [{"id": 7, "slices": 1}, {"id": 8, "slices": 1}, {"id": 3, "slices": 2}]'
	has_room A100-1-5C 1 true
	assert_equal "$(instances A100-1-5C)" null
	run -0 pve_vgpu create A100-1-5C
	assert_equal "$(instances A100-1-5C)" '[[7,"1g.5gb",1,0]]'
	has_room A100-1-5C 1 true
	proc 2 3 7 8
	assert_equal "$(instances A100-1-5C)" '[[3,null,null,null],[7,"1g.5gb",1,0],[8,null,null,null]]'
	run -0 pve_vgpu types
	assert_output $'A100-1-5C\tnvidia-474\t5120\t?\t1+'
	assert_output "$PF"$'\t3\t?\t?\t?'
	assert_equal "$(grep -c 'profiles of its GPU instances are not known' <<< "$output")" 1
	assert_output "run '/usr/bin/nvidia-smi': No such file or directory"
	run -0 pve_vgpu plan --fit
	assert_output $'A100-1-5C\tnvidia-474\t1+\t'
}

@test "mig: with every instance held, vGPUs and /proc tell all of it, and nvidia-smi is not asked" {
	a100 '"framework": "nvidia-vfio", "mig": true, "gpu_instances": [{"id": 7, "slices": 1}, {"id": 3, "slices": 2}]'
	proc 0 3 7
	smi_script 'exit 1'
	pve_vgpu create A100-1-5C
	pve_vgpu create A100-2-10C
	run -0 pve_vgpu types
	refute_output 'not known'
	assert_equal "$(instances A100-1-5C)" '[[3,"2g.10gb",1,0],[7,"1g.5gb",1,0]]'
	assert_equal "$(smi_calls)" 0
}

@test "mig: nvidia-smi that fails, hangs up or prints rubbish is one line, and is asked once" {
	local script

	node_json <<-J
	{"gpus": [ {"bdf": "$PF", "types": "A100", "totalvfs": 16, "memory_mib": 40960, "mig": true, "gpu_instances": [{"id": 7, "slices": 1}]},
		{"bdf": "0000:31:00.0", "types": "A100", "totalvfs": 16, "memory_mib": 40960, "mig": true, "gpu_instances": [{"id": 7, "slices": 1}]} ]}
	J
	for script in 'exit 0' 'echo "Failed to initialize NVML: Unknown Error"; exit 255' 'head -c 3000 /dev/zero' 'kill -9 $$' \
		'echo "|  0  MIG 1g.5gb  19  7 0:1 |"; exit 3' 'echo "|  0  MIG 1g.5gb  19 |"'; do
		smi_script "$script"
		smi_reset
		run -0 pve_vgpu types
		assert_output "GPU $PF: the profiles of its GPU instances are not known"
		assert_equal "$(grep -c 'not known' <<< "$output")" 1
		assert_equal "$(smi_calls)" 1
		assert_output $'A100-1-5C\tnvidia-474\t5120\t7\t1+'
	done
	smi_script 'echo "Failed to initialize NVML: Unknown Error"; exit 255'
	run -0 pve_vgpu types
	assert_output "status 255: 'Failed to initialize NVML: Unknown Error'"
}

@test "mig: nvidia-smi is asked for GPUs in MIG mode alone, by their address" {
	node_json <<-J
	{"gpus": [ {"bdf": "$PF", "types": "A100", "totalvfs": 16, "memory_mib": 40960, "mig": true, "gpu_instances": [{"id": 7, "slices": 1}]},
		{"bdf": "0000:31:00.0", "types": "A100", "totalvfs": 16, "memory_mib": 40960}, {"bdf": "0000:e8:00.0"} ]}
	J
	smi 7 1g.5gb
	pve_vgpu types > /dev/null 2>&1
	assert_equal "$(cat "$ROOT/usr/bin/log")" "mig -i $PF -lgi"
}

@test "mig: what nvidia-smi has said is remembered for these instances and this driver, and no longer" {
	node a100-mig
	smi 7 1g.5gb 8 1g.5gb 3 2g.10gb
	# Without /proc nothing would show a change.
	has_room A100-1-5C 2 false
	assert_equal "$(smi_calls)" 2
	[ ! -e "$ROOT/run/pve-vgpu/mig.json" ]
	proc 2 3 7 8
	driver 550.163.02
	smi_reset
	has_room A100-1-5C 2 false
	has_room A100-1-5C 2 false
	assert_equal "$(smi_calls)" 1
	smi_script 'exit 1'
	smi_reset
	has_room A100-1-5C 2 false
	assert_equal "$(smi_calls)" 0
	driver 550.200.01
	pve_vgpu types > /dev/null 2>&1
	assert_equal "$(smi_calls)" 1
	driver 550.163.02
	mkdir "$ROOT/proc/driver/nvidia/capabilities/gpu2/mig/gi9"
	pve_vgpu types > /dev/null 2>&1
	assert_equal "$(smi_calls)" 2
	rm -r "$ROOT/proc/driver/nvidia/capabilities/gpu2/mig"/gi{8,9}
	pve_vgpu types > /dev/null 2>&1
	assert_equal "$(smi_calls)" 3
}

@test "mig: what was remembered and the driver contradicts is asked again" {
	node a100-mig
	proc 2 3 7 8
	driver 550.163.02
	mkdir -p "$ROOT/run/pve-vgpu"
	# The same ids, made anew with other profiles since.
	echo "{\"$PF\":{\"driver\":\"$(cat "$ROOT/proc/driver/nvidia/version")\",\"instances\":[{\"id\":3,\"profile\":\"3g.20gb\"},{\"id\":7,\"profile\":\"1g.5gb\"},{\"id\":8,\"profile\":\"1g.5gb\"}]}}" \
		> "$ROOT/run/pve-vgpu/mig.json"
	smi 7 1g.5gb 8 1g.5gb 3 2g.10gb
	has_room A100-2-10C 1 false
	assert_equal "$(smi_calls)" 1
	assert_equal "$(jq -r '.[].instances[0].profile' "$ROOT/run/pve-vgpu/mig.json")" 2g.10gb
}

@test "mig: a memory that is no memory is asked again" {
	local text

	node a100-mig
	proc 2 3 7 8
	driver 550.163.02
	mkdir -p "$ROOT/run/pve-vgpu"
	for text in '' '[]' 'null' '{' "{\"$PF\":7}" "{\"$PF\":{\"driver\":7,\"instances\":[]}}" \
		"{\"$PF\":{\"driver\":\"$(cat "$ROOT/proc/driver/nvidia/version")\",\"instances\":[7,{\"id\":-1},{\"id\":3,\"profile\":\"\\u001b[2J\"}]}}"; do
		echo "$text" > "$ROOT/run/pve-vgpu/mig.json"
		smi 7 1g.5gb 8 1g.5gb 3 2g.10gb
		smi_reset
		has_room A100-1-5C 2 false
		assert_equal "$(smi_calls)" 1
	done
}

@test "mig: a start, a create and their refusals never ask nvidia-smi" {
	node a100-mig
	smi 7 1g.5gb 8 1g.5gb 3 2g.10gb
	vm 100
	settings '[vm 100]' 'hostpci0 = A100-1-5C'
	hook 100 pre-start
	hook 100 post-stop
	pve_vgpu create A100-1-5C
	run -1 pve_vgpu create A100-3-20C
	run -1 pve_vgpu create A100-4C
	pve_vgpu list
	pve_vgpu gc
	assert_equal "$(smi_calls)" 0
}

@test "mig: the driver's no goes before what instances seem to take, its yes is at least one" {
	node a100-mig
	smi 7 1g.5gb 8 1g.5gb 3 2g.10gb 1 3g.20gb
	has_room A100-3-20C 0 false
	assert_equal "$(instances A100-3-20C)" '[[1,"3g.20gb",0,0],[3,"2g.10gb",0,0],[7,"1g.5gb",0,0],[8,"1g.5gb",0,0]]'
	smi 7 1g.5gb 8 1g.5gb
	has_room A100-2-10C 1 true
}

@test "mig: nvidia-smi knows of no instance" {
	node a100-mig
	smi
	has_room A100-1-5C 1 true
	assert_equal "$(instances A100-1-5C)" '[]'
	run -0 pve_vgpu types
	refute_output 'not known'
}

@test "mig: what a start has claimed and not made takes an instance" {
	node a100-mig
	smi 7 1g.5gb 8 1g.5gb 3 2g.10gb
	vm 100
	settings '[vm 100]' 'hostpci0 = A100-1-5C'
	hook 100 pre-start
	echo 1 > "$SYS/bus/mdev/devices/$(uuid 100)/remove"
	jq '.vgpus[].made = false' "$ROOT/run/pve-vgpu/100.json" > "$ROOT/run/pve-vgpu/100.new"
	mv "$ROOT/run/pve-vgpu/100.new" "$ROOT/run/pve-vgpu/100.json"
	has_room A100-1-5C 1 false
	has_room A100-2-10C 1 false
}

@test "mig: Blackwell, the room of each size in instances that are empty, begun and full" {
	local i

	node_json <<-J
	{"gpus": [ $(jq -c '.gpus[0] | .gpu_instances = [{"id": 3, "slices": 1, "profile": "1g.24gb", "memory_mib": 24576}, {"id": 4, "slices": 1, "profile": "1g.24gb", "memory_mib": 24576}]' "$TOP/tests/nodes/blackwell-mig-vfio.json") ]}
	J
	smi 3 1g.24gb 4 1g.24gb
	has_room DC-1-2Q 24 false
	has_room DC-1-24Q 2 false
	run -0 pve_vgpu types
	assert_output $'0001:04:00.0\t3\t1g.24gb\t0\t1 to 12'
	pve_vgpu create DC-1-2Q
	has_room DC-1-2Q 23 false
	has_room DC-1-24Q 1 false
	assert_equal "$(instances DC-1-2Q)" '[[3,"1g.24gb",1,11],[4,"1g.24gb",0,12]]'
	assert_equal "$(instances DC-1-24Q)" '[[3,"1g.24gb",1,0],[4,"1g.24gb",0,1]]'
	pve_vgpu create DC-1-24Q
	has_room DC-1-2Q 11 false
	has_room DC-1-24Q 0 false
	for ((i = 0; i < 11; i++)); do pve_vgpu create DC-1-2Q > /dev/null; done
	has_room DC-1-2Q 0 false
	run -1 pve_vgpu create DC-1-2Q
	assert_equal "$(instances DC-1-2Q)" '[[3,"1g.24gb",12,0],[4,"1g.24gb",1,0]]'
}

@test "mig: a stranger's vGPU of a type that was never listed takes its instance" {
	a100 '"framework": "nvidia-vfio", "mig": true, "gpu_instances": [{"id": 3, "slices": 2}, {"id": 7, "slices": 1}]' \
		'{"parent": "0000:21:00.5", "type": 475}'
	smi 3 2g.10gb 7 1g.5gb
	assert_equal "$(instances A100-1-5C)" '[[3,"2g.10gb",1,0],[7,"1g.5gb",0,1]]'
	has_room A100-1-5C 1 false
}

@test "mig: plan names the mode and the instances, with the command, for each GPU that does not serve" {
	node_json <<-J
	{"gpus": [ {"bdf": "$PF", "types": "A100", "totalvfs": 16, "memory_mib": 40960, "mig": true, "gpu_instances": [{"id": 7, "slices": 1}, {"id": 8, "slices": 1}]},
		{"bdf": "0000:31:00.0", "types": "A100", "totalvfs": 16, "memory_mib": 40960},
		{"bdf": "0000:41:00.0", "types": "A100", "totalvfs": 16, "memory_mib": 40960, "mig": true} ]}
	J
	smi_script 'case $3 in *21:*) echo "| 0 MIG 1g.5gb 19 7 0:1 |"; echo "| 0 MIG 1g.5gb 19 8 1:1 |";; *) echo "No GPU instances found"; exit 6;; esac'
	pve_vgpu create A100-1-5C --gpu "$PF"
	vm 100
	settings '[vm 100]' 'hostpci0 = A100-1-5C'
	run -0 pve_vgpu plan 100
	assert_output 'out: A100-1-5C on 0000:31:00.0: MIG mode is off, and A100-1-5C is MIG-backed (nvidia-smi -i 0000:31:00.0 -mig 1, with its VFs disabled)'
	assert_output 'out: A100-1-5C on 0000:41:00.0: MIG mode is on and there is no GPU instance (nvidia-smi mig -i 0000:41:00.0 -cgi <profile> -C)'
	settings '[vm 100]' 'hostpci0 = A100-4C'
	run -0 pve_vgpu plan 100
	assert_output "out: A100-4C on $PF: MIG mode is on, and A100-4C is time-sliced (nvidia-smi -i $PF -mig 0, with its VFs disabled)"
	refute_output 'equal size'
	refute_output 'refused'
	pve_vgpu create A100-1-5C --gpu "$PF"
	settings '[vm 100]' 'hostpci0 = A100-1-5C, A100-4C'
	run -0 pve_vgpu plan 100
	assert_output "out: A100-1-5C on $PF: MIG mode is on and no GPU instance of A100-1-5C's profile has room (nvidia-smi mig -i $PF -cgi <profile> -C)"
	settings '[vm 100]' 'hostpci0 = A100-2-10C, A100-4C'
	run -0 pve_vgpu plan 100
	assert_output "out: A100-2-10C on $PF: MIG mode is on and there is no GPU instance of A100-2-10C's profile (nvidia-smi mig -i $PF -cgi <profile> -C)"
	settings '[vm 100]' 'hostpci0 = A100-4C' 'gpu = 0000:31:00.0'
	run -0 pve_vgpu plan 100
	assert_output "A100-4C on $PF, 0000:41:00.0: left out by 'gpu ='"
}

@test "mig: plan --fit names the mode, not the size that a MIG-backed vGPU has" {
	node a100-mig
	smi 7 1g.5gb 8 1g.5gb 3 2g.10gb
	pve_vgpu create A100-2-10C
	run -0 pve_vgpu plan --fit
	assert_output "A100-4C on $PF: MIG mode is on, and A100-4C is time-sliced (nvidia-smi -i $PF -mig 0, with its VFs disabled)"
	assert_output "A100-2-10C on $PF: MIG mode is on and no GPU instance of A100-2-10C's profile has room (nvidia-smi mig -i $PF -cgi <profile> -C)"
	assert_output "A100-3-20C on $PF: MIG mode is on and there is no GPU instance of A100-3-20C's profile (nvidia-smi mig -i $PF -cgi <profile> -C)"
	refute_output 'equal size'
	refute_output 'refused'
}

@test "mig: with vGPUs on it types takes 3N+2 on mdev, and on vendor VFIO one attribute for each of them" {
	a100 '"mig": true, "gpu_instances": [{"id": 3, "slices": 2}, {"id": 7, "slices": 1}, {"id": 8, "slices": 1}]' \
		"{\"parent\": \"0000:21:00.4\", \"type\": 474, \"uuid\": \"11111111-aaaa-4bbb-8ccc-000000000001\"},{\"parent\": \"0000:21:00.5\", \"type\": 475, \"uuid\": \"11111111-aaaa-4bbb-8ccc-000000000002\"}"
	smi 7 1g.5gb 8 1g.5gb 3 2g.10gb
	ops_reset
	pve_vgpu types > /dev/null 2>&1
	[ "$(ops)" -le $((3 * 13 + 2)) ]
	# What runs tells the mode: the six time-sliced types are not asked for.
	assert_equal "$(jq '.available_instances.read' "$SYS/.sim/ops")" 7
	ROOT=$BATS_TEST_TMPDIR/vfio
	a100 '"framework": "nvidia-vfio", "mig": true, "gpu_instances": [{"id": 3, "slices": 2}, {"id": 7, "slices": 1}, {"id": 8, "slices": 1}]' \
		'{"parent": "0000:21:00.4", "type": 474},{"parent": "0000:21:00.5", "type": 475}'
	smi 7 1g.5gb 8 1g.5gb 3 2g.10gb
	ops_reset
	pve_vgpu types > /dev/null 2>&1
	[ "$(ops)" -le $((16 + 1 + 2)) ]
	assert_equal "$(jq '.gpu_instance_id.read' "$SYS/.sim/ops")" 2
}

@test "mig: a free instance takes its type however many of other types there are" {
	local f

	for f in mdev nvidia-vfio; do
		a100 "\"framework\": \"$f\", \"mig\": true, \"gpu_instances\": [{\"id\": 7, \"slices\": 1, \"profile\": \"1g.5gb\"}, {\"id\": 8, \"slices\": 1, \"profile\": \"1g.5gb\"}, {\"id\": 1, \"slices\": 4, \"profile\": \"4g.20gb\"}]"
		run -0 pve_vgpu create A100-1-5C
		run -0 pve_vgpu create A100-1-5C
		run -0 pve_vgpu plan --fit
		refute_output 'full: 2 of 1'
		made A100-4-20C
		run -1 pve_vgpu create A100-4-20C
		refute_output 'full: 3 of 1'
		ROOT=$BATS_TEST_TMPDIR/second
	done
}
