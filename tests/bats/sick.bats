#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# GPUs that cannot serve: `types`, `plan`, a start and `create` name each with
# its cause and its cure, and after the cure all of them work.

load helper

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

PF=0000:e8:00.0
MANAGE=/usr/lib/nvidia/sriov-manage

# names CAUSE CURE: the output names the GPU with its cause, and the hint the cure
names() {
	assert_output "GPU $PF: $1"
	[[ $output =~ hint:\ [^$'\n']*"$2" ]] || { echo "no '$2' in the hint of:"; echo "$output"; return 1; }
}

# all_name CAUSE CURE: all four commands do, and nothing is made or left
all_name() {
	run -0 pve_vgpu types
	names "$@"
	run -0 pve_vgpu types --json
	jq -e 'type == "array"' <<< "$(pve_vgpu types --json 2>/dev/null)"
	vm 100
	settings '[vm 100]' 'hostpci0 = A40-24A'
	run -1 pve_vgpu plan 100
	names "$@"
	run -1 hook 100 pre-start
	names "$@"
	run -1 pve_vgpu create A40-24A
	names "$@"
	run -1 pve_vgpu create A40-24A --dry-run
	names "$@"
	run -1 pve_vgpu create A40-24A --gpu $PF
	names "$@"
	assert_equal "$(mdevs | wc -l)" 0
	[ ! -e "$ROOT/run/pve-vgpu/100.json" ]
	jq -e . <<< "$(pve_vgpu plan 100 --json 2>/dev/null || true)" || true
}

# cured [MEMBERS]: the node after the cure; VM and settings stay
cured() {
	node_teardown
	MOUNTED=''
	a40 "${1:-}"
	run -0 --separate-stderr pve_vgpu types
	assert_equal "$stderr" ''
	run -0 hook 100 pre-start
	assert_output 'A40-24A (nvidia-575) on 0000:e8:00.4'
	run -0 pve_vgpu create A40-24A
}

@test "sick: VFs that came up without their driver, on mdev and on vendor VFIO" {
	local n

	for n in half-initialised half-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$n
		node sick-$n
		all_name 'the VFs are not bound to the nvidia driver yet' "$MANAGE -d $PF; $MANAGE -e $PF"
	done
	cured '"framework": "nvidia-vfio"'
}

# partly FRAMEWORK: an A40 with four VFs of which the first two have no driver
partly() {
	node_json <<< "{\"gpus\":[{\"bdf\":\"$PF\",\"totalvfs\":4,\"framework\":\"$1\"}],
		\"vf_drivers\":{\"0000:e8:00.4\":null,\"0000:e8:00.5\":null}}"
}

PART='some of its VFs are not bound to a driver yet: nothing is made on those'

@test "sick: VFs without a driver are not counted and no place, while the others serve" {
	local f

	for f in mdev nvidia-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$f
		partly $f
		run -0 pve_vgpu types
		names "$PART" "$MANAGE -d $PF; $MANAGE -e $PF"
		assert_equal "$(available 2>/dev/null | jq -c '[."A40-12A", ."A40-2Q", ."A40-48Q"]')" '[2,2,1]'
		run -0 pve_vgpu list
		assert_output "GPU $PF: $PART"
		run -0 pve_vgpu create A40-12A
		assert_output 'on 0000:e8:00.6'
		refute_output 'not bound'
		run -0 pve_vgpu create A40-12A
		assert_output 'on 0000:e8:00.7'
		assert_equal "$(available 2>/dev/null | jq -c '[.[]] | add')" 0
		run -0 pve_vgpu plan --fit --json
		assert_equal "$(pve_vgpu plan --fit --json 2>/dev/null | jq -c '[.[].available] | add')" 0
		vm 100
		settings '[vm 100]' 'hostpci0 = A40-12A'
		for cmd in 'create A40-12A' 'plan 100' '100 pre-start'; do
			# shellcheck disable=SC2086
			run -1 pve_vgpu $cmd
			assert_output 'full: none of its 2 VFs with a driver is free; 2 have none yet'
			assert_output "GPU $PF: $PART; when none of its vGPUs is in use: $MANAGE -d $PF; $MANAGE -e $PF"
		done
	done
}

@test "sick: a VF without a driver that the VM's config names is no place" {
	partly mdev
	vm 100 'hostpci0: 0000:e8:00.4,mdev=pci-573'
	settings '[vm 100]' 'hostpci0 = A40-12A'
	run -1 hook 100 pre-start
	assert_output '0000:e8:00.4 is not bound to a driver yet'
	assert_output "$MANAGE -d $PF"
	assert_equal "$(mdevs)" ''
}

