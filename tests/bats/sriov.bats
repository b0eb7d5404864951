#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `pve-vgpu sriov`: VFs made and removed through the programs and files that do
# it, believed when they are there, and never under a vGPU.

load helper
load sriov_helper

PF=0000:e8:00.0

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

# A wait that must end well, with room for a busy machine; one in which several steps take a share of it; one that is to be over
LONG='sriov-wait = 60'
MIDDLE='sriov-wait = 16'
SHORT='sriov-wait = 4'

# bare [MEMBERS]: an A40 without VFs, the programs, and a wait for them
bare() {
	a40 "\"numvfs\": 0${1:+, $1}"
	stand_ins
	node_conf '[defaults]' "$LONG"
}

# plain DRIVER [MEMBERS]: a GPU of another vendor
plain() {
	node_json <<< "{\"gpus\":[{\"bdf\":\"$PF\",\"vendor\":\"1002\",\"device\":\"73a1\",\"driver\":\"$1\",\"framework\":\"vf\",
		\"totalvfs\":8${2:+, $2}}]}"
	node_conf '[defaults]' "${@:3}"
}

# --- enable ------------------------------------------------------------------------

@test "enable: NVIDIA's program is run, and what it says is believed when all VFs and types are there" {
	bare
	run -0 pve_vgpu sriov enable $PF
	assert_output "$PF: 32 VFs enabled"
	assert_equal "$(ran)" "sriov-manage -e $PF"
	assert_equal "$(numvfs $PF)" 32
	run -0 pve_vgpu create A40-24A
	run -0 pve_vgpu sriov enable $PF
	assert_output "$PF: 32 of 32 VFs are there"
	assert_equal "$(ran)" "sriov-manage -e $PF"
}

@test "enable: on vendor VFIO, by a board's name, and for all" {
	bare '"framework": "nvidia-vfio"'
	model $PF 'NVIDIA A40'
	run -1 pve_vgpu sriov enable A16
	assert_output "'A16' is no address, and no GPU with SR-IOV here is of that board"
	run -0 pve_vgpu sriov enable a40
	assert_equal "$(numvfs $PF)" 32
	run -0 pve_vgpu sriov disable all
	assert_output "$PF: VFs removed"
	assert_equal "$(numvfs $PF)" 0
	run -0 pve_vgpu sriov enable all
	assert_equal "$(numvfs $PF)" 32
}

@test "enable: unbindLock is waited for, and named when it lasts" {
	bare
	tell locked 2
	run -0 pve_vgpu sriov enable $PF
	assert_equal "$(ran | wc -l)" 3
	pve_vgpu sriov disable $PF
	node_conf '[defaults]' "$SHORT"
	tell locked
	run -1 pve_vgpu sriov enable $PF
	assert_output "sriov enable: GPU $PF: another program has the GPU, and sriov-manage cannot take it: 'Cannot obtain unbindLock for $PF'"
	assert_output 'hint: stop what asks NVML'
	[ "$(ran | wc -l)" -gt 4 ]
}

@test "enable: a program that says yes and does nothing is not believed" {
	bare
	node_conf '[defaults]' "$MIDDLE"
	tell nothing 2
	run -0 pve_vgpu sriov enable $PF
	assert_equal "$(ran | wc -l)" 3
	pve_vgpu sriov disable $PF
	node_conf '[defaults]' "$SHORT"
	tell nothing
	run -1 pve_vgpu sriov enable $PF
	assert_output "'$MANAGE' reported success, and there are no VFs"
	assert_output 'hint: dmesg | grep -i -e NVRM'
}

@test "enable: no try is begun that would be cut off, as that can cost the GPU its driver" {
	bare
	node_conf '[defaults]' 'sriov-wait = 8'
	tell slow
	tell nothing
	run -1 pve_vgpu sriov enable $PF
	assert_output 'reported success, and there are no VFs'
	assert_equal "$(ran | wc -l)" 1
}

