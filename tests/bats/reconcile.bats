# SPDX-License-Identifier: AGPL-3.0-or-later
# After a driver upgrade: the types' new ids into the configs of VMs.

load helper
load pve_tools

setup() {
	node a40x8-mdev
	pve_tools
	VF=0000:67:00.4
	A=$(type_of A40-24A) B=$(type_of A40-12A)
}

teardown() {
	node_teardown
}

type_of() {
	pve_vgpu types --json | jq -r --arg n "$1" 'map(select(.name == $n))[0].type'
}

# before ID NAME…: what the types were called when they were seen last, under another driver
before() {
	local list=()

	while [ $# -gt 0 ]; do
		list+=("{\"type\":\"$1\",\"full_name\":\"$2\"}")
		shift 2
	done
	(IFS=,; echo "{\"version\":1,\"driver\":\"old\",\"types\":[${list[*]}],\"gpus\":[]}") \
		> "$ROOT/var/lib/pve-vgpu/types.json"
}

config() {
	cat "$ROOT/etc/pve/qemu-server/$1.conf"
}

@test "a VM whose ids are right is left alone, and no tool is called" {
	vm 100 "hostpci0: $VF,mdev=$A"
	intent 100 A40-24A
	run pve_vgpu reconcile
	assert_success
	assert_output "vm 100: is right"
	assert_output "1 VMs with vGPUs on this node, 0 changed"
	assert_equal "$(calls)" ''
}

@test "the id of the name is written, all lines of a VM in one call with the digest" {
	vm 100 "hostpci0: $VF,mdev=nvidia-9001,pcie=1" 'cores: 4' "hostpci1: 0000:68:00.4,mdev=nvidia-9002"
	settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-12A'
	run pve_vgpu reconcile
	assert_success
	assert_output "vm 100: hostpci0: A40-24A is mdev=$A now, no longer nvidia-9001"
	assert_output "vm 100: done: qm set 100 --hostpci0 $VF,mdev=$A,pcie=1 --hostpci1 0000:68:00.4,mdev=$B"
	assert_output "1 VMs with vGPUs on this node, 1 changed"
	assert_equal "$(config 100)" "$(printf '%s\n' 'cores: 4' "hostpci0: $VF,mdev=$A,pcie=1" \
		"hostpci1: 0000:68:00.4,mdev=$B" 'name: vm100')"
	assert_equal "$(calls | wc -l)" 1
	calls | grep -qE '^qm set 100 --digest [0-9a-f]{40} --hostpci0 '
	run pve_vgpu reconcile
	assert_output "vm 100: is right"
}

@test "--dry-run says it and changes nothing" {
	vm 100 "hostpci0: $VF,mdev=nvidia-9001"
	intent 100 A40-24A
	before nvidia-9001 'NVIDIA A40-24A'
	tree > "$BATS_TEST_TMPDIR/before"
	run pve_vgpu reconcile --dry-run
	assert_success
	assert_output "vm 100: would run: qm set 100 --hostpci0 $VF,mdev=$A"
	tree | diff "$BATS_TEST_TMPDIR/before" -
	assert_equal "$(calls)" ''
}

@test "of several choices it is the one that the old id was called" {
	vm 100 "hostpci0: $VF,mdev=nvidia-9002"
	intent 100 'A40-24A, A40-12A'
	before nvidia-9001 'NVIDIA A40-24A' nvidia-9002 'NVIDIA A40-12A'
	run pve_vgpu reconcile
	assert_success
	config 100 | grep -q "mdev=$B\$"
}

# still_known: what an old id was is asked again where PVE has refused the change
still_known() {
	vm 100 "hostpci0: $VF,mdev=nvidia-9002" 'lock: backup'
	intent 100 'A40-24A, A40-12A'
	before nvidia-9001 'NVIDIA A40-24A' nvidia-9002 'NVIDIA A40-12A'
	run pve_vgpu reconcile
	assert_failure
	assert_output 'VM is locked (backup)'
	vm 100 "hostpci0: $VF,mdev=nvidia-9002"
	run pve_vgpu reconcile
	assert_success
	config 100 | grep -q "mdev=$B\$"
	# Behind one that has done all of it the new ids are what was seen.
	grep -q "\"$B\"" "$ROOT/var/lib/pve-vgpu/types.json"
	run -1 grep nvidia-9002 "$ROOT/var/lib/pve-vgpu/types.json"
}

@test "what an old id was is still known behind a change that PVE has refused" {
	still_known
}

@test "the same on vendor VFIO, where the types are asked for on the way" {
	node_teardown
	MOUNTED=
	ROOT=$BATS_TEST_TMPDIR/vfio
	node a40x8-vfio
	pve_tools
	A=$(type_of A40-24A) B=$(type_of A40-12A)
	still_known
}

@test "an id that another choice has now is not taken for it" {
	vm 100 "hostpci0: $VF,mdev=$A"
	intent 100 'A40-24A, A40-12A'
	before "$A" 'NVIDIA A40-12A'
	run pve_vgpu reconcile
	assert_success
	config 100 | grep -q "mdev=$B\$"
}

@test "where nothing tells which choice it was, the first is taken, and that is said" {
	vm 100 "hostpci0: $VF,mdev=nvidia-9002"
	intent 100 'A40-24A, A40-12A'
	run pve_vgpu reconcile
	assert_success
	assert_output "what mdev=nvidia-9002 was is not known here: the first choice is taken"
	config 100 | grep -q "mdev=$A\$"
}

@test "names that were saved without a driver's version are read again" {
	vm 100 "hostpci0: $VF,mdev=$A"
	intent 100 A40-24A
	sed -i 's/"NVIDIA A40-24A"/"NVIDIA A40-99A"/' "$ROOT/var/lib/pve-vgpu/types.json"
	run pve_vgpu reconcile
	assert_success
	assert_output "vm 100: is right"
	grep -q '"NVIDIA A40-24A"' "$ROOT/var/lib/pve-vgpu/types.json"
}

@test "an intent that names its type by a number is told of another meaning" {
	vm 100 "hostpci0: $VF,mdev=$A"
	intent 100 "$A"
	before "$A" 'NVIDIA A40-48Q'
	run pve_vgpu reconcile
	assert_success
	assert_output "the intent names its type by its id, and $A was A40-48Q and is now A40-24A: write the name"
	assert_equal "$(calls)" ''
}

@test "what waits for the next start is what counts, and what is to go is let go" {
	vm 100 "hostpci0: $VF,mdev=nvidia-9001" '' '[PENDING]' "hostpci0: 0000:68:00.4,mdev=nvidia-9001"
	vm 101 "hostpci0: $VF,mdev=nvidia-9001" '' '[PENDING]' 'delete: hostpci0'
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'hostpci0 = A40-24A'
	qemu 100
	run pve_vgpu reconcile
	assert_success
	config 100 | sed -n '/PENDING/,$p' | grep -qx "hostpci0: 0000:68:00.4,mdev=$A"
	config 100 | sed '/PENDING/,$d' | grep -qx "hostpci0: $VF,mdev=nvidia-9001"
	assert_output "vm 101: is right"
}

@test "lines without an intent, VMs without one, and VMs of other nodes are not touched" {
	vm 100 "hostpci0: $VF,mdev=$A" 'hostpci1: 0000:01:00.0' "hostpci2: 0000:68:00.4,mdev=nvidia-9001"
	vm 101 "hostpci0: $VF,mdev=nvidia-9001"
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 102]' 'hostpci0 = A40-24A'
	tree > "$BATS_TEST_TMPDIR/before"
	run pve_vgpu reconcile
	assert_success
	tree | diff "$BATS_TEST_TMPDIR/before" -
	refute_output 101
	refute_output 102
}

