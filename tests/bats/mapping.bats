# SPDX-License-Identifier: AGPL-3.0-or-later
# PVE's cluster mappings that vGPUs come through: checked and mended by reconcile.

load helper
load pve_tools

setup() {
	start_node a40x8-mdev
}

# start_node FILE: the node, its tools, and VM 100 with a vGPU through mapping a40
start_node() {
	node "$1"
	pve_tools
	CFG=$ROOT/etc/pve/mapping/pci.cfg
	TYPE=$(pve_vgpu types --json | jq -r 'map(select(.name == "A40-24A"))[0].type')
	FAR='id=10de:2235,iommugroup=9,node=pve2,path=0000:01:00.4,subsystem-id=10de:145a'
	vm 100 "hostpci0: mapping=a40,mdev=$TYPE"
	intent 100 A40-24A
}

teardown() {
	node_teardown
}

# entry BDF [GROUP]: what the function's entry has to be
entry() {
	local d=$SYS/bus/pci/devices/$1 group=${2:-}

	echo "id=$(cut -c3- "$d/vendor"):$(cut -c3- "$d/device"),iommugroup=${group:-$(basename "$(readlink "$d/iommu_group")")},node=pve1,path=$1,subsystem-id=$(cut -c3- "$d/subsystem_vendor"):$(cut -c3- "$d/subsystem_device")"
}

# mapping ENTRY…: the whole of pci.cfg
mapping() {
	{
		echo a40
		printf '\tmap %s\n' "$@"
		printf '\tmdev 1\n\n'
	} > "$CFG"
}

entries() {
	sed -n 's/^\tmap //p' "$CFG"
}

@test "a mapping that agrees with the hardware is left alone" {
	mapping "$FAR" "$(entry 0000:67:00.4)" "$(entry 0000:68:01.0)"
	run pve_vgpu reconcile
	assert_success
	assert_output "vm 100: is right"
	assert_equal "$(calls)" ''
}

@test "a stale entry of this node is replaced, through pvesh with the digest; all else stays" {
	mapping "$(entry 0000:67:00.4 1234)" "$FAR" "$(entry 0000:68:00.4)"
	run pve_vgpu reconcile --dry-run
	assert_success
	assert_output "vm 100: would change mapping 'a40': drop entry"
	assert_output "iommugroup=1234"
	assert_equal "$(calls)" ''
	run pve_vgpu reconcile
	assert_success
	assert_output "vm 100: mapping 'a40': add 1 device of node 'pve1'"
	assert_equal "$(entries)" "$(printf '%s\n' "$FAR" "$(entry 0000:68:00.4)" "$(entry 0000:67:00.4)")"
	calls | grep -qE '^pvesh set /cluster/mapping/pci/a40 --digest [0-9a-f]{40} --map '
	run grep live-migration "$CFG" "$ROOT/.pve/log"
	assert_failure
	run pve_vgpu reconcile
	assert_output "vm 100: is right"
}

# of_two: the mapping has old entries of VFs of two GPUs, and nothing is known of the types under this driver
of_two() {
	mapping "$(entry 0000:67:00.4 1234)" "$(entry 0000:68:00.4 1234)"
	rm -f "$ROOT/var/lib/pve-vgpu/types.json"
	run pve_vgpu reconcile
	assert_success
	assert_equal "$(entries)" "$(printf '%s\n' "$(entry 0000:67:00.4)" "$(entry 0000:68:00.4)")"
}

@test "vendor VFIO: entries of all GPUs are replaced, not those of the first that has the type alone" {
	node_teardown
	MOUNTED=
	ROOT=$BATS_TEST_TMPDIR/vfio
	start_node a40x8-vfio
	of_two
	# A GPU that is full tells nothing: what it has had is not taken away from it.
	echo 576 > "$SYS/bus/pci/devices/0000:67:00.5/nvidia/current_vgpu_type"
	of_two
}

@test "a device that is gone goes from the mapping, and the admin's selection stays" {
	mapping "$(entry 0000:67:00.4)" 'id=10de:2235,iommugroup=1,node=pve1,path=0000:99:00.4,subsystem-id=10de:145a'
	run pve_vgpu reconcile
	assert_success
	assert_output "there is no device 0000:99:00.4"
	assert_equal "$(entries)" "$(entry 0000:67:00.4)"
}

@test "where every address has changed, all parents of the type take their place" {
	mapping "$FAR" 'id=10de:2235,iommugroup=1,node=pve1,path=0000:99:00.4,subsystem-id=10de:145a'
	run pve_vgpu reconcile
	assert_success
	assert_output "add 256 devices of node 'pve1'"
	assert_equal "$(entries | wc -l)" 257
	assert_equal "$(entries | head -1)" "$FAR"
}

@test "what is no mapping for vGPUs, or not there, is named and left alone" {
	run pve_vgpu reconcile
	assert_failure
	assert_output "vm 100: mapping 'a40' is not in /etc/pve/mapping/pci.cfg"
	mapping "$(entry 0000:67:00.4)"
	sed -i '/mdev/d' "$CFG"
	run pve_vgpu reconcile
	assert_failure
	assert_output "mapping 'a40': not marked for mediated devices (mdev)"
	mapping "$FAR"
	run pve_vgpu reconcile
	assert_failure
	assert_output "mapping 'a40': no entry for node 'pve1'"
	assert_equal "$(calls)" ''
}

