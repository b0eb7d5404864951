#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `pve-vgpu scheduler`: what node.conf asks for, what the driver was loaded with,
# and the file for its next load.

load helper
load sriov_helper

PF=0000:e8:00.0
FILE=etc/modprobe.d/pve-vgpu.conf
HEAD='# Written by `pve-vgpu scheduler apply` from /etc/pve-vgpu/node.conf; what is changed here is lost.'

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

# loaded LINE…: what the driver shows of its parameters
loaded() {
	mkdir -p "$ROOT/proc/driver/nvidia"
	printf '%s\n' "$@" > "$ROOT/proc/driver/nvidia/params"
}

# kmsg FIRST LINE…: the kernel's log, whose records are numbered from FIRST on
kmsg() {
	local n=$1 line

	mkdir -p "$ROOT/dev"
	for line in "${@:2}"; do
		printf '4,%d,%d,-;%s\n' "$((n++))" "$((n * 1000))" "$line"
	done > "$ROOT/dev/kmsg"
}

# said GPU ENABLED|DISABLED POLICY: what NVIDIA's driver writes there
said() {
	echo "NVRM: GPU at $1 has software scheduler $2 with policy $3."
}

SLICE='NVRM: Software scheduler timeslice set to 1 ms.'
BY_PARAMETERS="pve-vgpu: GPU $PF: what runs is taken from the driver's parameters"

# file VALUE: what `apply` writes for that value of the parameter
file() {
	printf '%s\noptions nvidia NVreg_RegistryDwordsPerDevice="%s"\n' "$HEAD" "$1"
}

# modprobe_d NAME LINE…: another file there
modprobe_d() {
	mkdir -p "$ROOT/etc/modprobe.d"
	printf '%s\n' "${@:2}" > "$ROOT/etc/modprobe.d/$1"
}

apply() {
	pve_vgpu scheduler apply "$@"
}

# shows LINES STDERR: the status, as it stands, and what is said of it
shows() {
	run -0 --separate-stderr pve_vgpu scheduler
	assert_equal "$output" "$1"
	assert_equal "$stderr" "$2"
}

# shows_by_parameters POLICY WHY: what runs is known from the driver's parameters alone
shows_by_parameters() {
	shows "$PF	-	-	$1	-" "$BY_PARAMETERS: $2"
}

@test "status: nothing is asked for, and what the driver has" {
	a40
	model $PF 'NVIDIA A40'
	shows "$PF	NVIDIA A40	-	?	-" ''
	loaded 'RegistryDwords: "RmPVMRL=0x11"' 'RegistryDwordsPerDevice: ""'
	kmsg 0 "$(said $PF ENABLED FIXED_SHARE)"
	run -0 pve_vgpu scheduler status
	assert_equal "$output" "$PF	NVIDIA A40	-	fixed share	-"
}

@test "apply: one value for each GPU, with its times, and the reboot that is due" {
	node_json <<< '{"gpus":[{"bdf":"0000:01:00.0"},{"bdf":"0000:02:00.0"},{"bdf":"0000:03:00.0"},{"bdf":"0000:04:00.0","totalvfs":0}]}'
	node_conf '[defaults]' 'scheduler = equal-share' \
		'[gpu 0000:02:00.0]' 'scheduler = fixed-share' 'time-slice = 24' \
		'[gpu 0000:03:00.0]' 'scheduler = equal-share' 'frequency = 960' 'averaging-factor = 60' \
		'[gpu 0000:04:00.0]' 'scheduler = best-effort'
	run -0 --separate-stderr apply
	assert_equal "$output" '/etc/modprobe.d/pve-vgpu.conf written
a reboot is due: update-initramfs -u -k all, and reboot: the driver takes it when it is loaded'
	assert_equal "$stderr" ''
	assert_equal "$(cat "$ROOT/$FILE")" "$(file 'pci=0000:01:00.0;RmPVMRL=0x01;pci=0000:02:00.0;RmPVMRL=0x180013;pci=0000:03:00.0;RmPVMRL=0x3c3c0001;pci=0000:04:00.0;RmPVMRL=0x00')"
	assert_equal "$(stat -c %a "$ROOT/$FILE")" 644
	# modprobe itself reads it so
	[[ $(modprobe -C "$ROOT/etc/modprobe.d" -c) == *'options nvidia NVreg_RegistryDwordsPerDevice="pci=0000:01:00.0;RmPVMRL=0x01;'* ]]
	run -0 apply
	assert_output '/etc/modprobe.d/pve-vgpu.conf is as it is to be'
	assert_output 'a reboot is due'
	shows "0000:01:00.0	-	equal share	?	after a reboot
0000:02:00.0	-	fixed share, 24 ms	?	after a reboot
0000:03:00.0	-	equal share, 960 Hz, averaging factor 60	?	after a reboot
0000:04:00.0	-	best effort	?	after a reboot" \
		'hint: update-initramfs -u -k all, and reboot: the driver takes it when it is loaded'
}