@test "enable: VFs without their driver get a new turn, where nobody uses the GPU" {
	bare
	echo "$PF 32" > "$SYS/.sim/vfs"
	echo "0000:e8:00.5 -" > "$SYS/.sim/driver"
	run -0 pve_vgpu sriov enable $PF
	assert_output "$PF: VFs removed"
	assert_output "$PF: 32 VFs enabled"
	assert_equal "$(ran)" "sriov-manage -d $PF"$'\n'"sriov-manage -e $PF"
	pve_vgpu create A40-24A
	echo "0000:e8:00.5 -" > "$SYS/.sim/driver"
	run -1 pve_vgpu sriov enable $PF
	assert_output "it is in use: A40-24A on 0000:e8:00.4"
	assert_output 'hint: stop those VMs'
	assert_equal "$(ran | wc -l)" 2
	node_conf '[defaults]' 'sriov-wait = 8'
	tell driverless
	pve_vgpu remove 0000:e8:00.4
	run -1 pve_vgpu sriov enable $PF
	assert_output 'of 32 VFs 32 are there and 0 bound to a driver'
}

@test "enable: a program that fails is quoted, one that leaves the GPU without driver has the way back" {
	bare
	node_conf '[defaults]' "$SHORT"
	tell fails
	run -1 pve_vgpu sriov enable $PF
	assert_output "'$MANAGE' failed with status 3: 'no such GPU'"
	assert_equal "$(ran | wc -l)" 1
	rm "$ROOT/standin/fails"
	tell unbinds
	run -1 pve_vgpu sriov enable $PF
	assert_output 'the GPU is left without a driver'
	assert_output "hint: echo $PF > /sys/bus/pci/drivers/nvidia/bind"
}

@test "enable: a program that hangs is ended, one that is missing is named" {
	bare
	node_conf '[defaults]' 'sriov-wait = 1'
	tell hangs
	run -1 pve_vgpu sriov enable $PF
	assert_output "sriov-manage' gave no answer within"
	assert_output 'sriov-wait in /etc/pve-vgpu/node.conf gives it more time'
	rm "$ROOT$MANAGE"
	run -1 pve_vgpu sriov enable $PF
	assert_output "run '$MANAGE': No such file or directory"
	assert_output "hint: it comes with NVIDIA's vGPU host driver"
}

@test "enable: nvidia-vgpud is run again where types are missing" {
	bare
	node_conf '[defaults]' "$MIDDLE"
	echo "$PF no" > "$SYS/.sim/types"
	echo $PF > "$ROOT/standin/gpus"
	run -0 pve_vgpu sriov enable $PF
	assert_output "$PF: types missing; nvidia-vgpud.service run again"
	run -0 pve_vgpu create A40-24A
	pve_vgpu remove 0000:e8:00.4
	echo "$PF no" > "$SYS/.sim/types"
	tell typeless
	run -1 pve_vgpu sriov enable $PF
	assert_output 'the VFs show no vGPU types, also after nvidia-vgpud.service has run again'
	assert_output 'hint: journalctl -b -u nvidia-vgpud'
	tell fails
	run -1 pve_vgpu sriov enable $PF
	assert_output "restart nvidia-vgpud.service' failed with status 1: 'Job for nvidia-vgpud.service failed'"
}

