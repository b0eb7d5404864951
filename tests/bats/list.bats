#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `pve-vgpu list`: the vGPUs that there are, whose they are, and who uses them.

load helper

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

U1=11111111-aaaa-4bbb-8ccc-000000000001

@test "list --json: a row has all fields, of mdev and of vendor VFIO" {
	a40 '' "{\"parent\": \"0000:e8:00.4\", \"type\": 575, \"uuid\": \"$U1\"}"
	assert_equal "$(pve_vgpu list --json | jq -c '.[] | [.uuid, .vmid, .gpu, .parent, .type, .name, .framework, .in_use]')" \
		"[\"$U1\",null,\"0000:e8:00.0\",\"0000:e8:00.4\",\"nvidia-575\",\"A40-24A\",\"mdev\",false]"
	ROOT=$BATS_TEST_TMPDIR/second
	a40 '"framework": "nvidia-vfio"' '{"parent": "0000:e8:00.4", "type": 575}'
	assert_equal "$(pve_vgpu list --json | jq -c '.[] | [.uuid, .vmid, .gpu, .parent, .type, .name, .framework, .in_use]')" \
		'[null,null,"0000:e8:00.0","0000:e8:00.4","nvidia-575","A40-24A","nvidia-vfio",false]'
}

@test "list: an empty node is an empty list" {
	a40
	run -0 pve_vgpu list
	assert_equal "$output" ''
	assert_equal "$(pve_vgpu list --json | jq -c .)" '[]'
}

@test "list: owners are a VM of ours, standalone, PVE's by its UUID or reservation, and foreign" {
	a40 '' "{\"parent\": \"0000:e8:00.4\", \"type\": 560, \"uuid\": \"$U1\"},
		{\"parent\": \"0000:e8:00.5\", \"type\": 560, \"uuid\": \"00000001-0000-0000-0000-000000000102\"}"
	vm 100
	intent 100 A40-4Q
	hook 100 pre-start
	pve_vgpu create A40-4Q
	assert_equal "$(pve_vgpu list --json | jq -c '[.[] | [.parent, .owner, .vmid, .index]]')" \
		'[["0000:e8:00.4","foreign",null,null],["0000:e8:00.5","pve",102,1],["0000:e8:00.6","vm",100,0],["0000:e8:00.7","standalone",null,null]]'
	run -0 pve_vgpu list
	assert_output $'0000:e8:00.6\tA40-4Q\tnvidia-560\t00000000-0000-0000-0000-000000000100\tvm 100\tidle'
	assert_output $'\tstandalone\tidle'
}

@test "list: a vendor VF that PVE has reserved is that VM's" {
	a40 '"framework": "nvidia-vfio"' '{"parent": "0000:e8:00.4", "type": 575}'
	echo "0000:e8:00.4 103 time:$(($(date +%s) + 60))" > "$ROOT/run/qemu-server/pci-id-reservations"
	assert_equal "$(pve_vgpu list --json | jq -c '.[] | [.owner, .vmid, .index]')" '["pve",103,null]'
}

@test "list: in use is what a process has open" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		vm 100
		settings '[vm 100]' 'hostpci0 = A40-24A'
		hook 100 pre-start
		qemu 100 "$(pve_vgpu list --json | jq -r '.[0] | .uuid // .parent')"
		assert_equal "$(pve_vgpu list --json | jq -c '.[] | [.vmid, .in_use]')" '[100,true]'
		run -0 pve_vgpu list
		assert_output $'vm 100\tin use'
	done
}

@test "list: a claim that is not made yet is shown as one" {
	a40
	vm 100
	intent 100 A40-24A
	hook 100 pre-start
	echo 1 > "$SYS/bus/mdev/devices/$(uuid 100)/remove"
	assert_equal "$(pve_vgpu list --json | jq -c '.[] | [.vmid, .exists, .in_use]')" '[100,false,false]'
	run -0 pve_vgpu list
	assert_output $'vm 100\tclaimed'
}

@test "list: an mdev on a parent that is no PCI device is shown, with no GPU" {
	node_json <<-J
	{ "gpus": [ {"bdf": "0000:e8:00.0"} ],
	  "parents": [ { "path": "css0/0.0.0313", "driver": "vfio_ccw", "device_api": "vfio-ccw",
		"types": [ { "id": "io", "max_instance": 1 } ] } ],
	  "vgpus": [ {"parent": "0.0.0313", "type": "io", "uuid": "$U1"} ] }
	J
	assert_equal "$(pve_vgpu list --json | jq -c '.[] | [.uuid, .gpu, .parent, .type, .owner]')" \
		"[\"$U1\",null,\"0.0.0313\",\"vfio_ccw-io\",\"foreign\"]"
	run -0 pve_vgpu list
	assert_output $'-\t0.0.0313\tvfio_ccw-io\tvfio_ccw-io\t'
}