@test "status: from asked for over written to active" {
	a40
	loaded 'RegistryDwords: ""' 'RegistryDwordsPerDevice: ""'
	node_conf "[gpu $PF]" 'scheduler = fixed-share'
	run -0 pve_vgpu scheduler
	assert_output 'not applied'
	assert_output 'hint: pve-vgpu scheduler apply'
	apply
	run -0 pve_vgpu scheduler
	assert_output "fixed share	best effort	after a reboot"
	loaded 'RegistryDwords: ""' "RegistryDwordsPerDevice: \"pci=$PF;RmPVMRL=0x11\""
	kmsg 0 'Linux version 6.8.12-4-pve' "$(said $PF ENABLED FIXED_SHARE)"
	shows "$PF	-	fixed share	fixed share	active" ''
	run -0 apply
	refute_output reboot
	node_conf "[gpu $PF]" 'scheduler = equal-share'
	run -0 pve_vgpu scheduler
	assert_output 'not applied'
	node_conf '[defaults]' 'sriov = yes'
	run -0 pve_vgpu scheduler
	assert_output 'not applied'
	run -0 apply
	assert_output '/etc/modprobe.d/pve-vgpu.conf removed'
	assert_output 'a reboot is due'
	[ ! -e "$ROOT/$FILE" ]
	run -0 apply
	assert_equal "$output" 'no scheduler is asked for'
}

@test "status: what runs is what the driver wrote last into the kernel's log" {
	node_json <<< '{"gpus":[{"bdf":"0000:01:00.0"},{"bdf":"0000:02:00.0"},{"bdf":"0000:03:00.0"}]}'
	loaded 'RegistryDwords: "RmPVMRL=0x3c3c0001"' 'RegistryDwordsPerDevice: "pci=0000:03:00.0;RmPVMRL=0x11"'
	kmsg 0 'Linux version 6.8.12-4-pve' "$(said 0000:01:00.0 DISABLED BEST_EFFORT)" "$(said 0000:01:00.0 ENABLED EQUAL_SHARE)" "$SLICE" \
		"$(said 0000:02:00.0 DISABLED BEST_EFFORT)" "$(said 0000:03:00.0 ENABLED FIXED_SHARE)"
	shows "0000:01:00.0	-	-	equal share, 1 ms, 960 Hz, averaging factor 60	-
0000:02:00.0	-	-	best effort	-
0000:03:00.0	-	-	fixed share	-" ''
	run -0 pve_vgpu scheduler --json
	assert_equal "$(jq -c '[.[] | [.running.policy, .reported.policy, .reported.enabled, .reported.time_slice_ms, .unreported]]' <<< "$output")" \
		'[["equal-share","equal-share",true,1,null],["equal-share","best-effort",false,null,null],["fixed-share","fixed-share",true,null,null]]'
	# the log goes round, and the line that counts is still there
	kmsg 7000 "$(said 0000:01:00.0 ENABLED EQUAL_SHARE)" "$(said 0000:02:00.0 ENABLED EQUAL_SHARE)" "$(said 0000:03:00.0 ENABLED FIXED_SHARE)"
	run -0 --separate-stderr pve_vgpu scheduler
	assert_equal "$stderr" ''
}