@test "enable: a GPU bound to vfio-pci, nouveau or nothing is named with the way back" {
	local n

	for n in passthrough:'bound to vfio-pci':"[gpu $PF] sriov = no" nouveau:'bound to the driver nouveau':blacklist \
		unbound:'no driver is bound to it':drivers/nvidia/bind no-iommu:'the IOMMU is off':intel_iommu=on; do
		ROOT=$BATS_TEST_TMPDIR/${n%%:*}
		node "sick-${n%%:*}"
		stand_ins
		run -1 pve_vgpu sriov enable $PF
		n=${n#*:}
		assert_output "${n%%:*}"
		[[ $output == *hint:*"${n#*:}"* ]] || { echo "$output"; return 1; }
		assert_equal "$(ran)" ''
	done
}

@test "enable: what is no GPU with SR-IOV is refused, each with its reason" {
	bare
	run -1 pve_vgpu sriov enable 0000:99:00.0
	assert_output 'there is no PCI device 0000:99:00.0'
	echo "$PF 32" > "$SYS/.sim/vfs"
	run -1 pve_vgpu sriov enable 0000:e8:00.4
	assert_output "0000:e8:00.4 is a VF of GPU $PF"
	assert_output "hint: name the GPU itself: $PF"
	ROOT=$BATS_TEST_TMPDIR/t4
	node t4x2
	run -1 pve_vgpu sriov enable 0000:3b:00.0
	assert_output 'the GPU has no SR-IOV'
	ROOT=$BATS_TEST_TMPDIR/net
	node_json <<< '{"gpus":[{"bdf":"0000:05:00.0","class":"020000","vendor":"8086","driver":"ice","framework":"vf"}]}'
	run -1 pve_vgpu sriov enable 0000:05:00.0
	assert_output '0000:05:00.0 is no GPU: its PCI class is 0x020000'
}

@test "enable: never under a claim, a reservation, an open VF" {
	bare
	echo "$PF 32" > "$SYS/.sim/vfs"
	vm 100
	intent 100 A40-24A
	hook 100 pre-start 2> /dev/null
	run -1 pve_vgpu sriov disable $PF
	assert_output 'it is in use: A40-24A on 0000:e8:00.4 of vm 100'
	assert_equal "$(numvfs $PF)" 32
	hook 100 post-stop
	echo "0000:e8:00.7 200 time:99999999999" > "$ROOT/run/qemu-server/pci-id-reservations"
	run -1 pve_vgpu sriov disable $PF
	assert_output 'it is in use: '
	assert_output '0000:e8:00.7'
	assert_output '200'
	rm "$ROOT/run/qemu-server/pci-id-reservations"
	mkdir -p "$ROOT/proc/4242/fd"
	ln -s "/dev/vfio/$(basename "$(readlink "$SYS/bus/pci/devices/0000:e8:00.9/iommu_group" ||
		readlink "$SYS/bus/pci/devices/0000:e8:01.0/iommu_group")")" "$ROOT/proc/4242/fd/9"
	run -1 pve_vgpu sriov disable $PF
	assert_output 'which process 4242 has open'
	rm -r "$ROOT/proc/4242"
	run -0 pve_vgpu sriov disable $PF
	assert_equal "$(numvfs $PF)" 0
	assert_equal "$(ran)" "sriov-manage -d $PF"
}

@test "enable: MIG's instances are not lost without a word" {
	bare
	model $PF 'NVIDIA A40'
	mkdir -p "$ROOT/proc/driver/nvidia/capabilities/gpu0/mig/gi3"
	run -1 pve_vgpu sriov enable $PF
	assert_output 'it has 1 MIG GPU instance, which would be lost'
	assert_output "hint: nvidia-smi mig -i $PF -dci"
	assert_equal "$(ran)" ''
}

@test "enable: two at once are one after the other, and the second finds it done" {
	bare
	"$PVE_VGPU" --root "$ROOT" sriov enable $PF > "$ROOT/one" 2>&1 &
	PIDS=$!
	"$PVE_VGPU" --root "$ROOT" sriov enable $PF > "$ROOT/two" 2>&1 &
	PIDS="$PIDS $!"
	for pid in $PIDS; do wait "$pid"; done
	assert_equal "$(ran | wc -l)" 1
	assert_equal "$(cat "$ROOT/one" "$ROOT/two" | LC_ALL=C sort)" "$PF: 32 VFs enabled"$'\n'"$PF: 32 of 32 VFs are there"
}

@test "dry run: says what would be done, and does nothing" {
	bare
	node_conf '[defaults]' 'mixed-size = yes'
	ROOT=$ROOT tree > "$BATS_TEST_TMPDIR/before"
	run -0 pve_vgpu sriov enable $PF --dry-run
	assert_output "$PF: would run $MANAGE -e $PF"
	assert_output "$PF: would run nvidia-smi vgpu -i $PF -shm 1"
	assert_equal "$(ran)" ''
	tree | diff "$BATS_TEST_TMPDIR/before" -
	echo "$PF 32" > "$SYS/.sim/vfs"
	run -0 pve_vgpu sriov disable $PF --dry-run
	assert_output "would run $MANAGE -d $PF"
	assert_equal "$(numvfs $PF)" 32
}

# --- mixed sizes -------------------------------------------------------------------

@test "mixed sizes: set behind the VFs and before the first vGPU" {
	bare
	node_conf '[gpu A40]' 'sriov = yes' 'mixed-size = yes'
	model $PF 'NVIDIA A40'
	run -0 pve_vgpu sriov enable --configured $PF
	assert_output "$PF: 32 VFs enabled"
	assert_output "$PF: mixed-size mode set"
	assert_equal "$(ran)" "sriov-manage -e $PF"$'\n'"nvidia-smi vgpu -i $PF -shm 1"
	pve_vgpu create A40-24A
	run -0 pve_vgpu sriov enable $PF
	assert_output "mixed-size mode left as it is, for the GPU holds vGPUs: when they are gone, pve-vgpu sriov enable $PF sets it"
	assert_equal "$(ran | wc -l)" 2
}

@test "mixed sizes: refused with fixed share, and named where nvidia-smi cannot" {
	bare
	node_conf '[defaults]' 'mixed-size = yes'
	tell old
	run -1 pve_vgpu sriov enable $PF
	assert_output "set mixed-size mode: '"
	assert_output "failed with status 6: 'Invalid option -shm'"
	assert_output 'hint: mixed sizes need vGPU 17 or later'
	mkdir -p "$ROOT/proc/driver/nvidia"
	echo 'RegistryDwords: "RmPVMRL=0x11"' > "$ROOT/proc/driver/nvidia/params"
	run -1 pve_vgpu sriov enable $PF
	assert_output 'mixed-size mode cannot be set: its scheduler is fixed share'
	node_conf '[defaults]' 'mixed-size = yes' 'scheduler = fixed-share'
	run -1 pve_vgpu sriov enable $PF
	assert_output "/etc/pve-vgpu/node.conf:2: 'mixed-size = yes' and 'scheduler = fixed-share' exclude each other"
}

# --- as node.conf has it -----------------------------------------------------------

@test "configured: only what node.conf asks for, and a fault of it stops that GPU" {
	bare
	run -0 pve_vgpu sriov enable --configured $PF
	assert_output "$PF: /etc/pve-vgpu/node.conf does not ask for its VFs"
	assert_equal "$(ran)" ''
	node_conf '[defaults]' 'sriov = yes' "[gpu $PF]" 'sriov = no'
	run -0 pve_vgpu sriov enable --configured
	assert_equal "$(ran)" ''
	node_conf '[defaults]' 'sriov = yes' "[gpu $PF]" 'sriov = maybe'
	run -1 pve_vgpu sriov enable --configured $PF
	assert_output "/etc/pve-vgpu/node.conf:4: 'sriov': 'maybe' is neither 'yes' nor 'no'"
	node_conf '[defaults]' 'sriov = yes' "[gpu 0000:99:00.0]" 'sriov = maybe'
	run -0 pve_vgpu sriov enable --configured $PF
	assert_equal "$(numvfs $PF)" 32
}

@test "configured: a GPU that is gone, and a board that nobody is, are named" {
	bare
	node_conf '[gpu 0000:99:00.0]' 'sriov = yes' "[gpu $PF]" 'sriov = yes' '[gpu L40S]' 'sriov = yes'
	run -1 pve_vgpu sriov enable --configured all
	assert_output "$PF: 32 VFs enabled"
	assert_output 'sriov enable: GPU 0000:99:00.0: there is no PCI device 0000:99:00.0'
	assert_output 'node.conf:5: no GPU with SR-IOV here is known to be a L40S'
	assert_output '1 of 2 GPUs failed'
	run -0 pve_vgpu sriov status
	assert_output 'there is no PCI device 0000:99:00.0'
}

@test "configured: where Proxmox's unit is enabled ours leaves the VFs to it, and says so" {
	local unit

	bare
	node_conf '[defaults]' 'sriov = yes' 'mixed-size = yes'
	mkdir -p "$ROOT/usr/lib/systemd/system" "$ROOT/etc/systemd/system/multi-user.target.wants"
	for unit in ALL $PF; do
		ln -s "/usr/lib/systemd/system/pve-nvidia-sriov@.service" \
			"$ROOT/etc/systemd/system/multi-user.target.wants/pve-nvidia-sriov@$unit.service"
		: > "$ROOT/usr/lib/systemd/system/pve-nvidia-sriov@.service"
		run -0 pve_vgpu sriov enable --configured $PF
		assert_output "they are left to Proxmox's pve-nvidia-sriov@$unit.service, which is enabled"
		assert_output "mixed-size mode not set, for the VFs are not there: when they are, pve-vgpu sriov enable $PF sets it"
		run -1 pve_vgpu sriov enable $PF
		assert_output "hint: systemctl restart pve-nvidia-sriov@$unit.service"
		run -0 pve_vgpu sriov status
		assert_output "pve-nvidia-sriov@$unit.service"
		refute_output 'sriov-manage'
		rm "$ROOT/etc/systemd/system/multi-user.target.wants"/*
	done
	# sriov-manage would end the mode again.
	assert_equal "$(ran)" ''
	# one for another GPU, and one whose template is gone, are none
	ln -s x "$ROOT/etc/systemd/system/multi-user.target.wants/pve-nvidia-sriov@0000:99:00.0.service"
	run -0 pve_vgpu sriov enable --configured $PF
	assert_equal "$(numvfs $PF)" 32
	run -0 pve_vgpu sriov disable $PF
	assert_output '/etc/pve-vgpu/node.conf enables them again at the next boot'
	ln -s x "$ROOT/etc/systemd/system/multi-user.target.wants/pve-nvidia-sriov@ALL.service"
	rm "$ROOT/usr/lib/systemd/system/pve-nvidia-sriov@.service"
	run -0 pve_vgpu sriov enable --configured $PF
	assert_equal "$(numvfs $PF)" 32
}

# --- AMD, Intel --------------------------------------------------------------------

@test "numvfs: all VFs, a number of them, and no more than there can be" {
	plain gim '"numvfs": 0'
	run -0 pve_vgpu sriov enable $PF
	assert_output "$PF: 8 VFs enabled"
	node_conf "[gpu $PF]" 'vfs = 4'
	run -0 pve_vgpu sriov enable $PF --dry-run
	assert_output "would write 0 and 4 to /sys/bus/pci/devices/$PF/sriov_numvfs"
	run -0 pve_vgpu sriov enable $PF
	assert_output "$PF: 4 VFs enabled"
	assert_equal "$(numvfs $PF)" 4
	node_conf '[defaults]' 'vfs = 9'
	run -1 pve_vgpu sriov enable $PF
	assert_output "'vfs = 9' is more than it can have: 8"
	assert_equal "$(numvfs $PF)" 4
	run -0 pve_vgpu sriov disable $PF
	assert_equal "$(numvfs $PF)" 0
}

@test "numvfs: not while a VF is in use, and a driver that refuses is named" {
	plain i915
	mkdir -p "$ROOT/proc/4242/fd"
	ln -s "/dev/vfio/$(basename "$(readlink "$SYS/bus/pci/devices/0000:e8:00.5/iommu_group")")" "$ROOT/proc/4242/fd/9"
	run -1 pve_vgpu sriov disable $PF
	assert_output 'it has 8 VFs, and they are in use: 0000:e8:00.5, which process 4242 has open'
	node_conf '[defaults]' 'vfs = 2'
	run -1 pve_vgpu sriov enable $PF
	assert_output 'they are in use'
	assert_equal "$(numvfs $PF)" 8
	rm -r "$ROOT/proc/4242"
	fault write '*/sriov_numvfs' EIO
	run -1 pve_vgpu sriov enable $PF
	assert_output "write '0' to '/sys/bus/pci/devices/$PF/sriov_numvfs': Input/output error"
	assert_output 'hint: the driver of the GPU must be loaded and allow VFs'
	fault write '*/sriov_numvfs' LOST 2
	run -1 pve_vgpu sriov disable $PF
	assert_output 'sriov_numvfs took 0, and 8 VFs are there'
}

# --- status ------------------------------------------------------------------------

@test "status: every GPU with SR-IOV, what it has, and what is asked for" {
	local doc

	bare
	model $PF 'NVIDIA A40'
	run -0 --separate-stderr pve_vgpu sriov status
	assert_equal "$output" "$PF	NVIDIA A40	nvidia	0/32	0	0	no"
	assert_equal "$stderr" ''
	node_conf '[gpu A40]' 'sriov = yes' 'mixed-size = yes'
	run -0 --separate-stderr pve_vgpu sriov
	assert_equal "$output" "$PF	NVIDIA A40	nvidia	0/32	0	0	yes, mixed sizes"
	assert_equal "$stderr" "pve-vgpu: GPU $PF: SR-IOV is not enabled: it has no VFs
hint: pve-vgpu sriov enable $PF"
	pve_vgpu sriov enable $PF
	pve_vgpu create A40-24A
	run -0 pve_vgpu sriov status --json
	assert_equal "$(jq -c '.[0] | [.gpu, .numvfs, .bound, .configured, .problem, (.in_use | length)]' <<< "$output")" \
		"[\"$PF\",32,32,true,null,1]"
	doc=$(sed -n '/^## `sriov/,/^## `sched/s/^| \(`.*`\) | .*/\1/p' "$TOP/docs/json.md" | cut -d'|' -f1 | grep -oE '[a-z_]+' | sort -u)
	assert_equal "$doc" "$(jq -r '.[0] | keys[]' <<< "$output" | sort)"
}

@test "status: a GPU that is named and is not there, and a VF, are failures; of all the others are shown" {
	bare
	run -1 --separate-stderr pve_vgpu sriov status 0000:ff:00.0
	[[ $stderr == "pve-vgpu: sriov status: "*0000:ff:00.0*hint:* ]]
	assert_equal "$output" ''
	run -1 pve_vgpu sriov status 0000:ff:00.0 --json
	node_conf '[gpu 0000:ff:00.0]' 'sriov = yes'
	run -0 --separate-stderr pve_vgpu sriov status
	[[ $output == "$PF"* && $stderr == *0000:ff:00.0* ]]
	pve_vgpu sriov enable $PF
	run -1 --separate-stderr pve_vgpu sriov status "$(readlink -f "$SYS/bus/pci/devices/$PF/virtfn0" | grep -o '[^/]*$')"
	run -0 pve_vgpu sriov status $PF
}

@test "status: a fault of node.conf, and what is done as JSON" {
	bare
	node_conf '[defaults]' 'sriov = yess'
	run -0 pve_vgpu sriov status
	assert_output "/etc/pve-vgpu/node.conf:2: 'sriov': 'yess' is neither 'yes' nor 'no'"
	node_conf '[defaults]' "$LONG"
	run -0 pve_vgpu sriov enable all --json
	assert_equal "$(jq -c '.[0] | [.done, .error, .numvfs]' <<< "$output")" '[["32 VFs enabled"],null,32]'
}

@test "usage: an action, a GPU where VFs are made, and options where they belong" {
	bare
	run -2 pve_vgpu sriov frobnicate
	assert_output "'frobnicate' is none of status, enable and disable"
	run -2 pve_vgpu sriov enable
	assert_output "<GPU> or 'all' missing"
	run -2 pve_vgpu sriov disable all --configured
	assert_output '--configured goes with enable alone'
	run -2 pve_vgpu sriov status --dry-run
	run -1 pve_vgpu sriov enable '../../etc'
	assert_output "'../../etc' is no address"
}
