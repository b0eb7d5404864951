#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `pve-vgpu plan`: what a start would do, and why nothing else.

load helper

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

# candidates [INDEX]: the GPUs of the plan for vm 100 in order
candidates() {
	pve_vgpu plan 100 --json 2>/dev/null |
		jq -r --argjson i "${1:-0}" '[.[] | select(.index == $i) | .candidates[].gpu] | join(" ")'
}

# three A40, the second with a 24 GB vGPU, the third with a 4 GB one
three() {
	node_json <<-J
	{ "gpus": [ {"bdf": "0000:17:00.0"${1:+,$1}}, {"bdf": "0000:65:00.0"${1:+,$1}}, {"bdf": "0000:e8:00.0"${1:+,$1}} ],
	  "vgpus": [ {"parent": "0000:65:00.4", "type": 575, "uuid": "11111111-aaaa-4bbb-8ccc-000000000001"},
		{"parent": "0000:e8:00.4", "type": 560, "uuid": "11111111-aaaa-4bbb-8ccc-000000000002"} ] }
	J
	vm 100
}

@test "plan: without a placement the first GPU with room, by address" {
	three
	settings '[vm 100]' 'hostpci0 = A40-24A'
	run -0 pve_vgpu plan 100
	assert_equal "${lines[0]}" 'hostpci0: A40-24A'
	assert_equal "${lines[1]}" '  1. A40-24A (nvidia-575) on 0000:17:00.4, GPU 0000:17:00.0, room for 2'
	assert_equal "${lines[2]}" '  2. A40-24A (nvidia-575) on 0000:65:00.5, GPU 0000:65:00.0, room for 1'
	assert_equal "${lines[3]}" \
		'  out: A40-24A on 0000:e8:00.0: holds A40-4Q of 4096 MiB, and A40-24A has 24576 MiB: the vGPUs on one GPU are of equal size'
}

@test "plan: spread takes the emptiest, pack what is held at that size" {
	three
	settings '[vm 100]' 'hostpci0 = A40-24A' 'placement = pack'
	assert_equal "$(candidates)" '0000:65:00.0 0000:17:00.0'
	settings '[vm 100]' 'hostpci0 = A40-24A' 'placement = spread'
	assert_equal "$(candidates)" '0000:17:00.0 0000:65:00.0'
	settings '[vm 100]' 'hostpci0 = A40-4A' 'placement = pack'
	assert_equal "$(candidates)" '0000:e8:00.0 0000:17:00.0'
}

@test "plan: gpu = leaves the others out, and says so" {
	three
	settings '[vm 100]' 'hostpci0 = A40-24A' 'gpu = 0000:65:00.0'
	assert_equal "$(candidates)" 0000:65:00.0
	run -0 pve_vgpu plan 100
	assert_output "out: A40-24A on 0000:17:00.0, 0000:e8:00.0: left out by 'gpu ='"
}

@test "plan: several choices, the first one on every GPU before the second on any" {
	three
	settings '[vm 100]' 'hostpci0 = A40-48Q, A40-4Q'
	assert_equal "$(pve_vgpu plan 100 --json | jq -c '[.[0].candidates[] | [.name, .gpu]]')" \
		'[["A40-48Q","0000:17:00.0"],["A40-4Q","0000:17:00.0"],["A40-4Q","0000:e8:00.0"]]'
	assert_equal "$(pve_vgpu plan 100 --json | jq -c '[.[0].out[] | [.name, .gpu]]')" \
		'[["A40-48Q","0000:65:00.0"],["A40-48Q","0000:e8:00.0"],["A40-4Q","0000:65:00.0"]]'
}

@test "plan: a choice that this node does not know is passed over with a word" {
	three
	settings '[vm 100]' 'hostpci0 = L40S-8Q, A40-4Q'
	run -0 --separate-stderr pve_vgpu plan 100
	[[ $stderr == *"hostpci0: 'L40S-8Q' is no vGPU type of this node"* ]]
	assert_output '1. A40-4Q'
	settings '[vm 100]' 'hostpci0 = L40S-8Q'
	run -1 pve_vgpu plan 100
	assert_output "vm 100: plan: hostpci0: 'L40S-8Q' is no vGPU type of this node"
	assert_output 'the intent is in /etc/pve/pve-vgpu.conf, line 2'
}

@test "plan: the second vGPU is planned with the first in its place" {
	three
	settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-24A' 'hostpci2 = A40-4A'
	assert_equal "$(pve_vgpu plan 100 --json | jq -c '[.[] | [.index, .candidates[0].parent]]')" \
		'[[0,"0000:17:00.4"],[1,"0000:17:00.5"],[2,"0000:e8:00.5"]]'
}