@test "sick: SR-IOV is not enabled" {
	node sick-no-vfs
	all_name 'SR-IOV is not enabled: it has no VFs' "$MANAGE -e $PF"
	cured
}

@test "sick: VFs without types, on mdev and on vendor VFIO" {
	local n

	for n in no-types no-types-vfio; do
		ROOT=$BATS_TEST_TMPDIR/$n
		node sick-$n
		all_name 'it shows no vGPU types, though it holds no vGPU' 'systemctl restart nvidia-vgpud'
		assert_output 'journalctl -u nvidia-vgpud'
	done
	cured '"framework": "nvidia-vfio"'
}

@test "sick: a vendor GPU that listed types before and lists none now, with nothing on it" {
	a40 '"framework": "nvidia-vfio"'
	pve_vgpu types > /dev/null
	node_teardown
	MOUNTED=''
	node sick-no-types-vfio
	assert_equal "$(available 2>/dev/null | jq -c '[length, add]')" '[22,0]'
	vm 100
	settings '[vm 100]' 'hostpci0 = A40-24A'
	run -0 pve_vgpu types
	names 'it shows no vGPU types' 'systemctl restart nvidia-vgpud'
	run -1 hook 100 pre-start
	names 'it shows no vGPU types' 'systemctl restart nvidia-vgpud'
	run -1 pve_vgpu create A40-24A
	names 'it shows no vGPU types' 'systemctl restart nvidia-vgpud'
	cured '"framework": "nvidia-vfio"'
}

@test "sick: a full vendor GPU is full and not sick, whoever fills it" {
	node a40-full-vfio
	run -0 pve_vgpu types
	refute_output 'nvidia-vgpud'
	run -1 pve_vgpu create A40-24A
	refute_output 'nvidia-vgpud'
	ROOT=$BATS_TEST_TMPDIR/last
	a40 '"framework": "nvidia-vfio"' '{"parent": "0000:e8:04.3", "type": 566}'
	run -1 pve_vgpu create A40-24A
	refute_output 'nvidia-vgpud'
}

@test "sick: the plain driver, without its vGPU part" {
	node sick-no-driver
	all_name 'the driver nvidia is loaded without its vGPU part' "install NVIDIA's vGPU host driver"
	cured
}

@test "sick: nouveau has the GPU" {
	node sick-nouveau
	all_name 'it is bound to the driver nouveau' "install NVIDIA's vGPU host driver"
	assert_output 'blacklist nouveau'
	cured
}

@test "sick: no driver is bound, beside a GPU that serves and alone" {
	node sick-unbound
	run -0 pve_vgpu types
	names 'no driver is bound to it, though nvidia is loaded' "echo $PF > /sys/bus/pci/drivers/nvidia/bind"
	run -0 pve_vgpu create A40-24A
	assert_output 'GPU 0000:f8:00.0'
	ROOT=$BATS_TEST_TMPDIR/alone
	node_json <<< '{"nvidia_driver": null, "gpus":[{"bdf":"0000:e8:00.0","driver":null,"framework":"none"}]}'
	all_name 'no driver is bound to it' "NVIDIA's vGPU host driver"
	cured
}

@test "sick: the IOMMU is off" {
	node sick-no-iommu
	all_name 'the IOMMU is off' 'intel_iommu=on'
	assert_output 'amd_iommu=on'
	cured
}

@test "sick: the GPU itself is on vfio-pci" {
	node sick-passthrough
	all_name 'the GPU itself is bound to vfio-pci' "echo $PF > /sys/bus/pci/drivers/nvidia/bind"
	assert_output '/etc/modprobe.d'
	cured
}

@test "sick: a healthy GPU beside a sick one serves, and types remarks the sick one" {
	node sick-mixed
	vm 100
	settings '[vm 100]' 'hostpci0 = A40-24A'
	run -0 --separate-stderr pve_vgpu types
	assert_equal "${#lines[@]}" 22
	output=$stderr
	names 'SR-IOV is not enabled' "$MANAGE -e $PF"
	refute_output 'GPU 0000:67:00.0'
	run -0 hook 100 pre-start
	assert_output 'GPU 0000:67:00.0'
	refute_output 'SR-IOV'
	run -0 pve_vgpu create A40-24A
}

@test "sick: when the healthy GPU is full the sick one is a line, and the hint stays" {
	node sick-mixed
	pve_vgpu create A40-48Q
	run -1 pve_vgpu create A40-48Q
	assert_output "A40-48Q on 0000:67:00.0: full: 1 of 1"
	assert_output "GPU $PF: SR-IOV is not enabled"
	assert_output 'hint: remove a vGPU or choose another type'
}

