#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `pve-vgpu create`: one vGPU for no VM.

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
T=devices/*/mdev_supported_types

# --- names -------------------------------------------------------------------------

@test "create: takes every spelling of a type" {
	local word

	a40
	for word in A40-24A 'NVIDIA A40-24A' nvidia-575 575 vfio-pci-575 pci-575 a40-24a 'nvidia a40_24a' ' A40 24A '; do
		run -0 pve_vgpu create "$word" --dry-run
		assert_output 'would make A40-24A (nvidia-575) on 0000:e8:00.4, GPU 0000:e8:00.0'
	done
}

@test "create: takes Intel's spellings and makes one" {
	local word

	node_json <<-'J'
	{ "gpus": [ { "bdf": "0000:00:02.0", "vendor": "8086", "device": "5916", "class": "030000",
		"driver": "i915", "totalvfs": 0, "types": [ { "id": "GVTg_V5_4", "max_instance": 1 } ] } ] }
	J
	for word in i915-GVTg_V5_4 GVTg_V5_4 gvtg-v5-4; do
		run -0 pve_vgpu create "$word" --dry-run
		assert_output 'would make GVTg_V5_4 (i915-GVTg_V5_4) on 0000:00:02.0'
	done
	run -0 pve_vgpu create GVTg_V5_4
	assert_equal "$(mdevs | wc -l)" 1
	run -1 pve_vgpu create GVTg_V5_4
	assert_output 'the driver has no room for it'
}

@test "create: a name that is none gets the nearest, a name that lacks its letter all series" {
	a40
	run -1 pve_vgpu create A40-24
	assert_output "create 'A40-24': 'A40-24' is no vGPU type of this node; nearest: A40-24A, A40-24Q"
	assert_output "hint: 'pve-vgpu types' lists the types of this node"
	run -1 pve_vgpu create A40-24X
	assert_output 'nearest: A40-24A, A40-24Q'
	run -1 pve_vgpu create 24A
	assert_output "'24A' is no vGPU type of this node; nearest: A40-24A"
	run -1 pve_vgpu create A40
	assert_output "'A40' is no vGPU type of this node; nearest: A40-1A, A40-1B, A40-1Q, A40-2A"
	run -1 pve_vgpu create 5750
	assert_output "'5750' is no vGPU type of this node; nearest: A40-4A (nvidia-570), A40-24A (nvidia-575)"
	run -1 pve_vgpu create $'zz\033[31m'
	assert_output "'zz\\x1b[31m' is no vGPU type of this node"
	assert_equal "$(mdevs)" ''
}

@test "create: full and unknown here are two answers, on both frameworks" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		pve_vgpu create A40-48Q
		run -1 pve_vgpu create A40-48Q
		assert_output 'no GPU of this node has room'
		assert_output 'A40-48Q on 0000:e8:00.0: full: 1 of 1 (standalone)'
		assert_output 'hint: remove a vGPU or choose another type'
		run -1 pve_vgpu create A40-24A
		assert_output 'holds A40-48Q of 49152 MiB, and A40-24A has 24576 MiB: the vGPUs on one GPU are of equal size'
		run -1 pve_vgpu create A40-24X
		assert_output "'A40-24X' is no vGPU type of this node"
		refute_output 'room'
	done
}

@test "create: on a vendor card that others fill, names known from before say full" {
	a40 '"framework": "nvidia-vfio"'
	pve_vgpu types > /dev/null
	echo 575 > "$SYS/bus/pci/devices/0000:e8:00.4/nvidia/current_vgpu_type"
	echo 575 > "$SYS/bus/pci/devices/0000:e8:00.5/nvidia/current_vgpu_type"
	run -1 pve_vgpu create A40-24A
	assert_output 'no GPU of this node has room'
	assert_output 'the driver has no room for it'
	run -1 pve_vgpu create A40-24X
	assert_output "'A40-24X' is no vGPU type of this node; nearest: A40-24A, A40-24Q"
	refute_output 'room'
}

@test "create: on a vendor card that was full on the first run ever, nobody can tell" {
	node a40-full-vfio
	run -1 pve_vgpu create A40-24A
	assert_output "whether 'A40-24A' is a type of this node is not known: GPU 0000:e8:00.0 shows none now, as a full GPU does"
	assert_output 'hint: `pve-vgpu list` shows what holds the GPU'
}

@test "create: one driver in front of several VFs, the type's directory is that of each" {
	a40 '"vf_drivers": {"0000:e8:00.4": "vfio-pci"}'
	run -0 pve_vgpu create 575
	assert_output 'on 0000:e8:00.4'
	run -0 pve_vgpu create 575
	assert_output 'on 0000:e8:00.5'
	assert_equal "$(readlink "$SYS"/bus/mdev/devices/*/mdev_type | xargs -n1 basename | sort | tr '\n' ' ')" \
		'nvidia-575 vfio-pci-575 '
	assert_equal "$(pve_vgpu list --json | jq -c '[.[].type] | unique')" '["nvidia-575"]'
}

