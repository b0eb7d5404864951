#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `doctor` as a whole: a node that is ready, what it prints, what it touches.

load helper
load doctor_helper

@test "doctor: a node that is ready has no no, on both frameworks" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		ready $f
		run -0 --separate-stderr pve_vgpu doctor
		assert_equal "$stderr" ''
		assert_equal "$(cut -f1 <<< "$output" | sort | uniq -c | tr -s ' \n' ' ')" ' 4 n/a 26 yes '
		assert_equal "$(cut -f2 <<< "$output")" "$(pve_vgpu doctor --json | jq -r '.[].check')"
	done
}

@test "doctor: in a pipe five fields, on a terminal the mend below the reason, in JSON both" {
	ready
	echo "$PF 0" > "$SYS/.sim/vfs"
	run -1 --separate-stderr pve_vgpu doctor
	assert_equal "$(awk -F'\t' '{ print NF }' <<< "$output" | sort -u)" 5
	grep -qxF "no"$'\t'"vfs"$'\t'"blocks"$'\t'"GPU $PF: node.conf asks for SR-IOV, and it has no VFs"$'\t'"pve-vgpu sriov enable $PF; journalctl -b -u pve-vgpu-sriov@$PF says why it was not done at boot" <<< "$output"
	[[ $stderr == *'pve-vgpu: doctor: '*' in the way of VMs or of what the settings ask for'* ]]
	run on_tty "$PVE_VGPU" --root "$ROOT" doctor
	assert_output $'no   vfs          GPUs have their VFs'
	assert_output $'\n                  GPU '"$PF: node.conf asks for SR-IOV"
	assert_output "mend: pve-vgpu sriov enable $PF"
	run -1 --separate-stderr pve_vgpu doctor --json
	assert_equal "$(jq -c '.[] | select(.check == "vfs") | [.answer, .note, (.problems | length), .problems[0].blocks]' <<< "$output")" \
		'["no",null,1,true]'
	assert_equal "$(jq -c '[.[] | select((.answer == "no") != (.problems != []))]' <<< "$output")" '[]'
}

@test "doctor: advice alone is no failure" {
	ready
	disable pve-vgpu-gc.timer
	run -0 --separate-stderr pve_vgpu doctor
	assert_equal "$stderr" ''
	grep -q $'^no\tunits\t-\t' <<< "$output"
}

@test "doctor: nothing is written, made or run, whatever it finds" {
	ready
	rm "$ROOT/var/lib/vz/snippets/pve-vgpu"
	hook 100 pre-start 2> /dev/null
	pve_vgpu create A40-24A > /dev/null
	intent 555 A40-24A
	tree > "$BATS_TEST_TMPDIR/before"
	ops_reset
	run -1 pve_vgpu doctor
	assert_equal "$(jq -c '[to_entries[] | select(.key != "total" and .value.write > 0)]' "$SYS/.sim/ops")" '[]'
	tree | diff "$BATS_TEST_TMPDIR/before" -
	assert_equal "$(calls)" ''
}

@test "doctor: of a large node it reads an attribute a GPU, and none of the VFs that serve" {
	local n

	for n in a40x16-64vf-mdev a40x16-64vf-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$n
		node $n
		pve_vgpu types > /dev/null
		ops_reset
		run pve_vgpu doctor
		jq -c . "$SYS/.sim/ops"
		assert_equal "$(jq -r 'del(.total) | keys - ["creatable_vgpu_types"] | join(" ")' "$SYS/.sim/ops")" 'ari_enabled version'
		[ "$(ops)" -le 33 ]
	done
}

@test "doctor: every node file gets an answer to every check, and none is changed" {
	local f

	for f in "$TOP"/tests/nodes/*.json; do
		[[ $f != */types.json ]] || continue
		ROOT=$BATS_TEST_TMPDIR/$(basename "$f" .json)
		node "$f"
		ops_reset
		pve_vgpu doctor --json > "$BATS_TEST_TMPDIR/out" 2> /dev/null || [ $? -eq 1 ]
		assert_equal "$(jq 'length' "$BATS_TEST_TMPDIR/out")" 30
		assert_equal "$(jq -c '[to_entries[] | select(.key != "total" and .value.write > 0)]' "$SYS/.sim/ops")" '[]'
		node_teardown
		MOUNTED=''
	done
}

@test "doctor: without /etc/pve the rest of the node is looked at all the same" {
	ready
	rm -r "$ROOT/etc/pve"
	mkdir "$ROOT/etc/pve"
	no settings blocks '/etc/pve' 'systemctl'
	says intents n/a 'see settings'
	says vfs yes
	says types yes
}