@test "status: where the kernel's log does not tell, the driver's parameters do, and that is said" {
	a40
	loaded 'RegistryDwords: "RmPVMRL=0x11"' 'RegistryDwordsPerDevice: ""'
	shows_by_parameters 'fixed share' "read '/dev/kmsg': No such file or directory"
	kmsg 4711 'usb 1-1: new device' "$(said 0000:99:00.0 ENABLED EQUAL_SHARE)"
	shows_by_parameters 'fixed share' "the kernel's log has gone round, and its oldest lines are lost"
	kmsg 0 'Linux version 6.8.12-4-pve'
	shows_by_parameters 'fixed share' "the kernel's log has no line of the driver's that tells it"
	run -0 pve_vgpu scheduler --json
	assert_equal "$(jq -c '.[0] | [.running.policy, .reported, .unreported]' <<< "$output")" \
		"[\"fixed-share\",null,\"the kernel's log has no line of the driver's that tells it\"]"
	rm "$ROOT/dev/kmsg"
	mkdir "$ROOT/dev/kmsg"
	shows_by_parameters 'fixed share' "read '/dev/kmsg': Is a directory"
	rmdir "$ROOT/dev/kmsg"
	mkfifo "$ROOT/dev/kmsg"
	run -0 --separate-stderr timeout 10 "$PVE_VGPU" --root "$ROOT" scheduler
	assert_equal "$stderr" "$BY_PARAMETERS: the kernel's log has no line of the driver's that tells it"
	# without the driver, its lines are of a load that is over
	rm -r "$ROOT/dev/kmsg" "$ROOT/proc/driver"
	kmsg 0 "$(said $PF ENABLED FIXED_SHARE)"
	shows "$PF	-	-	?	-" ''
}

@test "status: what node.conf asks for was loaded, and the driver runs another: no reboot mends that" {
	a40
	node_conf "[gpu $PF]" 'scheduler = equal-share'
	loaded 'RegistryDwords: "RmPVMRL=0x01"' 'RegistryDwordsPerDevice: ""'
	kmsg 0 "$(said $PF DISABLED BEST_EFFORT)"
	shows "$PF	-	equal share	best effort	not taken" \
		"pve-vgpu: GPU $PF: the driver was loaded with equal share, and its last line of it in the kernel's log has best effort
hint: nvidia-smi vgpu -ss shows what runs; boards up to Maxwell have best effort alone"
	run -0 pve_vgpu scheduler --json
	assert_equal "$(jq -r '.[0].state' <<< "$output")" differs
	run pve_vgpu doctor
	assert_output "GPU $PF: the driver was loaded with equal share, and its last line"
	# it is asked for and written all the same
	run -0 apply
	refute_output 'a reboot'$'\n''a reboot'
	kmsg 0 "$(said $PF DISABLED BEST_EFFORT)" "$(said $PF ENABLED EQUAL_SHARE)"
	run -0 --separate-stderr pve_vgpu scheduler
	assert_equal "$output" "$PF	-	equal share	equal share	active"
}

