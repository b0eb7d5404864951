#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `pve-vgpu types`: which types there are, and how many more of each fit.

load helper

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

U1=11111111-aaaa-4bbb-8ccc-000000000001
U2=11111111-aaaa-4bbb-8ccc-000000000002
PF=0000:e8:00.0

# only NAMES…: of all types these alone have room
only() {
	jq -r 'to_entries[] | select(.value > 0) | .key' | sort | tr '\n' ' ' | sed 's/ $//'
}

# --- what a row holds --------------------------------------------------------------

@test "types --json: a row has all fields, of mdev and of vendor VFIO" {
	local row want

	a40 '"framework": "mdev"'
	row=$(pve_vgpu types --json | jq -c '.[] | select(.id == 575)')
	want='{"gpu":"0000:e8:00.0","framework":"mdev","type":"nvidia-575","id":575,"name":"A40-24A",'
	want+='"full_name":"NVIDIA A40-24A","framebuffer_mib":24576,"max_instance":2,"available":2,"available_at_least":false,'
	want+='"mig":false,"gpu_instances":0,"instances":[],"offered":true,"parent":null,"path":null,"driver":null}'
	assert_equal "$row" "$want"
	node_teardown
	MOUNTED=''
	ROOT=$BATS_TEST_TMPDIR/second
	a40 '"framework": "nvidia-vfio"'
	row=$(pve_vgpu types --json | jq -c '.[] | select(.id == 575)')
	want=${want/'"mdev"'/'"nvidia-vfio"'}
	assert_equal "$row" "${want/'"max_instance":2'/'"max_instance":null'}"
}

@test "types --json: Intel's types have a string for an id and no sizes" {
	node_json <<-'J'
	{ "gpus": [ { "bdf": "0000:00:02.0", "vendor": "8086", "device": "5916", "class": "030000",
		"driver": "i915", "totalvfs": 0, "types": [
		{ "id": "GVTg_V5_2", "max_instance": 2, "description": "low_gm_size: 256MB\nfence: 4\n" },
		{ "id": "GVTg_V5_4", "max_instance": 4 } ] } ] }
	J
	assert_equal "$(pve_vgpu types --json | jq -c '.[] | [.type, .id, .name, .full_name, .framebuffer_mib, .max_instance]')" \
'["i915-GVTg_V5_2","GVTg_V5_2","GVTg_V5_2","GVTg_V5_2",null,null]
["i915-GVTg_V5_4","GVTg_V5_4","GVTg_V5_4","GVTg_V5_4",null,null]'
	assert_equal "$(available)" '{"GVTg_V5_2":2,"GVTg_V5_4":4}'
	pve_vgpu create GVTg_V5_2
	assert_equal "$(available)" '{"GVTg_V5_2":1,"GVTg_V5_4":2}'
}

@test "types: in a pipe one record a line, fields between tabs, no header, no colour" {
	a40
	run -0 pve_vgpu types
	assert_equal "${#lines[@]}" 22
	assert_equal "$(grep -c "A40-24A" <<< "$output")" 1
	assert_output $'0000:e8:00.0\tA40-24A\tnvidia-575\t24576\t2\t2'
	refute_output $'\033'
}

@test "types: on a terminal columns under a header, colour, and none with NO_COLOR" {
	a40 '' "{\"parent\": \"0000:e8:00.4\", \"type\": 575, \"uuid\": \"$U1\"}"
	run -0 on_tty "$PVE_VGPU" --root "$ROOT" types
	assert_output 'GPU           NAME     TYPE'
	assert_output $'\033['
	assert_output '0000:e8:00.0  A40-24A  nvidia-575  24576  2    1'
	NO_COLOR=1 run -0 on_tty "$PVE_VGPU" --root "$ROOT" types
	assert_output '0000:e8:00.0  A40-24A  nvidia-575'
	refute_output $'\033'
}

@test "types: a node without GPUs says what to look at, and JSON is an empty array" {
	node_json <<< '{ "gpus": [ { "bdf": "0000:04:00.0", "driver": "vfio-pci", "framework": "none" } ] }'
	run -0 pve_vgpu types
	assert_output 'no GPU of this node offers vGPUs'
	assert_output 'nvidia_vgpu_vfio'
	assert_equal "$(pve_vgpu types --json 2>/dev/null | jq -c .)" '[]'
}