@test "doctor: where sysfs cannot be read that is told, and the rest as it is" {
	ready
	node_teardown
	MOUNTED=''
	run pve_vgpu doctor
	assert_failure
	says settings yes
	says snippet yes
	[ "$(answer gpus)" = no ]
}

# refers_to_gpus: what cannot be told without the GPUs says so in the same words, and nothing that is not so
refers_to_gpus() {
	local c all

	all=$(pve_vgpu doctor --json 2> /dev/null || true)
	for c in driver ari vfs vf-driver vgpud vgpu-mgr types framework mig modes configs intents clones uuid leftovers; do
		assert_equal "$c: $(jq -r --arg c $c '.[] | select(.check == $c) | "\(.answer) \(.note)"' <<< "$all")" \
			"$c: n/a the GPUs could not be read; see gpus"
	done
	for c in scheduler standalone sriov-boot; do
		assert_equal "$c: $(jq -r --arg c $c '.[] | select(.check == $c) | "\(.answer) \(.note)"' <<< "$all")" \
			"$c: n/a see node-conf and gpus"
	done
	assert_equal "$(jq -c '[.[] | select(.answer == "no") | .check]' <<< "$all")" '["gpus"]'
	assert_equal "$(jq -c '[.[] | select(.answer == "yes") | .check]' <<< "$all")" \
		'["node-conf","units","qemu-server","snippet","settings","hookscripts","identity","licence"]'
}

@test "doctor: where no sysfs is mounted, no GPU is said to be missing" {
	ready
	node_teardown
	MOUNTED=''
	no gpus blocks "'/sys/bus/pci/devices': No such file or directory" 'findmnt /sys'
	refers_to_gpus
}

@test "doctor: without the GPUs, what a type's id is for and what args name cannot be told" {
	ready
	vm 101 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 101)"
	settings '[vm 101]' 'hostpci0 = nvidia-575' 'mode = args'
	rm "$ROOT/etc/pve/qemu-server/100.conf"
	node_teardown
	MOUNTED=''
	says licence n/a 'the GPUs could not be read; see gpus'
	says uuid n/a 'the GPUs could not be read; see gpus'
	# what the config alone tells is told: a VM's line that nothing attaches
	settings '[vm 101]' 'hostpci0 = nvidia-575' 'mode = native'
	[ "$(answer configs)" = no ]
}

@test "doctor: where the settings cannot be read, what VMs ask for is not said" {
	ready
	rm -r "$ROOT/etc/pve"
	touch "$ROOT/etc/pve"
	says wrapper n/a 'it is not installed; see settings'
	for c in configs hookscripts identity intents clones uuid leftovers licence; do
		says $c n/a 'settings and VMs could not be read; see settings'
	done
}

@test "doctor: where GPUs or node.conf cannot be read, what needs them refers to that" {
	local c

	ready
	node_conf '[defaults]' 'sriov = yes' '[vgpu 0000:e8:00.6]' 'type = A40-24A'
	node_teardown
	MOUNTED=''
	rmdir "$SYS"
	touch "$SYS"
	no gpus blocks 'Not a directory' 'findmnt /sys'
	refers_to_gpus
	ROOT=$BATS_TEST_TMPDIR/conf
	ready
	rm "$ROOT/etc/pve-vgpu/node.conf"
	mkdir "$ROOT/etc/pve-vgpu/node.conf"
	no node-conf blocks 'Is a directory' 'ls -l'
	for c in scheduler standalone sriov-boot; do
		says $c n/a 'see node-conf and gpus'
	done
	says units yes
	find "$ROOT/$UNITDIR" "$ROOT/etc/systemd" -name 'pve-vgpu*' -delete
	says units n/a 'see node-conf and gpus'
	rmdir "$ROOT/etc/pve-vgpu/node.conf"
	says standalone n/a 'asks for none'
	node_conf '[vgpu 0000:e8:00.6]' 'params = a=1'
	no node-conf blocks "has no 'type'" 'mend that line'
	says standalone n/a 'see node-conf'
}

@test "doctor: wrong usage" {
	a40
	run -2 pve_vgpu doctor all
	run -2 pve_vgpu doctor --dry-run
	run -1 bash -c '"$1" --root "$2" doctor > /dev/full' - "$PVE_VGPU" "$ROOT"
}

@test "doctor: every check has a node here on which it says no, and one on which it says yes" {
	local c

	ready
	for c in $(pve_vgpu doctor --json | jq -r '.[].check'); do
		grep -qE "^	+no $c (blocks|advice) " "$BATS_TEST_DIRNAME"/doctor*.bats || { echo "no test in which $c says no"; return 1; }
		grep -qE "^	+says $c yes" "$BATS_TEST_DIRNAME"/doctor*.bats || { echo "no test in which $c says yes"; return 1; }
	done
}