@test "plan: on a PF two vGPUs of one VM go to two GPUs, a third has no place" {
	node p40x2
	vm 100
	settings '[vm 100]' 'hostpci0 = P40-2Q' 'hostpci1 = P40-2Q' 'hostpci2 = P40-2Q'
	run -1 pve_vgpu plan 100
	assert_output '1. P40-2Q (nvidia-47) on 0000:3b:00.0, GPU 0000:3b:00.0, room for 12'
	assert_output '1. P40-2Q (nvidia-47) on 0000:af:00.0, GPU 0000:af:00.0, room for 12'
	assert_output 'no place'
	assert_output 'two vGPUs of one VM must be on different parents'
	assert_output 'vm 100: plan: no place for 1 of its 3 vGPUs'
	assert_output 'hint:'
}

@test "plan: a VF that the config names is the only place" {
	three
	vm 100 'hostpci0: 0000:e8:01.0,mdev=nvidia-560'
	settings '[vm 100]' 'hostpci0 = A40-4Q'
	assert_equal "$(pve_vgpu plan 100 --json | jq -c '[.[0].candidates[].parent]')" '["0000:e8:01.0"]'
	vm 100 'hostpci0: 0000:e8:00.4,mdev=nvidia-560'
	run -1 pve_vgpu plan 100
	assert_output 'A40-4Q on 0000:e8:00.0: 0000:e8:00.4 is taken'
}

@test "plan: a full node gives the reason against every GPU, those with the same together" {
	node p40x2
	pve_vgpu create P40-24Q --gpu 0000:3b:00.0
	vm 101
	settings '[vm 101]' 'hostpci0 = P40-24Q' '[vm 100]' 'hostpci0 = P40-24Q'
	hook 101 pre-start
	vm 100
	run -1 pve_vgpu plan 100
	assert_output 'out: P40-24Q on 0000:3b:00.0: full: 1 of 1 (standalone)'
	assert_output 'out: P40-24Q on 0000:af:00.0: full: 1 of 1 (vm 101)'
	assert_equal "$(pve_vgpu plan 100 --json 2>/dev/null | jq -c '.[0] | [.has, (.candidates | length), (.out | length)]')" '[null,0,2]'
}

@test "plan: what the VM has already is said, as a start takes it over" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		vm 100
		settings '[vm 100]' 'hostpci0 = A40-24A'
		hook 100 pre-start
		run -0 pve_vgpu plan 100
		assert_equal "$output" 'hostpci0: has A40-24A on 0000:e8:00.4 already'
		assert_equal "$(pve_vgpu plan 100 --json | jq -c '.[0] | [.index, .has.parent, .has.name]')" '[0,"0000:e8:00.4","A40-24A"]'
		# Another type is wanted by now: a start gives the old one back first.
		settings '[vm 100]' 'hostpci0 = A40-48Q'
		run -0 pve_vgpu plan 100
		assert_output '1. A40-48Q (nvidia-566) on 0000:e8:00.4'
		hook 100 pre-start
		assert_equal "$(pve_vgpu list --json | jq -c '[.[].name]')" '["A40-48Q"]'
	done
}

@test "plan: a VM without an intent, without a config, and a template" {
	a40
	run -1 pve_vgpu plan 100
	assert_output 'vm 100: plan:'
	vm 100
	run -1 pve_vgpu plan 100
	assert_output 'vm 100: plan: the VM has no intent'
	assert_output 'hint: add to /etc/pve/pve-vgpu.conf: [vm 100] and below it hostpci0 = <type>'
	vm 100 'template: 1'
	settings '[vm 100]' 'hostpci0 = A40-24A'
	run -0 --separate-stderr pve_vgpu plan 100
	[[ $stderr == *'is a template: nothing is made for it'* ]]
}

@test "plan: hook --dry-run of a VM that is to get nothing is success, as its start is" {
	a40
	vm 100
	run -0 pve_vgpu 100 pre-start
	run -0 --separate-stderr pve_vgpu 100 pre-start --dry-run
	[[ $stderr == *'vm 100: has no intent: nothing is made for it'* ]]
	run -1 pve_vgpu 101 pre-start --dry-run
}

@test "plan: the config is that of the next start" {
	a40
	settings '[vm 100]' 'hostpci0 = A40-12A'
	vm 100 'hostpci0: 0000:e8:00.4,mdev=nvidia-575' '' '[PENDING]' 'hostpci0: 0000:e8:00.4,mdev=nvidia-573'
	run -0 pve_vgpu plan 100
	assert_output '1. A40-12A (nvidia-573) on 0000:e8:00.4'
	run -0 pve_vgpu hook 100 pre-start --dry-run
	vm 100 'hostpci0: 0000:e8:00.4,mdev=nvidia-573' '' '[PENDING]' 'hostpci0: 0000:e8:00.4,mdev=nvidia-575'
	run -1 pve_vgpu plan 100
	assert_output "the VM's config has mdev='nvidia-575'"
}

