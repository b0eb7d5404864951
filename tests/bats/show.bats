#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `pve-vgpu show`: what VMs are to get, how it reaches them, what is wrong.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

HOOK='hookscript: local:snippets/pve-vgpu'

# cluster: a node with the snippet installed, and another node beside it
cluster() {
	node a40x8-mdev
	mkdir -p "$ROOT/usr/bin" "$ROOT/var/lib/vz/snippets" "$ROOT"/etc/pve/nodes/pve2/{qemu-server,lxc}
	: > "$ROOT/usr/bin/pve-vgpu"
	ln -s /usr/bin/pve-vgpu "$ROOT/var/lib/vz/snippets/pve-vgpu"
}

# away VMID: the VM is on pve2
away() {
	mv "$ROOT/etc/pve/qemu-server/$1.conf" "$ROOT/etc/pve/nodes/pve2/qemu-server/"
}

# show FILTER [VMID]: out of its JSON
show() {
	pve_vgpu show ${2:+"$2"} --json | jq -c "$1"
}

# problems VMID: what is wrong and what mends it, a line each
problems() {
	pve_vgpu show "$1" --json | jq -r '.[0].problems[] | .what, "  " + (.mend // "")'
}

@test "show: a VM that is well has no problem, and what it has is told" {
	cluster
	with_args 100 "$HOOK" 'meta: ctime=5,creation-qemu=8.1' 'onboot: 1'
	settings '[vm 100]' 'hostpci0 = A40-24A, A40-12A' 'gpu = A40, 0000:67:00.0' 'identity = ctime:5' 'placement = pack' \
		'mode = args'
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	assert_equal "$(show '.[0] | [.vmid, .name, .node, .here, .template, .identity, .mode, .gpus, .placement, .hook, .running]')" \
		'[100,"vm100","pve1",true,false,"matches","args","0000:67:00.0, A40","pack","ours",true]'
	assert_equal "$(show '.[0].vgpus[0] | [.index, .types, .attach, .config]')" '[0,["A40-24A","A40-12A"],"args",null]'
	assert_equal "$(show '.[0].vgpus[0].has | [.type, .name, .gpu, .parent, .exists, .in_use]')" \
		"[\"nvidia-575\",\"A40-24A\",\"$PF1\",\"$VF1\",true,true]"
	assert_equal "$(show '.[0] | [.problems, .pending]')" '[[],[]]'
	run -0 pve_vgpu show 100
	assert_output $'identity\tctime:5, matches'
	assert_output "$(printf 'has\tA40-24A on %s, GPU %s, in use' "$VF1" "$PF1")"
	refute_output wrong
	assert_equal "$(pve_vgpu show)" $'100\tpve1\thostpci0\tA40-24A, A40-12A\targs\tA40-24A\tin use\t-\t-'
}

@test "show: what qemu-server has made for a VM that runs is what it has" {
	local f has

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		a40 "\"framework\": \"$f\"" '{"parent": "0000:e8:00.4", "type": 563, "uuid": "00000002-0000-0000-0000-000000000100"},
			{"parent": "0000:e8:00.5", "type": 573, "uuid": "00000000-0000-0000-0000-000000000100"}'
		vm 100 'hostpci0: mapping=gpus,mdev=nvidia-573' 'hostpci2: mapping=gpus,mdev=nvidia-563'
		settings '[vm 100]' 'hostpci0 = A40-12A' 'hostpci2 = A40-12Q'
		if [ $f = mdev ]; then
			qemu 100 "$(uuid 100)" "$(uuid 100 2)"
		else
			qemu 100 0000:e8:00.4 0000:e8:00.5
			printf '0000:e8:00.%s 100 pid:400100\n' 4 5 > "$ROOT/$RESERVED"
		fi
		has=$(show '[.[0].vgpus[] | [.index, .has.type, .has.parent, .has.in_use]]')
		assert_equal "$has" '[[0,"nvidia-573","0000:e8:00.5",true],[2,"nvidia-563","0000:e8:00.4",true]]'
		run -0 pve_vgpu show 100
		assert_output $'has\tA40-12A on 0000:e8:00.5, GPU 0000:e8:00.0, in use'
		refute_output $'has\tnothing'
		# It is to get another one, which waits for its next start.
		settings '[vm 100]' 'hostpci0 = A40-16A' 'hostpci2 = A40-12Q'
		vm 100 'hostpci0: mapping=gpus,mdev=nvidia-573' 'hostpci2: mapping=gpus,mdev=nvidia-563' '' '[PENDING]' \
			'hostpci0: mapping=gpus,mdev=nvidia-574'
		assert_equal "$(show '[.[0].vgpus[].has.parent]')" '["0000:e8:00.5","0000:e8:00.4"]'
		run -0 problems 100
		assert_output 'hostpci0: it has a A40-12A from before'
	done
}