@test "status: nothing in the kernel's log does any harm, and nobody but the kernel speaks for it" {
	local good

	a40
	loaded 'RegistryDwords: "RmPVMRL=0x01"' 'RegistryDwordsPerDevice: ""'
	good=$(said $PF ENABLED FIXED_SHARE)
	mkdir -p "$ROOT/dev"
	{
		printf '4,0,1,-;%s\n' "$good" "$SLICE"
		# a process wrote these, and these say something else
		printf '12,1,1,-;%s\n' "$(said $PF ENABLED EQUAL_SHARE)"
		printf '4,1,1,-;%s\n' " $(said $PF ENABLED EQUAL_SHARE)" "usb 1-1: Product: $(said $PF ENABLED EQUAL_SHARE)" \
			"NVRM: GPU at /../$PF has software scheduler ENABLED with policy EQUAL_SHARE." \
			'NVRM: Software scheduler timeslice set to -1 ms.' 'NVRM: Software scheduler timeslice set to 99999999999999999999 ms.'
		printf ' %s\n' "$(said $PF ENABLED EQUAL_SHARE)"
		printf '4,x,1,-;%s\n4;%s\n;%s\n' "$good" "$good" "$good"
		printf '4,2,1,-;NVRM: \033[31m\001\377\000 GPU at'
		head -c 100000 /dev/zero | tr '\0' 'A'
		echo "$(said $PF ENABLED EQUAL_SHARE)"
		junk 20000 | tr -d '\n'
		echo
		printf '4,3,1,-;'
	} > "$ROOT/dev/kmsg"
	shows "$PF	-	-	fixed share, 1 ms	-" ''
	# a line of this GPU that is not understood: what was said before does not hold any more
	kmsg 0 "$good" "$(said $PF ENABLED '\x1b[2J')"
	shows_by_parameters 'equal share' "the kernel's log has no line of the driver's that tells it"
}

@test "status: what the admin's own file has set is active without ours" {
	a40
	loaded 'RegistryDwords: "RmPVMRL=0x11"' 'RegistryDwordsPerDevice: ""'
	node_conf "[defaults]" 'scheduler = fixed-share'
	run -0 pve_vgpu scheduler
	assert_output 'active'
}

@test "apply: by board, as the driver calls the GPU; a board that none is, is told" {
	a40
	model $PF 'NVIDIA A40'
	node_conf '[gpu A40]' 'scheduler = equal-share' '[gpu L40S]' 'scheduler = fixed-share'
	run -0 apply
	assert_output '/etc/pve-vgpu/node.conf:3: no GPU of NVIDIA'
	assert_equal "$(cat "$ROOT/$FILE")" "$(file "pci=$PF;RmPVMRL=0x01")"
}

@test "apply: a GPU whose board nobody knows does not lose what it has" {
	a40
	model $PF 'NVIDIA A40'
	node_conf '[gpu A40]' 'scheduler = equal-share'
	apply
	ROOT2=$ROOT
	ROOT=$BATS_TEST_TMPDIR/unloaded
	a40 '"framework": "none", "driver": null'
	mkdir -p "$ROOT/etc/modprobe.d" "$ROOT/etc/pve-vgpu"
	cp "$ROOT2/$FILE" "$ROOT/etc/modprobe.d"
	cp "$ROOT2/etc/pve-vgpu/node.conf" "$ROOT/etc/pve-vgpu"
	run -1 apply
	assert_output "GPU $PF: which board it is is not known"
	assert_output "hint: modprobe nvidia; or name the GPU by its address: [gpu $PF]"
	cmp "$ROOT/$FILE" "$ROOT2/$FILE"
}

@test "apply: fixed share is refused with mixed sizes, asked for or seen" {
	a40
	node_conf '[defaults]' 'mixed-size = yes' "[gpu $PF]" 'scheduler = fixed-share'
	run -1 apply
	assert_output "/etc/pve-vgpu/node.conf:2: 'mixed-size = yes' and the scheduler of line 4, fixed-share, exclude each other"
	ROOT=$BATS_TEST_TMPDIR/mixed
	a40 '"mixed_size": true'
	pve_vgpu create A40-24A
	pve_vgpu create A40-12A
	node_conf '[defaults]' 'scheduler = fixed-share'
	run -1 apply
	assert_output "GPU $PF: it holds vGPUs of several sizes, and fixed share takes one size alone"
	run -0 pve_vgpu scheduler
	assert_output 'cannot be'
	assert_output 'several sizes'
	[ ! -e "$ROOT/$FILE" ]
}