@test "plan: args that carry another VM's vGPU are refused, as its start is" {
	a40
	vm 101 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)" 'hostpci1: 0000:e8:00.5,mdev=nvidia-575'
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'hostpci1 = A40-24A'
	run -1 pve_vgpu 101 pre-start
	assert_output "args of the VM's config name the vGPU of vm 100"
	run -1 pve_vgpu plan 101
	assert_output "vm 101: plan: args of the VM's config name the vGPU of vm 100"
	run -1 pve_vgpu 101 pre-start --dry-run
}

@test "plan: changes nothing, on a node that was never looked at before too" {
	local f before

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\""
		vm 100
		settings '[vm 100]' 'hostpci0 = A40-24A'
		before=$(tree)
		ops_reset
		pve_vgpu plan 100
		pve_vgpu hook 100 pre-start --dry-run
		assert_equal "$(tree)" "$before"
		assert_equal "$(jq '[.[] | objects | .write] | add' "$SYS/.sim/ops")" 0
	done
}

# One situation: some vGPUs at the start, a VM that wants one or two.
situation() {	# SEED FRAMEWORK
	local i id vgpus='' sizes=(575 560 558 566) names=(A40-24A A40-4Q A40-2B A40-48Q) gpu

	RANDOM=$1
	for gpu in 17 65 e8; do
		i=$((RANDOM % 5))
		[ $i -lt 4 ] || continue
		id=${sizes[$i]}
		vgpus+=",{\"parent\": \"0000:$gpu:00.4\", \"type\": $id, \"uuid\": \"11111111-aaaa-4bbb-8ccc-0000000000$gpu\"}"
	done
	node_json <<< "{ \"gpus\": [ {\"bdf\": \"0000:17:00.0\", \"framework\": \"$2\"}, {\"bdf\": \"0000:65:00.0\", \"framework\": \"$2\"},
		{\"bdf\": \"0000:e8:00.0\", \"framework\": \"$2\"} ], \"vgpus\": [ ${vgpus#,} ] }"
	vm 100
	{
		echo '[vm 100]'
		echo "hostpci0 = ${names[RANDOM % 4]}, ${names[RANDOM % 4]}"
		[ $((RANDOM % 2)) = 0 ] || echo "hostpci1 = ${names[RANDOM % 3]}"
		case $((RANDOM % 4)) in
		0) echo 'placement = spread' ;;
		1) echo 'placement = pack' ;;
		2) echo 'gpu = 0000:65:00.0, 0000:e8:00.0' ;;
		esac
	} > "$ROOT/etc/pve/pve-vgpu.conf"
}

same_as_hook() {	# FRAMEWORK SEED…
	local f=$1 seed planned made

	shift
	for seed; do
		ROOT=$BATS_TEST_TMPDIR/$f$seed
		situation "$seed" "$f"
		pve_vgpu types > /dev/null
		planned=$(pve_vgpu plan 100 --json 2>/dev/null | jq -c '[.[] | [.index, .candidates[0].parent, .candidates[0].type]]') || true
		made='' 
		if hook 100 pre-start > /dev/null 2>&1; then
			made=$(pve_vgpu list --json | jq -c '[.[] | select(.owner == "vm") | [.index, .parent, .type]] | sort')
		elif [[ $planned == *null* ]]; then
			made=$planned
		fi
		[ "$planned" = "$made" ] || { echo "seed $seed: planned $planned, made $made"; cat "$ROOT/etc/pve/pve-vgpu.conf"; pve_vgpu list; return 1; }
		fusermount3 -u "$SYS"
	done
	MOUNTED=''
}

@test "plan: its first candidate is what a start makes, in a dozen situations on mdev" {
	same_as_hook mdev 1 2 3 4 5 6 7 8 9 10 11 12
}

@test "plan: its first candidate is what a start makes, on vendor VFIO where PVE has the others on record" {
	local seed planned

	for seed in 1 2 3 4 5 6; do
		ROOT=$BATS_TEST_TMPDIR/v$seed
		node a40x8-vfio
		RANDOM=$seed
		for vmid in 101 102 103; do
			vm $vmid
			intent $vmid A40-24A
			[ $((RANDOM % 2)) = 0 ] || echo 'placement = spread' >> "$ROOT/etc/pve/pve-vgpu.conf"
			hook $vmid pre-start > /dev/null 2>&1
		done
		vm 100
		intent 100 "A40-24A, A40-2B"
		[ $((RANDOM % 2)) = 0 ] || echo 'placement = pack' >> "$ROOT/etc/pve/pve-vgpu.conf"
		planned=$(pve_vgpu plan 100 --json | jq -r '.[0].candidates[0].parent')
		hook 100 pre-start > /dev/null 2>&1
		assert_equal "$(pve_vgpu list --json | jq -r '.[] | select(.vmid == 100) | .parent')" "$planned"
		fusermount3 -u "$SYS"
	done
	MOUNTED=''
}