@test "two VMs of one mapping, one look; both ids are written" {
	mapping "$(entry 0000:67:00.4 1234)"
	vm 100 "hostpci0: mapping=a40,mdev=nvidia-9001,pcie=1"
	vm 101 "hostpci0: mapping=a40,mdev=nvidia-9001"
	intent 101 A40-24A
	run pve_vgpu reconcile
	assert_success
	assert_equal "$(calls | grep -c 'pvesh set')" 1
	grep -q "hostpci0: mapping=a40,mdev=$TYPE,pcie=1" "$ROOT/etc/pve/qemu-server/100.conf"
	grep -q "hostpci0: mapping=a40,mdev=$TYPE\$" "$ROOT/etc/pve/qemu-server/101.conf"
}

@test "the name that the mapping's devices have for the type is written, whatever driver is in it" {
	local other=vfio-pci-${TYPE#nvidia-}

	jq '.vf_drivers = {"0000:67:00.4": "vfio-pci"}' "$TOP/tests/nodes/a40x8-mdev.json" > "$BATS_TEST_TMPDIR/n.json"
	ROOT=$BATS_TEST_TMPDIR/mixed
	start_node "$BATS_TEST_TMPDIR/n.json"
	[ -d "$SYS/class/mdev_bus/0000:67:00.4/mdev_supported_types/$other" ]
	mapping "$(entry 0000:67:00.4)" "$(entry 0000:68:00.4)"
	vm 100 "hostpci0: mapping=a40,mdev=$other"
	vm 101 "hostpci0: mapping=a40,mdev=nvidia-9001"
	intent 101 A40-24A
	run pve_vgpu reconcile
	assert_success
	assert_output "vm 100: is right"
	grep -q "hostpci0: mapping=a40,mdev=$other\$" "$ROOT/etc/pve/qemu-server/101.conf"
}

@test "someone who changes the mappings meanwhile loses nothing" {
	mapping "$(entry 0000:67:00.4 1234)"
	meanwhile 1 '^pvesh set' "sed -i 's/^.mdev 1/&\n\tdescription theirs/' '$CFG'"
	run pve_vgpu reconcile
	assert_success
	grep -q 'description theirs' "$CFG"
	assert_equal "$(entries)" "$(entry 0000:67:00.4)"
	assert_equal "$(calls | grep -c '^pvesh set')" 2
}

@test "a mapping that keeps changing is given up" {
	mapping "$(entry 0000:67:00.4 1234)"
	meanwhile 9 '^pvesh set' "sed -i 's/^.mdev 1/&\n#/' '$CFG'"
	run pve_vgpu reconcile
	assert_failure
	assert_output "detected modified configuration"
	entries | grep -q iommugroup=1234
}

# What set needs besides: the hookscript, and a qemu-server that knows mappings
ready_for_set() {
	mkdir -p "$ROOT/var/lib/vz/snippets" "$ROOT/etc/pve/priv/lock"
	: > "$ROOT/usr/bin/pve-vgpu"
	chmod +x "$ROOT/usr/bin/pve-vgpu"
	ln -s /usr/bin/pve-vgpu "$ROOT/var/lib/vz/snippets/pve-vgpu"
	vm 100
}

@test "set makes the mapping of all parents, each an entry that PVE takes, without a word on live migration" {
	ready_for_set
	run pve_vgpu set 100 A40-24A
	assert_success
	assert_equal "$(sed -n 1p "$CFG")" vgpu-A40
	assert_equal "$(entries | wc -l)" 256
	assert_equal "$(entries | head -1)" "$(entry 0000:67:00.4)"
	grep -q $'^\tmdev 1' "$CFG"
	run grep live-migration "$CFG" "$ROOT/.pve/log"
	assert_failure
	grep -q "mapping=vgpu-A40,mdev=$TYPE" "$ROOT/etc/pve/qemu-server/100.conf"
	: > "$ROOT/.pve/log"
	run pve_vgpu set 100 A40-24A
	assert_success
	assert_equal "$(calls)" ''
}

@test "two nodes that make the mapping at once both have their entries in it" {
	ready_for_set
	printf 'vgpu-A40\n\tmap %s\n\tmdev 1\n\n' "$FAR" > "$BATS_TEST_TMPDIR/theirs"
	meanwhile 1 '^pvesh create' "cp '$BATS_TEST_TMPDIR/theirs' '$CFG'"
	run pve_vgpu set 100 A40-24A
	assert_success
	assert_equal "$(entries | wc -l)" 257
	assert_equal "$(entries | head -1)" "$FAR"
	assert_equal "$(calls | grep -oE '^pvesh [a-z]+' | tr '\n' ';')" 'pvesh create;pvesh set;'
}

@test "a mapping of that name with other content is refused, and nothing is changed" {
	ready_for_set
	printf 'vgpu-A40\n\tmap %s\n\n' "$(entry 0000:67:00.4)" > "$CFG"
	cp "$CFG" "$BATS_TEST_TMPDIR/cfg"
	run pve_vgpu set 100 A40-24A
	assert_failure
	assert_output "mapping 'vgpu-A40' is something else: it is not marked for mediated devices (mdev)"
	cmp "$CFG" "$BATS_TEST_TMPDIR/cfg"
	assert_equal "$(calls)" ''
}