@test "types: a node without sysfs at all is a node without GPUs" {
	ROOT=$BATS_TEST_TMPDIR/bare
	mkdir -p "$ROOT"
	run -0 pve_vgpu types
	assert_output 'no GPU of this node offers vGPUs'
}

# --- how many fit ------------------------------------------------------------------

@test "types: an empty A40 has room for what the memory and the VFs allow, on both frameworks" {
	local f want='{"A40-1Q":32,"A40-2Q":24,"A40-3Q":16,"A40-4Q":12,"A40-6Q":8,"A40-8Q":6,"A40-12Q":4,"A40-16Q":3,"A40-24Q":2,"A40-48Q":1}'

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		assert_equal "$(available | jq -c 'with_entries(select(.key | endswith("Q")))')" "$want"
	done
}

@test "types: after one of each size that size alone has room, one less, on both frameworks" {
	local f size n id max

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		pve_vgpu types > /dev/null
		for size in 1:32 2:24 3:16 4:12 6:8 8:6 12:4 16:3 24:2 48:1; do
			n=${size%:*} max=${size#*:}
			id=$(pve_vgpu create "A40-${n}Q" --json | jq -r '.uuid // .parent')
			available > "$BATS_TEST_TMPDIR/now"
			assert_equal "$(jq ".[\"A40-${n}A\"]" "$BATS_TEST_TMPDIR/now")" $((max - 1))
			assert_equal "$(jq '[.[] | select(. > 0)] | length' "$BATS_TEST_TMPDIR/now")" \
				"$([ $max = 1 ] && echo 0 || { [ $n -lt 3 ] && echo 3 || echo 2; })"
			pve_vgpu remove "$id"
		done
		assert_equal "$(available | jq -c '[.["A40-1Q"], .["A40-48Q"]]')" '[32,1]'
	done
}

@test "types: a full GPU has room for nothing, on both frameworks" {
	node a40-full-mdev
	assert_equal "$(available | jq -c '[length, add]')" '[22,0]'
	ROOT=$BATS_TEST_TMPDIR/second
	a40 '"framework": "nvidia-vfio"'
	pve_vgpu create A40-48Q
	assert_equal "$(available | jq -c '[length, add]')" '[22,0]'
}

@test "types: after a 2 GB vGPU a P40 has 11 left of every 2 GB type, B4 too, and 0 of the rest" {
	node p40x2
	pve_vgpu create P40-2B --gpu 0000:3b:00.0
	assert_equal "$(available 0000:3b:00.0 | jq -c 'with_entries(select(.value > 0))')" \
		'{"P40-2Q":11,"P40-2A":11,"P40-2B":11,"P40-2B4":11}'
	assert_equal "$(available 0000:af:00.0 | jq -c '[.["P40-2Q"], .["P40-24Q"]]')" '[12,1]'
}

@test "types: on a GPU in mixed-size mode what fits into the memory counts" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"mixed_size\": true, \"framework\": \"$f\""
		pve_vgpu create A40-24Q
		assert_equal "$(available | jq -c '[.["A40-48Q"], .["A40-24A"], .["A40-16Q"], .["A40-8Q"], .["A40-2B"]]')" \
			'[0,1,1,3,12]'
	done
}

@test "types: MIG-backed types have room where an instance is free, time-sliced ones none" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"types\": \"A100\", \"totalvfs\": 16, \"memory_mib\": 40960, \"mig\": true, \"framework\": \"$f\",
			\"gpu_instances\": [ {\"id\": 3, \"slices\": 2} ]"
		assert_equal "$(available | only)" A100-2-10C
		assert_equal "$(available | jq '.["A100-2-10C"]')" 1
		pve_vgpu create A100-2-10C
		assert_equal "$(available | only)" ''
	done
}

@test "types: with MIG on and no instance nothing fits; with MIG off the time-sliced types do" {
	a40 '"types": "A100", "totalvfs": 16, "memory_mib": 40960, "mig": true'
	assert_equal "$(available | jq -c add)" 0
	ROOT=$BATS_TEST_TMPDIR/second
	a40 '"types": "A100", "totalvfs": 16, "memory_mib": 40960'
	assert_equal "$(available | only)" 'A100-10C A100-20C A100-40C A100-4C A100-5C A100-8C'
	assert_equal "$(available | jq -c '[.["A100-4C"], .["A100-40C"]]')" '[10,1]'
}

@test "types: vGPUs of others count" {
	node a40-foreign
	assert_equal "$(available | jq -c 'with_entries(select(.value > 0))')" '{"A40-4Q":10,"A40-4A":10}'
}