@test "show: changes nothing, and runs no other program" {
	cluster
	with_args 100 "$HOOK"
	intent 100 A40-24A
	intent 103 A40-24A
	hook 100 pre-start
	local before

	before=$(tree)
	# LeakSanitizer does not work where strace looks on.
	ASAN_OPTIONS=detect_leaks=0 strace -f -o "$BATS_TEST_TMPDIR/trace" -e trace=execve,fork,vfork,clone,clone3 \
		"$PVE_VGPU" --root "$ROOT" show > /dev/null
	pve_vgpu show 100 > /dev/null
	assert_equal "$(grep -c exec "$BATS_TEST_TMPDIR/trace")" 1
	assert_equal "$(grep -cE 'fork|clone' "$BATS_TEST_TMPDIR/trace")" 0
	assert_equal "$(tree)" "$before"
}

@test "show: VMs of all nodes, by number; what one elsewhere has is told there" {
	cluster
	with_args 101 'hookscript: local:snippets/pve-vgpu'
	vm 100 'hookscript: nfs:snippets/pve-vgpu'
	with_args 99999 "$HOOK"
	away 101
	intent 99999 A40-4Q
	intent 101 A40-24A
	run -0 pve_vgpu show
	assert_equal "$output" "$(printf '101\tpve2\thostpci0\tA40-24A\targs\t-\t-\t-\t-\n99999\tpve1\thostpci0\tA40-4Q\targs\t-\t-\t-\t-')"
	run -0 pve_vgpu show 101
	assert_output $'has\tsee there: pve-vgpu show 101'
	refute_output running
	assert_equal "$(show '.[0] | [.here, .running, .vgpus[0].has]' 101)" '[false,null,null]'
}

@test "show: a record of this node is not taken for that of a VM elsewhere" {
	cluster
	with_args 100 "$HOOK"
	intent 100 A40-24A
	hook 100 pre-start
	away 100
	assert_equal "$(show '.[0].vgpus[0].has')" null
}

@test "show: names VMs that are gone, and those whose number a container has" {
	cluster
	intent 100 A40-24A
	intent 101 A40-24A
	: > "$ROOT/etc/pve/nodes/pve2/lxc/101.conf"
	assert_equal "$(problems 100)" $'the VM is gone: no node of the cluster has a VM 100\n  pve-vgpu gc'
	assert_equal "$(problems 101)" "the VM is gone: 101 is a container now, on node 'pve2'"$'\n  pve-vgpu gc'
	chmod 0555 "$ROOT/etc/pve/nodes"
	run -0 pve_vgpu show 100
	chmod 0755 "$ROOT/etc/pve/nodes"
	assert_output "pve-vgpu gc, once the cluster has quorum ('pvecm status')"
	run -1 pve_vgpu show 102
	assert_output 'show: there is no VM 102 in the cluster'
}

@test "show: a VM that is to get nothing is no failure, and one that carries another's vGPU is told" {
	cluster
	vm 100
	run -0 pve_vgpu show 100
	assert_output $'to get\tnothing'
	refute_output wrong
	assert_equal "$(pve_vgpu show)" ''
	assert_equal "$(show .)" '[]'
	with_args 101 "$HOOK"
	intent 101 A40-24A
	sed 's/name: vm101/name: clone/' "$ROOT/etc/pve/qemu-server/101.conf" > "$ROOT/etc/pve/qemu-server/102.conf"
	run -0 pve_vgpu show 102
	assert_output 'a clone of that VM?'
}