@test "sick: a name that a healthy GPU does not know may be of the sick one" {
	node sick-mixed
	run -1 pve_vgpu create A16-4Q
	assert_output "'A16-4Q' is no vGPU type of this node"
	names 'SR-IOV is not enabled' "$MANAGE -e $PF"
	run -1 pve_vgpu create A40-24A --gpu $PF
	names 'SR-IOV is not enabled' "$MANAGE -e $PF"
}

@test "sick: an address of a sick GPU in the VM's config" {
	node sick-mixed
	vm 100 'hostpci0: 0000:e8:00.4,mdev=nvidia-575'
	settings '[vm 100]' 'hostpci0 = A40-24A'
	run -1 hook 100 pre-start
	assert_output 'offers no vGPU types here'
	names 'SR-IOV is not enabled' "$MANAGE -e $PF"
}

@test "sick: a failure that has another reason names no GPU" {
	node sick-mixed
	fault write '*/create' EIO 100
	echo garbage > "$ROOT/etc/pve/pve-vgpu.conf"
	vm 100
	run -1 hook 100 pre-start
	refute_output 'SR-IOV'
}

@test "sick: many sick GPUs are named one by one, and their cures cut short" {
	node_json < <(jq -n '{gpus: [range(1; 7) | {bdf: "0000:0\(. + 1):00.0", numvfs: 0}]}')
	run -1 pve_vgpu create A40-24A
	assert_equal "$(grep -c '^  GPU 0000:0.:00.0: SR-IOV' <<< "$output")" 6
	assert_output "$MANAGE -e 0000:04:00.0; \`pve-vgpu types\` shows the rest"
}

@test "sick: looking for sick GPUs reads nothing of those that serve, nor of their VFs" {
	node a40x16-64vf-mdev
	pve_vgpu types > /dev/null
	ops_reset
	pve_vgpu types 2>/dev/null > /dev/null
	assert_equal "$(jq -r 'del(.total) | keys | join(" ")' "$SYS/.sim/ops")" available_instances
	[ "$(ops)" -le 32 ]
	ops_reset
	run -1 pve_vgpu create A40-99Q
	assert_equal "$(ops)" 0
}

@test "sick: a start that succeeds on a node with sick GPUs reads no more than on any other" {
	node sick-mixed
	pve_vgpu types > /dev/null
	vm 100
	settings '[vm 100]' 'hostpci0 = A40-24A'
	ops_reset
	hook 100 pre-start
	[ "$(ops)" -le 4 ]
	assert_equal "$(jq -r 'del(.total) | keys | join(" ")' "$SYS/.sim/ops")" 'available_instances create'
}

@test "sick: a device of somebody else's on vfio-pci or without a driver is not named" {
	node_json <<-'J'
	{ "gpus": [ {"bdf": "0000:e8:00.0"},
		{"bdf": "0000:05:00.0", "vendor": "8086", "class": "020000", "driver": "vfio-pci", "framework": "none"},
		{"bdf": "0000:06:00.0", "vendor": "1002", "class": "030000", "driver": null, "framework": "none"},
		{"bdf": "0000:07:00.0", "vendor": "10de", "class": "040300", "driver": "vfio-pci", "framework": "none"} ] }
	J
	run -0 --separate-stderr pve_vgpu types
	assert_equal "$stderr" ''
}

@test "sick: a GPU whose types cannot be read is reported as that" {
	node p40x2
	fault read 'devices/*/0000:3b:00.0/*' EIO 1000
	run -0 --separate-stderr pve_vgpu types
	output=$stderr
	assert_output 'Input/output error'
	refute_output 'it shows no vGPU types'
	refute_output 'shows a type'
}

@test "sick: a GPU of the board that is asked for may be the sick one" {
	node sick-mixed
	pve_vgpu create A40-48Q
	vm 100
	settings '[vm 100]' 'hostpci0 = A40-24A' 'gpu = A40'
	run -1 hook 100 pre-start
	assert_output "GPU $PF: SR-IOV is not enabled"
	run -1 pve_vgpu create A40-24A --gpu A40
	assert_output "GPU $PF: SR-IOV is not enabled"
	ROOT=$BATS_TEST_TMPDIR/second
	node sick-no-vfs
	run -1 pve_vgpu create A40-24A --gpu A40
	names 'SR-IOV is not enabled' "$MANAGE -e $PF"
}