@test "types: the first run ever on vendor VFIO, beside somebody's vGPU, promises one more of that size" {
	a40 '"framework": "nvidia-vfio"' '{"parent": "0000:e8:00.4", "type": 558}'
	assert_equal "$(available | jq -c '[.[] | . >= 1] | unique')" '[true]'
	assert_equal "$(available | only)" 'A40-2A A40-2B A40-2Q'
}

@test "types: once the GPU was seen empty, the same count is exact" {
	a40 '"framework": "nvidia-vfio"'
	pve_vgpu types > /dev/null
	echo 558 > "$SYS/bus/pci/devices/0000:e8:00.4/nvidia/current_vgpu_type"
	assert_equal "$(available | jq -c '[.["A40-2A"], .["A40-24A"]]')" '[23,0]'
}

claim() {	# VMID PARENT NUMBER MIB FRAMEWORK
	mkdir -p "$ROOT/run/pve-vgpu"
	jq -n --arg p "$2" --arg f "$5" --arg u "$(uuid "$1")" --argjson v "$1" --argjson n "$3" --argjson m "$4" '
		{ version: 1, vmid: $v, phase: "claimed", claimed_ms: 1, qemu: null, attached: true, vgpus: [
		{ index: 0, framework: $f, gpu: "0000:e8:00.0", parent: $p, type: "nvidia-\($n)", name: "x",
		  framebuffer_mib: $m, uuid: (if $f == "mdev" then $u else null end), created: false } ] }' \
		> "$ROOT/run/pve-vgpu/$1.json"
}

@test "types: what is claimed and not made yet is taken, on both frameworks" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		claim 100 0000:e8:00.4 575 24576 $f
		assert_equal "$(available | jq -c 'with_entries(select(.value > 0))')" \
			'{"A40-24Q":1,"A40-24A":1}'
		claim 101 0000:e8:00.5 575 24576 $f
		assert_equal "$(available | jq -c add)" 0
	done
}

@test "types: a claim on a GPU whose driver counts itself is taken off its count" {
	node p40x2
	mkdir -p "$ROOT/run/pve-vgpu"
	claim 100 0000:3b:00.0 156 2048 mdev
	sed -i 's/0000:e8:00.0/0000:3b:00.0/' "$ROOT/run/pve-vgpu/100.json"
	assert_equal "$(available 0000:3b:00.0 | jq -c 'with_entries(select(.value > 0))')" \
		'{"P40-2Q":11,"P40-2A":11,"P40-2B":11,"P40-2B4":11}'
}

@test "types: the number is the type whatever driver stands before it, and the first VF may lack one" {
	a40 '"vf_drivers": {"0000:e8:00.4": "vfio-pci", "0000:e8:00.5": null}'
	assert_equal "$(pve_vgpu types --json | jq -r '.[0].type')" nvidia-555
	assert_equal "$(available | jq -c '[length, .["A40-24A"]]')" '[22,2]'
}

# --- what cannot be read -----------------------------------------------------------

@test "types: a VF whose attributes give EIO is passed over, another one is asked" {
	a40
	fault 'read' 'devices/*/0000:e8:00.4/*' EIO 1000
	run -0 --separate-stderr pve_vgpu types --json
	assert_equal "$(jq -c '[length, ([.[].available] | add)]' <<< "$output")" '[22,272]'
}

@test "types: a GPU that cannot be read at all is reported, the others are listed" {
	node p40x2
	fault 'read' 'devices/*/0000:3b:00.0/*' EIO 1000
	run -0 --separate-stderr pve_vgpu types --json
	assert_equal "$(jq -c '[.[].gpu] | unique' <<< "$output")" '["0000:af:00.0"]'
	output=$stderr
	assert_output '0000:3b:00.0: type'
	assert_output 'Input/output error'
}

@test "types: room that cannot be read is null, with one line for the GPU" {
	a40
	pve_vgpu types > /dev/null
	fault 'read' '*/available_instances' EIO 1000
	run -0 --separate-stderr pve_vgpu types --json
	assert_equal "$(jq -c '[length, ([.[].available] | unique)]' <<< "$output")" '[22,[null]]'
	assert_equal "${#stderr_lines[@]}" 1
	output=$stderr
	assert_output 'GPU 0000:e8:00.0: room is not known for all types'
	assert_output 'Input/output error'
	run -0 --separate-stderr pve_vgpu types
	assert_output $'nvidia-575\t24576\t2\t?'
}