@test "apply: a GPU that is gone, one that is none, a VF and another vendor's: nothing is written" {
	local gpu

	node_json <<< '{"gpus":[{"bdf":"0000:e8:00.0"},{"bdf":"0000:05:00.0","class":"020000","framework":"vf"},
		{"bdf":"0000:06:00.0","vendor":"1002","driver":"gim","framework":"vf"}]}'
	for gpu in '0000:99:00.0:there is no PCI device 0000:99:00.0' '0000:05:00.0:0000:05:00.0 is no GPU' \
		"0000:e8:00.4:0000:e8:00.4 is a VF of GPU $PF" "0000:06:00.0:'scheduler' is for NVIDIA's GPUs"; do
		node_conf '[defaults]' 'scheduler = equal-share' "[gpu ${gpu:0:12}]" 'scheduler = fixed-share'
		run -1 apply
		assert_output "scheduler apply: GPU ${gpu:0:12}: ${gpu:13}"
		assert_output 'hint: '
		[ ! -e "$ROOT/$FILE" ]
		run -0 pve_vgpu scheduler
		assert_output "${gpu:13}"
	done
	# what [defaults] says is not for another vendor's
	node_conf '[defaults]' 'scheduler = equal-share'
	run -0 apply
	assert_equal "$(cat "$ROOT/$FILE")" "$(file "pci=$PF;RmPVMRL=0x01")"
}

@test "apply: a fault of node.conf writes nothing" {
	local line

	a40
	node_conf "[gpu $PF]" 'scheduler = fixed-share'
	apply
	for line in 'scheduler = round-robin' 'time-slice = 3' 'time-slice = 31' '[gpu x/y]' 'shceduler = equal-share'; do
		node_conf "[gpu 0000:99:00.0]" 'sriov = no' "[gpu $PF]" "$line"
		run -1 apply
		assert_output '/etc/pve-vgpu/node.conf:4: '
		assert_equal "$(cat "$ROOT/$FILE")" "$(file "pci=$PF;RmPVMRL=0x11")"
	done
}

@test "apply: another file or the command line that sets the same parameter is named" {
	local dir

	a40
	node_conf '[defaults]' 'scheduler = equal-share'
	modprobe_d nvidia.conf '# mine' 'options nvidia NVreg_Foo=1 \' '  NVreg_RegistryDwordsPerDevice="pci=0000:01:00.0;Foo=1"'
	run -1 apply
	assert_output "/etc/modprobe.d/nvidia.conf:2 sets NVreg_RegistryDwordsPerDevice, too"
	assert_output "add to its value: pci=$PF;RmPVMRL=0x01"
	[ ! -e "$ROOT/$FILE" ]
	# no file of modprobe's, one of another parameter, and one that is masked
	mv "$ROOT/etc/modprobe.d/nvidia.conf" "$ROOT/etc/modprobe.d/nvidia.conf.bak"
	modprobe_d other.conf 'options nvidia NVreg_RegistryDwords="RmPVMRL=0x11"'
	mkdir -p "$ROOT/usr/lib/modprobe.d"
	cp "$ROOT/etc/modprobe.d/nvidia.conf.bak" "$ROOT/usr/lib/modprobe.d/other.conf"
	run -0 apply
	for dir in run usr/local/lib usr/lib lib; do
		mkdir -p "$ROOT/$dir/modprobe.d"
		cp "$ROOT/etc/modprobe.d/nvidia.conf.bak" "$ROOT/$dir/modprobe.d/third.conf"
		run -1 apply
		assert_output "/$dir/modprobe.d/third.conf:2 sets"
		rm "$ROOT/$dir/modprobe.d/third.conf"
	done
	echo 'quiet nvidia.NVreg_RegistryDwordsPerDevice="pci=0000:01:00.0;Foo=1"' > "$ROOT/proc/cmdline"
	run -1 apply
	assert_output "the kernel's command line sets NVreg_RegistryDwordsPerDevice, too"
}

