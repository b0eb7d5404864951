#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `pve-vgpu create --configured`: the vGPUs that node.conf wants to be there for no VM.

load helper
load sriov_helper

PF=0000:e8:00.0
U1=11111111-aaaa-4bbb-8ccc-000000000001
U2=11111111-aaaa-4bbb-8ccc-000000000002

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

configured() {
	pve_vgpu create --configured "$@"
}

params_of() {
	cat "$SYS/bus/mdev/devices/$1/nvidia/vgpu_params"
}

@test "makes each that is not there, and a second time finds all of them" {
	a40
	node_conf "[vgpu $U1]" 'type = A40-24A' 'params = frame_rate_limiter=0' "[vgpu ${U2^^}]" 'type = nvidia-575' "gpu = $PF"
	run -0 --separate-stderr configured
	assert_equal "$output" "vgpu $U1: made: A40-24A (nvidia-575) on 0000:e8:00.4, GPU $PF, mdev $U1
vgpu $U2: made: A40-24A (nvidia-575) on 0000:e8:00.5, GPU $PF, mdev $U2"
	assert_equal "$stderr" ''
	assert_equal "$(mdevs | sort)" "$U1"$'\n'"$U2"
	assert_equal "$(params_of $U1)" 'frame_rate_limiter=0'
	assert_equal "$(params_of $U2)" ''
	assert_equal "$(pve_vgpu list --json | jq -c '[.[].owner] | unique')" '["standalone"]'
	tree > "$BATS_TEST_TMPDIR/before"
	run -0 configured
	assert_equal "$output" "vgpu $U1: there: A40-24A (nvidia-575) on 0000:e8:00.4, GPU $PF, mdev $U1
vgpu $U2: there: A40-24A (nvidia-575) on 0000:e8:00.5, GPU $PF, mdev $U2"
	tree | grep -v locks | diff <(grep -v locks "$BATS_TEST_TMPDIR/before") -
}

@test "on vendor VFIO a VF names it" {
	a40 '"framework": "nvidia-vfio"'
	node_conf '[vgpu 0000:e8:00.7]' 'type = A40-24A'
	run -0 configured
	assert_equal "$output" "vgpu 0000:e8:00.7: made: A40-24A (nvidia-575) on 0000:e8:00.7, GPU $PF"
	assert_equal "$(current 0000:e8:00.7)" 575
	run -0 configured
	assert_output 'there: A40-24A'
	assert_equal "$(vendor_vgpus)" '0000:e8:00.7 575'
}

@test "what is there and not ours stays, and stays whose it is" {
	a40 '"numvfs": 32' "{\"parent\": \"0000:e8:00.6\", \"type\": 575, \"uuid\": \"$U1\"}"
	node_conf "[vgpu $U1]" 'type = A40-24A'
	run -0 configured
	assert_output "vgpu $U1: there: A40-24A (nvidia-575) on 0000:e8:00.6"
	run -1 pve_vgpu remove $U1
	assert_output 'was not made by pve-vgpu'
}

@test "what is there with another type is refused, and the others are made" {
	node a40x8-mdev
	pve_vgpu create A40-12A --uuid $U1
	node_conf "[vgpu $U1]" 'type = A40-24A' "[vgpu $U2]" 'type = A40-24A'
	run -1 configured
	assert_output "vgpu $U1: it is there as A40-12A on 0000:"
	assert_output 'and node.conf has A40-24A'
	assert_output "hint: \`pve-vgpu remove $U1\` and then again, or type = A40-12A in its section"
	assert_output "vgpu $U2: made: A40-24A"
	assert_output 'create --configured: 1 of the 2 vGPUs of /etc/pve-vgpu/node.conf is not there'
	pve_vgpu remove $U1
	run -0 configured
	assert_output "vgpu $U1: made"
	assert_output "vgpu $U2: there"
}

@test "on vendor VFIO: another's type on the VF, and a VM's VF, are left alone" {
	a40 '"framework": "nvidia-vfio"'
	pve_vgpu types > /dev/null
	echo 573 > "$SYS/bus/pci/devices/0000:e8:00.4/nvidia/current_vgpu_type"
	node_conf '[vgpu 0000:e8:00.4]' 'type = A40-24A'
	run -1 configured
	assert_output 'vgpu 0000:e8:00.4: it is there as '
	assert_output 'hint: whoever made 0000:e8:00.4 has to remove it'
	assert_equal "$(current 0000:e8:00.4)" 573
	echo 0 > "$SYS/bus/pci/devices/0000:e8:00.4/nvidia/current_vgpu_type"
	vm 100 'hostpci0: 0000:e8:00.4,mdev=nvidia-575'
	intent 100 A40-24A
	hook 100 pre-start 2> /dev/null
	run -1 configured
	assert_output "0000:e8:00.4 is vm 100's"
	assert_equal "$(vendor_vgpus)" '0000:e8:00.4 575'
}