@test "types: a vendor list that cannot be read is read from the next VF" {
	a40 '"framework": "nvidia-vfio"'
	fault 'read' '*/0000:e8:00.[45]/nvidia/creatable_vgpu_types' EIO 2
	assert_equal "$(available | jq -c '[length, .["A40-24A"]]')" '[22,2]'
}

@test "types: a VF that is gone is not there, and its GPU is" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		echo 0000:e8:00.4 > "$SYS/.sim/vanish"
		assert_equal "$(available | jq -c '[length, .["A40-1Q"], .["A40-24A"]]')" '[22,31,2]'
	done
}

@test "types: VFs that vanish while they are read do no harm" {
	local i

	node a40x8-mdev
	delay 'devices/*/0000:67:00.*/*' 15
	"$PVE_VGPU" --root "$ROOT" types --json > "$BATS_TEST_TMPDIR/out" 2> "$BATS_TEST_TMPDIR/err" &
	PIDS=$!
	for i in 4 5 6 7; do
		sleep 0.03
		echo "0000:67:00.$i" > "$SYS/.sim/vanish"
	done
	wait $PIDS
	PIDS=''
	assert_equal "$(jq '[.[] | select(.gpu != "0000:67:00.0")] | length' "$BATS_TEST_TMPDIR/out")" $((7 * 22))
}

@test "types: a whole GPU that is gone leaves the others" {
	local i

	node p40x2
	echo 0000:3b:00.0 > "$SYS/.sim/vanish"
	assert_equal "$(pve_vgpu types --json | jq -c '[.[].gpu] | unique')" '["0000:af:00.0"]'
}

# --- hostile strings ---------------------------------------------------------------

@test "types: trailing blanks and control characters of a name reach neither terminal nor JSON" {
	a40 '"types": [ {"id": 1, "name": "NVIDIA A40-24A  ", "framebuffer_mib": 24576, "max_instance": 2},
		{"id": 2, "name": "\u001b[2J\u001b]0;x\u0007 A40-8\u009bQ", "framebuffer_mib": 8192, "max_instance": 2},
		{"id": 3, "name": "  ", "framebuffer_mib": 8192, "max_instance": 2},
		{"id": 4, "name": "NVIDIA\tA40-4Q\nx", "framebuffer_mib": 4096, "max_instance": 2} ]'
	run -0 pve_vgpu types
	refute_output $'\033'
	refute_output $'\302\233'
	assert_output $'\tA40-24A\tnvidia-1\t'
	assert_equal "${#lines[@]}" 4
	assert_equal "$(pve_vgpu types --json | jq -r '.[] | select(.id == 2) | .full_name')" '?[2J?]0;x? A40-8?Q'
	assert_equal "$(pve_vgpu types --json | jq -r '.[] | select(.id == 3) | .name')" 3
	pve_vgpu create 'A40-24A'
}

@test "types: a name that is no UTF-8 gives valid JSON" {
	node_json < <(printf '{"gpus":[{"bdf":"0000:e8:00.0","types":[{"id":1,"name":"NVIDIA A40-\xff\xfe8Q","framebuffer_mib":8192,"max_instance":2}]}]}')
	pve_vgpu types --json | python3 -c 'import json, sys; d = json.loads(sys.stdin.buffer.read().decode()); assert d[0]["name"] == "A40-??8Q", d'
}

@test "types: a description with unknown fields or garbage is read as far as it goes" {
	a40 '"types": [ {"id": 1, "name": "NVIDIA A40-8Q", "description": "new=1, framebuffer=8192M, other=x y, max_instance=6, z"},
		{"id": 2, "name": "NVIDIA A40-4Q", "description": "\u0001\u0002 framebuffer=99999999999999999999M max_instance=-1"},
		{"id": 3, "name": "NVIDIA A40-2Q", "description": ""} ]'
	assert_equal "$(pve_vgpu types --json | jq -c '.[] | [.id, .framebuffer_mib, .max_instance]' | sort)" \
'[1,8192,6]
[2,4096,null]
[3,2048,null]'
}

@test "types: a huge name is cut" {
	node_json < <(printf '{"gpus":[{"bdf":"0000:e8:00.0","types":[{"id":1,"name":"NVIDIA %s","framebuffer_mib":8192,"max_instance":2}]}]}' \
		"$(head -c 3000 /dev/zero | tr '\0' A)")
	assert_equal "$(pve_vgpu types --json | jq '.[0].full_name | length <= 128')" true
}