@test "list: on a terminal a tree, with a bar for the frame buffer and colour, none with NO_COLOR" {
	a40 '' "{\"parent\": \"0000:e8:00.4\", \"type\": 575, \"uuid\": \"$U1\"}"
	run -0 on_tty "$PVE_VGPU" --root "$ROOT" list
	assert_output $'\033[1m'
	assert_output '██████████░░░░░░░░░░  24576 of 49152 MiB, 1 vGPU'
	assert_output '  0000:e8:00.4  A40-24A'
	NO_COLOR=1 run -0 on_tty "$PVE_VGPU" --root "$ROOT" list
	assert_output 'GPU 0000:e8:00.0  ██████████░░░░░░░░░░  24576 of 49152 MiB'
	refute_output $'\033'
}

@test "list: on a terminal an empty GPU and one whose size is not known are shown all the same" {
	a40
	run -0 on_tty "$PVE_VGPU" --root "$ROOT" list
	assert_output '░░░░░░░░░░░░░░░░░░░░  0 of 49152 MiB, 0 vGPUs'
	ROOT=$BATS_TEST_TMPDIR/second
	node a40-full-vfio
	run -0 on_tty "$PVE_VGPU" --root "$ROOT" list
	assert_output '0 MiB, 2 vGPUs'
	assert_output '0000:e8:00.4  nvidia-575'
}

@test "list: a VF that cannot be read is reported, the others are listed" {
	a40 '"framework": "nvidia-vfio"' '{"parent": "0000:e8:00.4", "type": 575}, {"parent": "0000:e8:00.5", "type": 575}'
	pve_vgpu list > /dev/null
	fault 'read' '*/0000:e8:00.4/nvidia/current_vgpu_type' EIO
	run -0 --separate-stderr pve_vgpu list --json
	assert_equal "$(jq -c '[.[].parent]' <<< "$output")" '["0000:e8:00.5"]'
	output=$stderr
	assert_output 'VF 0000:e8:00.4 left out'
	assert_output 'Input/output error'
}

@test "list: a VF that is gone takes its vGPU along" {
	a40 '' "{\"parent\": \"0000:e8:00.4\", \"type\": 575, \"uuid\": \"$U1\"}"
	echo 0000:e8:00.4 > "$SYS/.sim/vanish"
	run -0 pve_vgpu list
	assert_equal "$output" ''
}

@test "list: a damaged run state is reported and harms nothing" {
	a40 '' "{\"parent\": \"0000:e8:00.4\", \"type\": 575, \"uuid\": \"$U1\"}"
	mkdir -p "$ROOT/run/pve-vgpu/standalone"
	echo '{' > "$ROOT/run/pve-vgpu/100.json"
	junk 100 > "$ROOT/run/pve-vgpu/standalone/x.json"
	run -0 --separate-stderr pve_vgpu list --json
	assert_equal "$(jq length <<< "$output")" 1
	output=$stderr
	assert_output "run state '/run/pve-vgpu/100.json' is damaged"
}

@test "list: hostile names of types do not reach the terminal raw" {
	a40 '"types": [ {"id": 575, "name": "\u001b[2JA40-24A\u202e", "framebuffer_mib": 24576, "max_instance": 2} ]' \
		"{\"parent\": \"0000:e8:00.4\", \"type\": 575, \"uuid\": \"$U1\"}"
	NO_COLOR=1 run -0 on_tty "$PVE_VGPU" --root "$ROOT" list
	refute_output $'\033'
	refute_output $'\342\200\256'
	assert_output '?[2JA40-24A?'
}

@test "list: the order is that of the addresses" {
	node a40x8-mdev
	pve_vgpu create A40-24A --gpu 0000:e8:00.0
	pve_vgpu create A40-24A --gpu 0000:67:00.0
	pve_vgpu create A40-24A --gpu 0000:67:00.0
	assert_equal "$(pve_vgpu list --json | jq -c '[.[].parent]')" '["0000:67:00.4","0000:67:00.5","0000:e8:00.4"]'
}