@test "gc never takes one, and no VM gets it" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		if [ $f = mdev ]; then
			node_conf "[vgpu $U1]" 'type = A40-24A'
		else
			node_conf '[vgpu 0000:e8:00.4]' 'type = A40-24A'
		fi
		configured
		vm 100
		intent 100 A40-24A
		vm 101
		intent 101 A40-24A
		hook 100 pre-start 2> /dev/null
		assert_equal "$(pve_vgpu list --json | jq -c '[.[].parent] | sort')" '["0000:e8:00.4","0000:e8:00.5"]'
		# full, and the dead are looked for: it is none of them
		run -1 hook 101 pre-start
		run -0 pve_vgpu gc
		refute_output standalone
		for claim in "$ROOT"/run/pve-vgpu/standalone/*.json; do
			jq '.claimed_ms = 1' "$claim" > "$claim.new"
			mv "$claim.new" "$claim"
		done
		hook 100 post-stop
		run -0 pve_vgpu gc
		assert_equal "$output" ''
		run -0 configured
		assert_output 'there: A40-24A'
	done
}

@test "a UUID that Proxmox gives a VM's vGPU is refused" {
	a40
	node_conf "[vgpu $(uuid 100 2)]" 'type = A40-24A'
	run -1 configured
	assert_output "the UUID is what Proxmox gives hostpci2 of vm 100"
	assert_output 'hint: take another one: `uuidgen` makes it'
	assert_equal "$(mdevs)" ''
}

@test "a UUID on vendor VFIO, an address on the mdev bus, a VF that is none" {
	a40 '"framework": "nvidia-vfio"'
	node_conf "[vgpu $U1]" 'type = A40-24A'
	run -1 configured
	assert_output 'with vendor VFIO, as here, a vGPU has no UUID'
	assert_output 'hint: write the VF in its place: [vgpu 0000:e8:00.4]'
	node_conf '[vgpu 0000:99:00.4]' 'type = A40-24A'
	run -1 configured
	assert_output '0000:99:00.4 is no VF of a GPU with vGPUs'
	ROOT=$BATS_TEST_TMPDIR/mdev
	a40
	node_conf '[vgpu 0000:e8:00.4]' 'type = A40-24A'
	run -1 configured
	assert_output '0000:e8:00.4 is on the mdev bus, where a vGPU is named by a UUID'
	assert_equal "$(mdevs)" ''
}

@test "a type that is none, no room, and a GPU that is gone have their reasons" {
	a40
	node_conf "[vgpu $U1]" 'type = A40-24X'
	run -1 configured
	assert_output "vgpu $U1: 'A40-24X' is no vGPU type of this node; nearest: A40-24A"
	node_conf "[vgpu $U1]" 'type = A40-24A' 'gpu = 0000:99:00.0'
	run -1 configured
	assert_output 'gpu: 0000:99:00.0 is no GPU with vGPUs'
	node_conf "[vgpu $U1]" 'type = A40-24A' 'gpu = L40S'
	run -1 configured
	assert_output 'L40S'
	node_conf "[vgpu $U1]" 'type = A40-24A' "gpu = 0000:99:00.0, $PF"
	run -0 configured
	node_conf "[vgpu $U2]" 'type = A40-12A'
	run -1 configured
	assert_output 'no GPU of this node has room'
	assert_output 'are of equal size'
	ROOT=$BATS_TEST_TMPDIR/vfio
	a40 '"framework": "nvidia-vfio"'
	pve_vgpu create A40-24A
	node_conf '[vgpu 0000:e8:00.6]' 'type = A40-12A'
	run -1 configured
	assert_output '0000:e8:00.6 has no room'
	refute_output hostpci
}

@test "a fault in one section leaves the others, one that concerns all stops all" {
	a40
	node_conf "[vgpu $U1]" 'type = A40-24A' 'parms = x=1' "[vgpu $U2]" 'type = A40-24A'
	run -1 configured
	assert_output "vgpu $U1: /etc/pve-vgpu/node.conf:3: 'parms' is no key known"
	assert_output "vgpu $U2: made"
	node_conf '[vgpu x y]' 'type = A40-24A' "[vgpu $U2]" 'type = A40-24A'
	run -1 configured
	assert_output "vgpu $U2: there"
	assert_output 'node.conf:1: section vgpu'
	node_conf '[defaults]' 'sriov = perhaps' "[vgpu $U1]" 'type = A40-24A'
	run -1 configured
	assert_output 'node.conf:2:'
	assert_equal "$(mdevs)" $U2
}

@test "a try that was killed does not keep the next one from its place" {
	local pid

	a40
	node_conf "[vgpu $U1]" 'type = A40-24A'
	delay '*/create' 20000
	"$PVE_VGPU" --root "$ROOT" create --configured > /dev/null 2>&1 &
	pid=$!
	PIDS=$pid
	until [ -e "$ROOT/run/pve-vgpu/standalone/$U1.json" ]; do kill -0 $pid; done
	kill -9 $pid
	delay clear
	wait $pid || true
	PIDS=''
	run -0 configured
	assert_output "vgpu $U1: "
	assert_equal "$(mdevs)" $U1
}