# --- others on the bus -------------------------------------------------------------

@test "types: parents that are no PCI device are never offered" {
	node_json <<-'J'
	{ "gpus": [ {"bdf": "0000:e8:00.0"} ],
	  "parents": [ { "path": "css0/0.0.0313", "driver": "vfio_ccw", "device_api": "vfio-ccw",
		"types": [ { "id": "io", "max_instance": 1 } ] } ] }
	J
	assert_equal "$(pve_vgpu types --json | jq -c '[.[] | select(.offered).gpu] | unique')" '["0000:e8:00.0"]'
	run -1 pve_vgpu create vfio_ccw-io
	assert_output "'vfio_ccw-io' is no vGPU type of this node"
}

# --- what was seen before ----------------------------------------------------------

@test "types: a damaged catalog is read again, and written anew" {
	local text

	a40
	pve_vgpu types > /dev/null
	for text in '' '{' '[]' 'null' '{"version":1,"driver":"","types":7,"gpus":[1]}' \
		'{"version":1,"driver":"","types":[1,{"type":"nvidia-575"},{"type":1,"full_name":2}],"gpus":[{"gpu":"x"},{"gpu":"0000:e8:00.0","types":[1,[]]}]}'; do
		printf '%s' "$text" > "$ROOT/var/lib/pve-vgpu/types.json"
		assert_equal "$(available | jq -c '[length, .["A40-24A"]]')" '[22,2]'
		jq -e '.types | length >= 22' "$ROOT/var/lib/pve-vgpu/types.json"
	done
}

@test "types: under another driver version the names are read again" {
	a40
	mkdir -p "$ROOT/proc/driver/nvidia"
	echo 'NVRM version: 550.163.02' > "$ROOT/proc/driver/nvidia/version"
	pve_vgpu types > /dev/null
	ops_reset
	pve_vgpu types > /dev/null
	assert_equal "$(jq '.name.read // 0' "$SYS/.sim/ops")" 0
	sed -i 's/A40-24A/A40-99Z/' "$ROOT/var/lib/pve-vgpu/types.json"
	assert_equal "$(available | jq 'has("A40-99Z")')" true
	echo 'NVRM version: 570.1' > "$ROOT/proc/driver/nvidia/version"
	assert_equal "$(available | jq -c '[has("A40-99Z"), has("A40-24A")]')" '[false,true]'
}

@test "types: a /var that cannot be written is no failure" {
	a40
	rm -rf "$ROOT/var/lib"
	: > "$ROOT/var/lib"
	run -0 --separate-stderr pve_vgpu types
	assert_equal "${#lines[@]}" 22
	run -0 pve_vgpu create A40-24A
}

@test "types: another board in the slot of a vendor VFIO GPU shows its own types" {
	a40 '"framework": "nvidia-vfio"'
	pve_vgpu types > /dev/null
	node_teardown
	MOUNTED=''
	a40 '"framework": "nvidia-vfio", "types": "L40S"'
	run -1 pve_vgpu create A40-24A
	assert_output "the driver has no room for it"
	run -0 pve_vgpu create L40S-8Q
	assert_equal "$(available | jq 'has("A40-24A")')" false
	run -1 pve_vgpu create A40-24A
	assert_output "'A40-24A' is no vGPU type of this node"
}

@test "types: a GPU that was taken out is forgotten" {
	node a40x8-vfio
	pve_vgpu types > /dev/null
	node_teardown
	MOUNTED=''
	a40 '"framework": "nvidia-vfio", "types": "L40S"'
	assert_equal "$(available | jq 'has("A40-24A")')" false
	run -1 pve_vgpu create A40-24A
	assert_output "'A40-24A' is no vGPU type of this node"
}

@test "types: names that vendor VFIO has taught are completed on the mdev bus" {
	a40 '"framework": "nvidia-vfio"'
	pve_vgpu types > /dev/null
	node_teardown
	MOUNTED=''
	a40
	assert_equal "$(pve_vgpu types --json | jq -c '.[] | select(.id == 575) | .max_instance')" 2
}

@test "types: a full vendor VFIO card that was never seen says so" {
	node a40-full-vfio
	run -0 --separate-stderr pve_vgpu types --json
	assert_equal "$(jq -c . <<< "$output")" '[]'
	output=$stderr
	assert_output 'GPU 0000:e8:00.0: shows no types now, as a full GPU does'
}
