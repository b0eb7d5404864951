#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `pve-vgpu plan --fit`: how many more VMs could start with each type, and why no more.

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

# fit NAME: its line in a pipe
fit() {
	pve_vgpu plan --fit 2> /dev/null | grep -P "^$1\t"
}

# fit_json NAME FILTER
fit_json() {
	pve_vgpu plan --fit --json 2> /dev/null | jq -c --arg n "$1" ".[] | select(.name == \$n) | $2"
}

# same_as_types: every count is the sum of what `types` has
same_as_types() {
	assert_equal "$(pve_vgpu plan --fit --json 2> /dev/null | jq -c '[.[] | {(.type): .available}] | add')" \
		"$(pve_vgpu types --json 2> /dev/null | jq -c 'map(select(.offered)) | group_by(.framebuffer_mib, .id) |
			[.[] | {(.[0].type): ([.[].available // 0] | add)}] | add')"
}

@test "plan --fit: on an empty node every type, in order of size, and nothing blocks" {
	node a40x8-mdev
	run -0 --separate-stderr pve_vgpu plan --fit
	assert_equal "${#lines[@]}" 22
	assert_equal "${lines[0]}" $'A40-1B\tnvidia-555\t256\t'
	assert_equal "${lines[21]}" $'A40-48A\tnvidia-576\t8\t'
	assert_equal "$stderr" ''
	same_as_types
}

@test "plan --fit: the sum over the GPUs, and the reason against each that takes none" {
	node_json <<-J
	{ "gpus": [ {"bdf": "0000:17:00.0"}, {"bdf": "0000:65:00.0"}, {"bdf": "0000:e8:00.0"} ],
	  "vgpus": [ {"parent": "0000:65:00.4", "type": 575, "uuid": "$U1"},
		{"parent": "0000:e8:00.4", "type": 560, "uuid": "$U2"} ] }
	J
	assert_equal "$(fit A40-24A)" $'A40-24A\tnvidia-575\t3\tA40-24A on 0000:e8:00.0: holds A40-4Q of 4096 MiB, and A40-24A has 24576 MiB: the vGPUs on one GPU are of equal size'
	assert_equal "$(fit A40-4A | cut -f3)" 23
	assert_equal "$(fit_json A40-24A '[.type, .framebuffer_mib, .available, .gpus, [.out[].gpu]]')" \
		'["nvidia-575",24576,3,[{"gpu":"0000:17:00.0","available":2,"available_at_least":false},{"gpu":"0000:65:00.0","available":1,"available_at_least":false}],["0000:e8:00.0"]]'
	same_as_types
}

@test "plan --fit: GPUs with the same reason stand together, different reasons are joined" {
	node_json <<-J
	{ "gpus": [ {"bdf": "0000:17:00.0"}, {"bdf": "0000:65:00.0"}, {"bdf": "0000:e8:00.0"} ],
	  "vgpus": [ {"parent": "0000:65:00.4", "type": 576, "uuid": "$U1"},
		{"parent": "0000:e8:00.4", "type": 576, "uuid": "$U2"} ] }
	J
	assert_equal "$(fit A40-48Q)" $'A40-48Q\tnvidia-566\t1\tA40-48Q on 0000:65:00.0, 0000:e8:00.0: full: 1 of 1 (foreign)'
	pve_vgpu create A40-2Q
	assert_equal "$(fit A40-48Q | cut -f4)" 'A40-48Q on 0000:17:00.0: holds A40-2Q of 2048 MiB, and A40-48Q has 49152 MiB: the vGPUs on one GPU are of equal size; A40-48Q on 0000:65:00.0, 0000:e8:00.0: full: 1 of 1 (foreign)'
	assert_equal "$(fit_json A40-48Q '[.available, (.out | length)]')" '[0,3]'
}

@test "plan --fit: the reasons are those of a plan for a VM" {
	local why

	node a40-foreign
	vm 100
	settings '[vm 100]' 'hostpci0 = A40-4A'
	assert_equal "$(pve_vgpu plan 100 --json | jq '.[0].out | length')" 0
	assert_equal "$(fit_json A40-4A .out)" '[]'
	pve_vgpu create A40-4Q > /dev/null
	while pve_vgpu create A40-4Q > /dev/null 2>&1; do :; done
	why=$(pve_vgpu plan 100 --json 2> /dev/null | jq -c '[.[0].out[] | [.gpu, .why]]')
	[[ $why == *full* ]]
	assert_equal "$(fit_json A40-4A '[.out[] | [.gpu, .why]]')" "$why"
}

@test "plan --fit: a full node has room for nothing, on both frameworks" {
	node a40-full-mdev
	assert_equal "$(pve_vgpu plan --fit | cut -f3 | sort -u)" 0
	assert_equal "$(pve_vgpu plan --fit | cut -f4 | grep -c .)" 22
	assert_equal "$(pve_vgpu plan --fit --json | jq '[.[] | .out | length] | unique == [1]')" true
	ROOT=$BATS_TEST_TMPDIR/vfio
	a40 '"framework": "nvidia-vfio"'
	pve_vgpu types > /dev/null
	pve_vgpu create A40-48Q
	assert_equal "$(pve_vgpu plan --fit | cut -f3 | sort -u)" 0
	assert_equal "$(fit A40-48A | cut -f4)" 'A40-48A on 0000:e8:00.0: full: 1 of 1 (standalone)'
	same_as_types
}

@test "plan --fit: a full vendor VFIO GPU that was never seen says so" {
	node a40-full-vfio
	run -0 --separate-stderr pve_vgpu plan --fit --json
	assert_equal "$(jq -c . <<< "$output")" '[]'
	output=$stderr
	assert_output 'GPU 0000:e8:00.0: shows no types now, as a full GPU does'
}

@test "plan --fit: a vendor VFIO GPU too full to list a type is not one that lacks it" {
	node_json <<-J
	{ "gpus": [ {"bdf": "0000:17:00.0", "framework": "nvidia-vfio"}, {"bdf": "0000:65:00.0", "framework": "nvidia-vfio"} ],
	  "vgpus": [ {"parent": "0000:65:00.4", "type": 560} ] }
	J
	run -0 fit A40-24A
	assert_output $'A40-24A\tnvidia-575\t2\tA40-24A on 0000:65:00.0: '
	refute_output 'does not offer'
}

@test "plan --fit: MIG-backed types where an instance is free, time-sliced ones on the GPU beside" {
	node a100d-mixed
	assert_equal "$(fit A100D-2-20C)" $'A100D-2-20C\tnvidia-700\t1+\tA100D-2-20C on 0000:65:00.0: MIG mode is off, and A100D-2-20C is MIG-backed (nvidia-smi -i 0000:65:00.0 -mig 1, with its VFs disabled)'
	assert_equal "$(fit A100D-40C)" $'A100D-40C\tnvidia-697\t2\tA100D-40C on 0000:17:00.0: MIG mode is on, and A100D-40C is time-sliced (nvidia-smi -i 0000:17:00.0 -mig 0, with its VFs disabled)'
	run -0 fit A100D-7-80C
	assert_output $'A100D-7-80C\tnvidia-703\t0\tA100D-7-80C on 0000:17:00.0: MIG mode is on and there is no GPU instance of A100D-7-80C\'s profile (nvidia-smi mig -i 0000:17:00.0 -cgi <profile> -C); '
	assert_output 'A100D-7-80C on 0000:65:00.0: MIG mode is off, and'
	same_as_types
	ROOT=$BATS_TEST_TMPDIR/empty
	node a100-mig-empty
	assert_equal "$(pve_vgpu plan --fit | cut -f4 | sed 's/A100[0-9A-Z-]*/T/g' | sort -u)" \
		'T on 0000:21:00.0: MIG mode is on and there is no GPU instance (nvidia-smi mig -i 0000:21:00.0 -cgi <profile> -C)
T on 0000:21:00.0: MIG mode is on, and T is time-sliced (nvidia-smi -i 0000:21:00.0 -mig 0, with its VFs disabled)'
	assert_equal "$(pve_vgpu plan --fit | cut -f3 | sort -u)" 0
}

@test "plan --fit: mixed sizes: the driver's word counts, and no rule of equal sizes is blamed" {
	node a40-mixed-size
	pve_vgpu create A40-24Q
	assert_equal "$(fit A40-24A)" $'A40-24A\tnvidia-575\t1\t'
	assert_equal "$(fit A40-8Q)" $'A40-8Q\tnvidia-562\t3\t'
	run -0 fit A40-48Q
	assert_output $'\t0\tA40-48Q on 0000:17:00.0: '
	refute_output 'equal size'
	pve_vgpu create A40-8Q
	assert_equal "$(fit A40-8A)" $'A40-8A\tnvidia-572\t2\t'
	refute_output 'equal size'
	same_as_types
}

@test "plan --fit: several frameworks and boards on one node" {
	node_json <<-J
	{ "gpus": [ {"bdf": "0000:01:00.0", "device": "1b38", "memory_mib": 24576, "totalvfs": 0, "types": "P40"},
		{"bdf": "0000:17:00.0"}, {"bdf": "0000:65:00.0", "framework": "nvidia-vfio"},
		{"bdf": "0000:00:02.0", "vendor": "8086", "driver": "i915", "totalvfs": 0, "types": [{"id": "GVTg_V5_4", "max_instance": 1}]} ],
	  "parents": [ {"path": "css0/0.0.0313", "driver": "vfio_ccw", "device_api": "vfio-ccw", "types": [{"id": "io", "max_instance": 1}]} ] }
	J
	# the same type on both frameworks is one type
	assert_equal "$(fit A40-24A)" $'A40-24A\tnvidia-575\t4\tA40-24A on 0000:00:02.0, 0000:01:00.0: does not offer A40-24A'
	assert_equal "$(fit P40-2B | cut -f3)" 12
	assert_equal "$(fit GVTg_V5_4 | cut -f2,3)" $'i915-GVTg_V5_4\t1'
	assert_equal "$(pve_vgpu plan --fit | grep -c vfio_ccw)" 0
	assert_equal "$(fit_json A40-24A '[.gpus[].gpu]')" '["0000:17:00.0","0000:65:00.0"]'
	same_as_types
}

@test "plan --fit: two types of one name have a line each" {
	node same-name
	assert_equal "$(fit 3050 | cut -f2 | sort | tr '\n' ' ')" 'nvidia-1604 nvidia-2266 '
	assert_equal "$(pve_vgpu plan --fit --json | jq -c '[.[] | select(.type == "nvidia-2266") | .gpus[].gpu]')" '["0000:65:00.0"]'
}

@test "plan --fit: what a start has claimed is taken" {
	node a40x8-mdev
	vm 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	intent 100 A40-24A
	hook 100 pre-start
	assert_equal "$(fit A40-24A)" $'A40-24A\tnvidia-575\t15\t'
	assert_equal "$(fit A40-48A)" $'A40-48A\tnvidia-576\t7\tA40-48A on 0000:67:00.0: holds A40-24A of 24576 MiB, and A40-48A has 49152 MiB: the vGPUs on one GPU are of equal size'
}

@test "plan --fit: as many VMs as it says can start, and no more" {
	local n=0

	node two-boards
	[ "$(fit L40S-16Q | cut -f3)" = 3 ]
	while pve_vgpu create L40S-16Q > /dev/null 2>&1; do n=$((n + 1)); done
	assert_equal $n 3
	assert_equal "$(fit L40S-16Q | cut -f3)" 0
	assert_equal "$(fit L40S-16A | cut -f4)" \
		'L40S-16A on 0000:17:00.0: does not offer L40S-16A; L40S-16A on 0000:65:00.0: full: 3 of 3 (standalone, standalone, standalone)'
}

@test "plan --fit: a GPU that cannot be asked is out, and the message says why" {
	node_json <<< '{ "gpus": [ {"bdf": "0000:17:00.0", "framework": "nvidia-vfio"}, {"bdf": "0000:65:00.0", "framework": "nvidia-vfio"} ] }'
	pve_vgpu types > /dev/null
	fault read '*0000:65:*creatable_vgpu_types' EIO 100
	run -0 --separate-stderr pve_vgpu plan --fit --json
	assert_equal "$(jq -c '.[] | select(.name == "A40-24A") | [.available, .out]' <<< "$output")" \
		'[2,[{"gpu":"0000:65:00.0","why":"refused: the driver could not be asked"}]]'
	output=$stderr
	assert_output 'GPU 0000:65:00.0: room is not known'
}

@test "plan --fit: a node without GPUs, and one without sysfs" {
	node_json <<< '{ "gpus": [ { "bdf": "0000:04:00.0", "driver": "vfio-pci", "framework": "none" } ] }'
	run -0 --separate-stderr pve_vgpu plan --fit
	assert_equal "$output" ''
	[[ $stderr == *'no GPU of this node offers vGPUs'* ]]
	assert_equal "$(pve_vgpu plan --fit --json 2> /dev/null | jq -c .)" '[]'
	ROOT=$BATS_TEST_TMPDIR/bare
	mkdir -p "$ROOT"
	run -0 pve_vgpu plan --fit
	assert_output 'no GPU of this node offers vGPUs'
}

@test "plan --fit: on a terminal columns, a line for each reason, room for nothing faint" {
	node two-boards
	pve_vgpu create L40S-48Q
	run -0 on_tty "$PVE_VGPU" --root "$ROOT" plan --fit
	assert_output 'NAME      TYPE         MORE  OUT'
	assert_output 'A40-24A   nvidia-575   2     A40-24A on 0000:65:00.0: does not offer A40-24A'
	assert_output $'\033['
	assert_output 'L40S-48A  nvidia-1166  0     L40S-48A on 0000:17:00.0: does not offer L40S-48A'
	assert_output '                             L40S-48A on 0000:65:00.0: full: 1 of 1 (standalone)'
	NO_COLOR=1 run -0 on_tty "$PVE_VGPU" --root "$ROOT" plan --fit
	refute_output $'\033['
}

@test "plan --fit: asks the driver no more than types does" {
	local n first later

	for n in a40x8-mdev a40x8-vfio p40-one-2gb a100d-mixed a40-mixed-size h100l-vfio two-boards gvtg; do
		ROOT=$BATS_TEST_TMPDIR/$n.types
		node $n
		ops_reset
		pve_vgpu types > /dev/null
		first=$(ops)
		ops_reset
		pve_vgpu types > /dev/null
		later=$(ops)
		ROOT=$BATS_TEST_TMPDIR/$n.fit
		node $n
		ops_reset
		pve_vgpu plan --fit > /dev/null
		[ "$(ops)" -le "$first" ] || { echo "$n: $(ops), types took $first"; return 1; }
		ops_reset
		pve_vgpu plan --fit > /dev/null
		[ "$(ops)" -le "$later" ] || { echo "$n: $(ops) later, types took $later"; return 1; }
	done
}

@test "plan --fit: changes nothing but what it has seen of types" {
	local before

	node a40-foreign
	before=$(mdevs)
	pve_vgpu plan --fit > /dev/null
	assert_equal "$(mdevs)" "$before"
	assert_equal "$(find "$ROOT/run" "$ROOT/etc" -newer "$BATS_TEST_TMPDIR/root/etc/pve/.version" -type f | wc -l)" 0
	assert_equal "$(ls "$ROOT/var/lib/pve-vgpu")" types.json
}

@test "plan: a vmid or --fit, neither and both are wrong usage" {
	node a40x8-mdev
	run -2 pve_vgpu plan
	assert_output '<vmid> missing'
	run -2 pve_vgpu plan 100 --fit
	assert_output 'a vmid or --fit, not both'
	run -2 pve_vgpu plan --fit 100
	assert_output 'a vmid or --fit, not both'
	run -2 pve_vgpu plan --fit --dry-run
	assert_output "'--dry-run' is not known here"
	run -2 pve_vgpu plan --fit=1
	assert_output "takes no value"
	assert_output 'usage: pve-vgpu plan <vmid>|--fit [--json]'
	run -2 pve_vgpu plan --fti
	assert_output 'did you mean --fit?'
}

@test "plan --fit --json: the fields that docs/json.md names are those that are printed" {
	local doc

	node two-boards
	doc=$(sed -n '/^## `plan --fit/,/^## `show/s/^| \(`.*`\) | .*/\1/p' "$TOP/docs/json.md" | cut -d'|' -f1 | grep -oE '[a-z_]+' | sort -u)
	assert_equal "$doc" "$(pve_vgpu plan --fit --json | jq -r '.[0] | keys[]' | sort)"
}