@test "args and the wrapper need nothing" {
	vm 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	vm 101
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'hostpci0 = A40-24A' 'mode = wrapper'
	run pve_vgpu reconcile
	assert_success
	assert_equal "$(calls)" ''
}

@test "a VM that is another one now is left alone" {
	vm 100 'meta: creation-qemu=9.0.0,ctime=200' "hostpci0: $VF,mdev=nvidia-9001"
	settings '[vm 100]' 'hostpci0 = A40-24A' 'identity = ctime:100'
	run pve_vgpu reconcile
	assert_success
	assert_output "vm 100: is another VM than the one its intent was made for: left alone"
	assert_equal "$(calls)" ''
}

@test "an id that would command the terminal is shown as text, and the command can be pasted" {
	vm 100 "hostpci0: $VF,mdev=a"$'\033[2J'",romfile=it's\\"$'\033'
	settings '[vm 100]' 'hostpci0 = A40-24A'
	run pve_vgpu reconcile --dry-run
	assert_success
	assert_output 'A40-24A is mdev=nvidia-575 now, no longer a?[2J'
	assert_output "would run: qm set 100 --hostpci0 \$'$VF,mdev=nvidia-575,romfile=it\\'s\\\\\\033'"
	refute_output $'\033'
	assert_equal "$(eval "printf %s $(sed -n "s/.*--hostpci0 //p" <<< "$output")")" "$VF,mdev=nvidia-575,romfile=it's\\"$'\033'
}