@test "apply: a file of somebody else's by that name is left alone" {
	a40
	node_conf '[defaults]' 'scheduler = equal-share'
	modprobe_d pve-vgpu.conf 'options nvidia NVreg_Foo=1'
	run -1 apply
	assert_output "'/etc/modprobe.d/pve-vgpu.conf' was not written by pve-vgpu"
	assert_equal "$(cat "$ROOT/$FILE")" 'options nvidia NVreg_Foo=1'
}

@test "apply: more GPUs than the kernel takes in one value" {
	local i gpus=''

	for i in {1..31}; do
		gpus="$gpus${gpus:+,}{\"bdf\":\"0000:$(printf %02x "$i"):00.0\",\"totalvfs\":0}"
	done
	node_json <<< "{\"gpus\":[$gpus]}"
	node_conf '[defaults]' 'scheduler = equal-share' 'frequency = 480'
	run -1 apply
	assert_output "and the kernel takes 1024"
	[ ! -e "$ROOT/$FILE" ]
}

@test "apply: a read-only /etc is named, and what was there stays whole" {
	a40
	node_conf "[gpu $PF]" 'scheduler = fixed-share'
	apply
	node_conf "[gpu $PF]" 'scheduler = equal-share'
	# shellcheck disable=SC2016
	run -1 own_mounts bash -ec 'mount --bind "$2/etc" "$2/etc"; mount -o remount,ro,bind "$2/etc"; exec "$1" --root "$2" scheduler apply' \
		- "$PVE_VGPU" "$ROOT"
	assert_output 'Read-only file system'
	assert_output 'hint: /etc must be writable for it: findmnt -T /etc/modprobe.d'
	assert_equal "$(cat "$ROOT/$FILE")" "$(file "pci=$PF;RmPVMRL=0x11")"
	assert_equal "$(ls -A "$ROOT/etc/modprobe.d")" pve-vgpu.conf
}

@test "apply: dry run says what it would write, and writes nothing" {
	a40
	node_conf '[defaults]' 'scheduler = equal-share'
	tree > "$BATS_TEST_TMPDIR/before"
	run -0 apply --dry-run
	assert_equal "$output" "would write /etc/modprobe.d/pve-vgpu.conf:
$(file "pci=$PF;RmPVMRL=0x01")"
	tree | diff "$BATS_TEST_TMPDIR/before" -
	apply
	node_conf '[defaults]' 'sriov = no'
	run -0 apply --dry-run
	assert_equal "$output" 'would remove /etc/modprobe.d/pve-vgpu.conf'
	[ -e "$ROOT/$FILE" ]
}

@test "JSON: the fields of docs/json.md, and what they hold" {
	local doc

	a40
	node_conf "[gpu $PF]" 'scheduler = fixed-share' 'time-slice = 3'
	loaded 'RegistryDwords: ""' 'RegistryDwordsPerDevice: ""'
	run -0 apply --json
	assert_equal "$(jq -c '.[0] | [.gpu, .state, .wanted.policy, .wanted.time_slice_ms, .running.policy, .file.policy, .problem]' <<< "$output")" \
		"[\"$PF\",\"reboot\",\"fixed-share\",3,\"best-effort\",\"fixed-share\",null]"
	node_conf "[gpu $PF]" 'scheduler = equal-share' 'frequency = 960' 'averaging-factor = 60'
	run -0 pve_vgpu scheduler status --json
	assert_equal "$(jq -c '.[0].wanted' <<< "$output")" \
		'{"policy":"equal-share","time_slice_ms":null,"frequency_hz":960,"averaging_factor":60}'
	doc=$(sed -n '/^## `scheduler/,$s/^| \(`.*`\) | .*/\1/p' "$TOP/docs/json.md" | cut -d'|' -f1 | grep -oE '[a-z_]+' | sort -u)
	assert_equal "$doc" "$(jq -r '.[0] | keys[]' <<< "$output" | sort)"
}

@test "usage: words and options that are none" {
	a40
	run -2 pve_vgpu scheduler set
	assert_output "'set' is neither status nor apply"
	run -2 pve_vgpu scheduler apply all
	run -2 pve_vgpu scheduler --dry-run
}