@test "show: an intent of another VM" {
	cluster
	with_args 100 "$HOOK" 'meta: ctime=6'
	settings '[vm 100]' 'hostpci0 = A40-24A' 'identity = ctime:5'
	assert_equal "$(show '.[0].identity')" '"differs"'
	run -0 problems 100
	assert_output 'pve-vgpu set 100 A40-24A'
}

@test "show: hookscripts: none, another, ours under any name, a volume of no storage" {
	cluster
	with_args 100
	intent 100 A40-24A
	assert_equal "$(problems 100)" $'the VM has no hookscript, so a start makes no vGPU for it\n  pve-vgpu set 100 A40-24A'
	: > "$ROOT/var/lib/vz/snippets/own.sh"
	with_args 100 'hookscript: local:snippets/own.sh'
	assert_equal "$(problems 100)" "the VM's hookscript 'local:snippets/own.sh' is not pve-vgpu, so a start makes no vGPU for it"$'\n  pve-vgpu set 100 A40-24A'
	assert_equal "$(show '.[0].hook')" '"other"'
	ln -sf /usr/bin/pve-vgpu "$ROOT/var/lib/vz/snippets/own.sh"
	assert_equal "$(show '.[0] | [.hook, .problems]')" '["ours",[]]'
	with_args 100 'hookscript: nowhere:snippets/own.sh'
	assert_equal "$(show '.[0].hook')" '"unknown"'
	run -0 problems 100
	assert_output nowhere
	# What qemu-server makes and attaches alone needs none.
	at 100 "$VF1"
	assert_equal "$(show '.[0] | [.hook, .vgpus[0].attach, .problems]')" '["none","address",[]]'
}

@test "show: how the config carries it, and what of that cannot work" {
	cluster
	vm 100 "$HOOK"
	intent 100 A40-24A
	assert_equal "$(problems 100)" $'hostpci0: nothing in the VM\'s config attaches this vGPU\n  pve-vgpu set 100 A40-24A'
	assert_equal "$(show '.[0].vgpus[0].attach')" '"none"'
	vm 100 "$HOOK" "hostpci0: $PF1"
	assert_equal "$(show '.[0].vgpus[0] | [.attach, .config]')" "[\"conflict\",\"$PF1\"]"
	vm 100 "$HOOK" 'hostpci0: mapping=gpus,mdev=nvidia-575'
	run -0 problems 100
	assert_output "hostpci0: mapping 'gpus': there is no such mapping"
	vm 100 "$HOOK"
	settings '[vm 100]' 'hostpci0 = A40-24A' 'mode = wrapper'
	assert_equal "$(show '.[0].vgpus[0].attach')" '"wrapper"'
	run -0 problems 100
	assert_output 'on this node the wrapper does not stand at /usr/bin/kvm'
	# On another node it may.
	away 100
	assert_equal "$(show '.[0].problems')" '[]'
}

@test "show: what waits for the next start, and how that start will have it" {
	cluster
	vm 100 "$HOOK" "hostpci0: $VF1,mdev=nvidia-575" '' '[PENDING]' 'args: -foo' 'delete: hostpci0,memory' 'onboot: 1' '' '[snap]' 'args: -bar'
	intent 100 A40-24A
	assert_equal "$(show '.[0].pending')" '[{"key":"args","value":"-foo"},{"key":"hostpci0","value":null}]'
	run -0 pve_vgpu show 100
	assert_output $'at next start\targs: -foo'
	assert_output $'at next start\thostpci0 goes'
	assert_output "nothing in the VM's config attaches this vGPU"
	# As `set` leaves the config of a VM that runs.
	vm 100 "$HOOK" '' '[PENDING]' "hostpci0: $VF1,mdev=nvidia-575"
	assert_equal "$(show '.[0] | [.vgpus[0].attach, .vgpus[0].config, .problems]')" "[\"address\",\"$VF1,mdev=nvidia-575\",[]]"
	printf 'name: a\nargs: \0\n[PENDING]\nargs: x\n' > "$ROOT/etc/pve/qemu-server/100.conf"
	run -0 pve_vgpu show 100
	assert_output '/etc/pve/nodes/pve1/qemu-server/100.conf:2: NUL byte in the line'
}