@test "one VM that cannot be mended does not keep the others from it" {
	vm 100 "hostpci0: $VF,mdev=nvidia-9001"
	vm 101 "hostpci0: 0000:01:00.0,mdev=nvidia-9001"
	vm 102 "hostpci0: $VF,mdev=nvidia-9001" 'lock: backup'
	vm 103 "hostpci0: $VF,mdev=nvidia-9001"
	settings '[vm 100]' 'hostpci0 = A40-99A' '[vm 101]' 'hostpci0 = A40-24A' '[vm 102]' 'hostpci0 = A40-24A' \
		'[vm 103]' 'hostpci0 = A40-24A'
	run pve_vgpu reconcile
	assert_failure
	assert_output "vm 100: hostpci0: none of its types is known here, and mdev=nvidia-9001 is left as it is"
	assert_output "vm 101: hostpci0: 0000:01:00.0 offers no vGPU types here"
	assert_output "vm 102: 'qm set 102' failed with status 255: 'VM is locked (backup)'"
	assert_output "reconcile: 3 of 4 VMs of this node are not as they should be"
	config 103 | grep -q "mdev=$A\$"
}

@test "a config that someone changes meanwhile is looked at again, and nothing of theirs is lost" {
	vm 100 "hostpci0: $VF,mdev=nvidia-9001"
	intent 100 A40-24A
	meanwhile 1 '^qm set' "sed -i 's/9001/9001,pcie=1/' '$ROOT/etc/pve/qemu-server/100.conf'"
	run pve_vgpu reconcile
	assert_success
	config 100 | grep -q "hostpci0: $VF,mdev=$A,pcie=1\$"
	assert_equal "$(calls | grep -c '^qm set')" 2
}

@test "an intent that is taken out while other VMs have their turn: the line that unset brings back is not touched" {
	vm 100 "hostpci0: $VF,mdev=nvidia-9001"
	vm 101 "hostpci0: 0000:68:00.4,mdev=nvidia-9001"
	settings '[vm 100]' 'hostpci0 = A40-24A' '' '[vm 101]' 'hostpci0 = A40-24A' "was-hostpci0 = 0000:68:00.4,mdev=$B"
	meanwhile 1 '^qm set 100' "'$PVE_VGPU' --root '$ROOT' unset 101"
	run pve_vgpu reconcile
	assert_success
	config 100 | grep -q "hostpci0: $VF,mdev=$A\$"
	config 101 | grep -q "hostpci0: 0000:68:00.4,mdev=$B\$"
}

@test "one that keeps changing is given up" {
	vm 100 "hostpci0: $VF,mdev=nvidia-9001"
	intent 100 A40-24A
	meanwhile 9 '^qm set' "echo 'tags: x' >> '$ROOT/etc/pve/qemu-server/100.conf'"
	run pve_vgpu reconcile
	assert_failure
	assert_output "checksum mismatch"
	config 100 | grep -q nvidia-9001
	assert_equal "$(calls | grep -c '^qm set')" 2
}

@test "a VM that runs gets it with its next start, and that is said" {
	vm 100 "hostpci0: $VF,mdev=nvidia-9001"
	intent 100 A40-24A
	qemu 100
	run pve_vgpu reconcile
	assert_success
	assert_output "vm 100: it runs: the change waits in [PENDING] until its next start"
}

@test "vendor VFIO: the id is the type's, at the config's address" {
	node_teardown
	MOUNTED=
	ROOT=$BATS_TEST_TMPDIR/vfio
	node a40x8-vfio
	pve_tools
	A=$(type_of A40-24A)
	vm 100 "hostpci0: $VF,mdev=nvidia-9001"
	intent 100 A40-24A
	run pve_vgpu reconcile
	assert_success
	config 100 | grep -q "hostpci0: $VF,mdev=$A\$"
}