# --- what comes out ----------------------------------------------------------------

@test "create: makes it, with a random UUID, and records it as standalone" {
	local id other

	a40
	id=$(pve_vgpu create A40-24A --json | jq -r .uuid)
	other=$(pve_vgpu create A40-24A --json | jq -r .uuid)
	[[ $id =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	[ "$id" != "$other" ]
	assert_equal "$(mdevs | sort)" "$(printf '%s\n' "$id" "$other" | sort)"
	assert_equal "$(jq -c '[.vmid, .phase, .vgpus[0].type, .vgpus[0].created]' "$ROOT/run/pve-vgpu/standalone/$id.json")" \
		'[null,"created","nvidia-575",true]'
	assert_equal "$(pve_vgpu list --json | jq -c '[.[].owner] | unique')" '["standalone"]'
}

@test "create --json: says what and where, on both frameworks" {
	a40
	assert_equal "$(pve_vgpu create A40-24A --uuid $U1 --json | jq -c .)" \
		"{\"uuid\":\"$U1\",\"gpu\":\"0000:e8:00.0\",\"parent\":\"0000:e8:00.4\",\"type\":\"nvidia-575\",\"name\":\"A40-24A\",\"framework\":\"mdev\"}"
	ROOT=$BATS_TEST_TMPDIR/second
	a40 '"framework": "nvidia-vfio"'
	assert_equal "$(pve_vgpu create A40-24A --json | jq -c '[.uuid, .parent, .framework]')" '[null,"0000:e8:00.4","nvidia-vfio"]'
	assert_equal "$(current 0000:e8:00.4)" 575
	[ -e "$ROOT/run/pve-vgpu/standalone/0000:e8:00.4.json" ]
	# PVE's list is of VMs' devices, and this is no VM's.
	[ ! -e "$ROOT/run/qemu-server/pci-id-reservations" ]
}

@test "create --dry-run: changes nothing at all, not even what was learned" {
	local f before

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		before=$(tree)
		ops_reset
		run -0 pve_vgpu create A40-24A --dry-run
		assert_output 'would make A40-24A (nvidia-575) on 0000:e8:00.4'
		assert_equal "$(jq '[.[] | objects | .write] | add' "$SYS/.sim/ops")" 0
		assert_equal "$(tree)" "$before"
		assert_equal "$(pve_vgpu create A40-24A --dry-run --json | jq -r .parent)" 0000:e8:00.4
	done
	node a40-full-mdev
	run -1 pve_vgpu create A40-24A --dry-run
	assert_output 'full: 2 of 2 (foreign, foreign)'
	assert_output 'hint:'
}

# --- --uuid ------------------------------------------------------------------------

@test "create --uuid: what is no UUID is wrong usage" {
	local u

	a40
	for u in '' x 11111111-aaaa-4bbb-8ccc-00000000000 "$U1 " "../$U1" 11111111aaaa4bbb8ccc000000000001; do
		run -2 pve_vgpu create A40-24A --uuid "$u"
		assert_output 'is no UUID'
	done
	assert_equal "$(mdevs)" ''
}

@test "create --uuid: capitals are the same UUID" {
	a40
	run -0 pve_vgpu create A40-24A --uuid ${U1^^}
	assert_equal "$(mdevs)" $U1
}

@test "create --uuid: one that exists is refused, and whose it is is said" {
	a40 '' "{\"parent\": \"0000:e8:00.4\", \"type\": 560, \"uuid\": \"$U1\"}"
	run -1 pve_vgpu create A40-4A --uuid $U1
	assert_output "--uuid $U1 is in use: it is somebody else's A40-4Q on 0000:e8:00.4"
	assert_output 'hint: leave --uuid out'
	pve_vgpu create A40-4A --uuid $U2
	run -1 pve_vgpu create A40-4A --uuid ${U2^^}
	assert_output 'it is a standalone A40-4A on 0000:e8:00.5'
	vm 100
	intent 100 A40-4A
	hook 100 pre-start
	run -1 pve_vgpu create A40-4A --uuid "$(uuid 100)"
	assert_output "it is vm 100's A40-4A on 0000:e8:00.6"
	assert_equal "$(mdevs | wc -l)" 3
}

@test "create --uuid: what Proxmox gives a VM's vGPU is refused" {
	a40
	run -1 pve_vgpu create A40-4A --uuid "$(uuid 100)"
	assert_output "--uuid $(uuid 100) is what Proxmox gives hostpci0 of vm 100"
	assert_output 'hint: leave --uuid out'
	run -1 pve_vgpu create A40-4A --uuid "$(uuid 100 2)" --dry-run
	assert_output 'hostpci2 of vm 100'
	assert_equal "$(mdevs)" ''
}

@test "create --uuid: vendor VFIO has none, and that is said" {
	a40 '"framework": "nvidia-vfio"'
	run -1 pve_vgpu create A40-24A --uuid $U1
	assert_output 'with vendor VFIO, as here, a vGPU has no UUID'
	assert_equal "$(vendor_vgpus)" ''
}

# --- --gpu -------------------------------------------------------------------------

@test "create --gpu: on that GPU alone" {
	node a40x8-mdev
	run -0 pve_vgpu create A40-24A --gpu E8:00.0
	assert_output 'on 0000:e8:00.4, GPU 0000:e8:00.0'
	pve_vgpu create A40-24A --gpu 0000:e8:00.0
	run -1 pve_vgpu create A40-24A --gpu 0000:e8:00.0
	assert_output 'A40-24A on 0000:e8:00.0: full: 2 of 2'
	assert_output 'left out by --gpu'
}

@test "create --gpu: what is no address is wrong usage, what is no GPU a failure" {
	a40
	run -2 pve_vgpu create A40-24A --gpu e8:00
	assert_output "--gpu 'e8:00' is no PCI address such as 0000:3b:00.0"
	run -1 pve_vgpu create A40-24A --gpu 0000:01:00.0
	assert_output "--gpu '0000:01:00.0' is no GPU with vGPUs"
	assert_output 'hint: `pve-vgpu types` shows the GPUs of this node'
	run -1 pve_vgpu create A40-24A --gpu 0000:e8:00.4
	assert_output 'hint: it is a VF: --gpu 0000:e8:00.0 names its GPU'
}

# --- --params ----------------------------------------------------------------------

@test "create --params: written to the vGPU, on both frameworks" {
	a40
	pve_vgpu create A40-24A --uuid $U1 --params frame_rate_limiter=0,disable_vnc=1
	assert_equal "$(cat "$SYS/bus/mdev/devices/$U1/nvidia/vgpu_params")" 'frame_rate_limiter=0,disable_vnc=1'
	ROOT=$BATS_TEST_TMPDIR/second
	a40 '"framework": "nvidia-vfio"'
	pve_vgpu create A40-24A --params frame_rate_limiter=0
	assert_equal "$(cat "$SYS/bus/pci/devices/0000:e8:00.4/nvidia/vgpu_params")" frame_rate_limiter=0
}

@test "create --params: another form is wrong usage" {
	local p

	a40
	for p in '' x x= =1 'a=1,' 'a=1,,b=2' 'a=1 b=2' 'a=1=2' $'a=1\n' 'a b=1' 'a;b=1'; do
		run -2 pve_vgpu create A40-24A --params "$p"
		assert_output 'is not of the form name=value,name=value'
	done
	assert_equal "$(mdevs)" ''
}

@test "create --params: where they cannot be written or are lost, the vGPU goes again" {
	local f e

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		for e in EINVAL EIO LOST; do
			fault write '*/vgpu_params' $e
			run -1 pve_vgpu create A40-24A --params frame_rate_limiter=0
			assert_output 'vgpu_params'
			assert_equal "$(pve_vgpu list)" ''
			assert_equal "$(ls "$ROOT/run/pve-vgpu/standalone")" ''
		done
		assert_output "the driver kept ''"
	done
}

# --- a driver that refuses ---------------------------------------------------------

@test "create: refused on one VF, it is made on the next place, whatever the errno" {
	local e

	node a40x8-mdev
	for e in EBUSY ENOSPC EINVAL EIO EPERM LOST; do
		fault write 'devices/*/0000:67:00.4/*/create' $e
		run -0 --separate-stderr pve_vgpu create A40-24A --json
		assert_equal "$(jq -r .gpu <<< "$output")" 0000:68:00.0
		[[ $stderr == *"A40-24A on 0000:67:00.4: "*"trying the next place"* ]]
		pve_vgpu remove "$(jq -r .uuid <<< "$output")"
		assert_equal "$(mdevs)" ''
	done
}

@test "create: refused on one vendor VF, the next one is tried" {
	local e

	a40 '"framework": "nvidia-vfio"'
	for e in EBUSY ENOSPC EINVAL EIO EPERM LOST; do
		fault write '*/0000:e8:00.4/nvidia/current_vgpu_type' $e
		run -0 --separate-stderr pve_vgpu create A40-24A --json
		assert_equal "$(jq -r .parent <<< "$output")" 0000:e8:00.5
		pve_vgpu remove 0000:e8:00.5
	done
}

@test "create: refused everywhere, the reasons are given and nothing is left" {
	node p40x2
	fault write '*/create' EIO 100
	run -1 pve_vgpu create P40-2Q
	assert_output 'P40-2Q on 0000:3b:00.0'
	assert_output 'Input/output error'
	assert_equal "$(mdevs)" ''
	assert_equal "$(ls "$ROOT/run/pve-vgpu/standalone")" ''
}

@test "create: two at once get two places, and the third is refused" {
	local f i ok=0

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		delay '*/0000:e8:*' 10
		PIDS='' ok=0
		for i in 1 2 3; do
			"$PVE_VGPU" --root "$ROOT" create A40-24A > "$BATS_TEST_TMPDIR/out$i" 2>&1 &
			PIDS+=" $!"
		done
		for i in $PIDS; do
			wait "$i" && ok=$((ok + 1))
		done
		PIDS=''
		assert_equal $ok 2
		# Which of the two depends on whether the third has seen the GPU's whole list.
		grep -Eq 'full: 2 of 2|the driver has no room for it' "$BATS_TEST_TMPDIR"/out?
		assert_equal "$(pve_vgpu list --json | jq -c '[.[].parent] | unique | length')" 2
	done
}

@test "create: the same UUID asked for twice at once is made once" {
	local i ok=0

	a40
	delay '*/0000:e8:*' 10
	for i in 1 2; do
		"$PVE_VGPU" --root "$ROOT" create A40-24A --uuid $U1 > "$BATS_TEST_TMPDIR/out$i" 2>&1 &
		PIDS+=" $!"
	done
	for i in $PIDS; do
		wait "$i" && ok=$((ok + 1))
	done
	PIDS=''
	assert_equal $ok 1
	assert_equal "$(mdevs)" $U1
	[ -e "$ROOT/run/pve-vgpu/standalone/$U1.json" ]
}

@test "create: a node without GPUs says that it has no types" {
	node_json <<< '{ "gpus": [] }'
	run -1 pve_vgpu create A40-24A
	assert_output 'it has no vGPU types at all'
}