@test "show: what is there and not what is wanted any more" {
	cluster
	with_args 100 "$HOOK"
	intent 100 A40-24A
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	settings '[vm 100]' 'hostpci0 = A40-12A'
	assert_equal "$(problems 100)" $'hostpci0: it has a A40-24A from before; what it is to get comes with its next start\n  qm reboot 100'
	settings '[vm 100]' 'hostpci0 = 575'
	assert_equal "$(problems 100)" ''
	settings '[vm 101]' 'hostpci0 = 575'
	run -0 problems 100
	assert_output "hostpci0: it has a A40-24A on $VF1, and no intent for it any more"
}

@test "show: a vGPU that went away under the VM" {
	cluster
	with_args 100 "$HOOK"
	intent 100 A40-24A
	hook 100 pre-start
	echo 1 > "$SYS/bus/mdev/devices/$(uuid 100)/remove"
	qemu 100
	run -0 problems 100
	assert_output "hostpci0: the VM runs, and its A40-24A on $VF1 is not there"
	assert_equal "$(show '.[0].vgpus[0].has.exists')" false
}

@test "show: faults of the settings stand with their VM; those for all are said as well" {
	cluster
	with_args 100 "$HOOK"
	vm 101
	settings '[defaults]' 'colour = red' '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'bad' '[node]'
	run -0 pve_vgpu show
	assert_output "pve-vgpu: /etc/pve/pve-vgpu.conf:2: 'colour' is no key known"
	assert_output "pve-vgpu: /etc/pve/pve-vgpu.conf:7: '[node]' is no section"
	assert_output $'101\tpve1\t-\t-\t-\t-\t-\t/etc/pve/pve-vgpu.conf:2'
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'bad'
	assert_equal "$(problems 100)" ''
	run -0 problems 101
	assert_output "/etc/pve/pve-vgpu.conf:4: 'bad' has no '='"
}

@test "show: a damaged record is told, and a template gets nothing" {
	cluster
	with_args 100 "$HOOK"
	intent 100 A40-24A
	mkdir -p "$ROOT/run/pve-vgpu"
	echo '{' > "$ROOT/run/pve-vgpu/100.json"
	run -0 problems 100
	assert_output 'run/pve-vgpu/100.json'
	vm 101 'template: 1'
	intent 101 A40-24A
	assert_equal "$(show '.[0] | [.template, .problems]' 101)" '[true,[]]'
}

@test "show: texts from files are made fit to be shown" {
	cluster
	printf 'name: \xff\033[2J\nhookscript: \xfe:x\nargs: \xfd\n' > "$ROOT/etc/pve/qemu-server/100.conf"
	printf '[vm 100]\nhostpci0 = \xff\xfe\n' > "$ROOT/etc/pve/pve-vgpu.conf"
	pve_vgpu show --json | iconv -f UTF-8 -t UTF-8 | jq . > /dev/null
	pve_vgpu show 100 > "$BATS_TEST_TMPDIR/out"
	iconv -f UTF-8 -t UTF-8 "$BATS_TEST_TMPDIR/out" > /dev/null
	run -1 grep -q $'\033' "$BATS_TEST_TMPDIR/out"
}

@test "show: on a terminal a table, and below it what is wrong" {
	cluster
	with_args 100
	intent 100 A40-24A
	run -0 on_tty env NO_COLOR=1 "$PVE_VGPU" --root "$ROOT" show
	assert_equal "${lines[0]}" 'VM   NODE  SLOT      TO GET   ATTACHED  HAS  STATE'
	assert_equal "${lines[1]}" '100  pve1  hostpci0  A40-24A  args      -    -'
	assert_output 'vm 100: the VM has no hookscript'
	assert_output '  mend: pve-vgpu set 100 A40-24A'
}

@test "show: without /etc/pve, and with odd words, it says so" {
	cluster
	run -2 pve_vgpu show 100 101
	run -2 pve_vgpu show abc
	run -2 pve_vgpu show --dry-run
	rm "$ROOT/etc/pve/local"
	run -1 pve_vgpu show
	assert_output "read link '/etc/pve/local'"
	rm -rf "$ROOT/etc/pve"
	run -1 pve_vgpu show
	assert_output '/etc/pve is not mounted'
}