@test "a record whose vGPU is gone does not keep it from coming back; a young one on a VF may be of a create at work" {
	local f claim

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		if [ $f = mdev ]; then
			node_conf "[vgpu $U1]" 'type = A40-24A'
			configured
			echo 1 > "$SYS/bus/mdev/devices/$U1/remove"
		else
			node_conf '[vgpu 0000:e8:00.4]' 'type = A40-24A'
			configured
			echo 0 > "$SYS/bus/pci/devices/0000:e8:00.4/nvidia/current_vgpu_type"
			run -1 configured
			assert_output '0000:e8:00.4 is claimed by a `create` that is at work, or was killed a moment ago'
			claim=$ROOT/run/pve-vgpu/standalone/0000:e8:00.4.json
			jq '.claimed_ms = 1' "$claim" > "$claim.new"
			mv "$claim.new" "$claim"
		fi
		run -0 configured
		assert_output 'made: A40-24A'
	done
}

@test "started twice at once: each is made once" {
	a40
	node_conf "[vgpu $U1]" 'type = A40-24A' "[vgpu $U2]" 'type = A40-24A'
	"$PVE_VGPU" --root "$ROOT" create --configured > "$ROOT/one" &
	PIDS=$!
	"$PVE_VGPU" --root "$ROOT" create --configured > "$ROOT/two" &
	PIDS="$PIDS $!"
	for pid in $PIDS; do wait "$pid"; done
	assert_equal "$(cat "$ROOT/one" "$ROOT/two" | cut -d: -f1,2 | sort)" "vgpu $U1: made
vgpu $U1: there
vgpu $U2: made
vgpu $U2: there"
}

@test "dry run says what would be made, and makes nothing" {
	a40
	node_conf "[vgpu $U1]" 'type = A40-24A'
	tree > "$BATS_TEST_TMPDIR/before"
	run -0 configured --dry-run
	assert_equal "$output" "vgpu $U1: would make: A40-24A (nvidia-575) on 0000:e8:00.4, GPU $PF, mdev $U1"
	tree | diff "$BATS_TEST_TMPDIR/before" -
	assert_equal "$(mdevs)" ''
}

@test "JSON has a row for each; nothing configured is an empty one" {
	local doc

	a40
	run -0 configured --json
	assert_equal "$(jq -c . <<< "$output")" '[]'
	run -0 configured
	assert_equal "$output" ''
	node_conf "[vgpu $U1]" 'type = A40-24A' "[vgpu $U2]" 'type = A40-12A'
	run -1 --separate-stderr configured --json
	assert_equal "$(jq -c '[.[] | [.vgpu, .outcome, .parent]]' <<< "$output")" \
		"[[\"$U1\",\"made\",\"0000:e8:00.4\"],[\"$U2\",\"failed\",null]]"
	jq -e '.[1].error | contains("has room")' <<< "$output" > /dev/null
	doc=$(sed -n '/^## `create --configured/,/^## `snippet/s/^| \(`.*`\) | .*/\1/p' "$TOP/docs/json.md" | cut -d'|' -f1 | grep -oE '[a-z_]+' | sort -u)
	assert_equal "$doc" "$(jq -r '.[] | keys[]' <<< "$output" | sort -u)"
}

@test "what is removed by hand comes back at the next boot, and remove says so" {
	a40
	node_conf "[vgpu $U1]" 'type = A40-24A'
	configured
	run -0 pve_vgpu remove $U1
	assert_output '/etc/pve-vgpu/node.conf makes it again at the next boot'
	pve_vgpu create A40-24A --uuid $U2
	run -0 pve_vgpu remove $U2
	refute_output 'next boot'
}

@test "usage: nothing goes with --configured that node.conf says" {
	local words

	a40
	for words in A40-24A "--uuid $U1" "--gpu $PF" '--params a=b'; do
		# shellcheck disable=SC2086
		run -2 configured $words
	done
}
