# SPDX-License-Identifier: AGPL-3.0-or-later
# `set` and `unset`: what they write where, in every mode and on every
# qemu-server, and that the one takes back what the other did.

load set_helper

UUID=00000000-0000-0000-0000-000000000100
SMBIOS=12345678-1234-4234-8234-000000000100
DEV0="-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$UUID,id=hostpci0,bus=pci.0,addr=0x10"

@test "set: intent and config in one call, and unset leaves no trace of it" {
	set_node mdev
	pve_vm 100
	remember 100
	set_ok 100 A40-24A
	assert_output 'vm 100: hostpci0: A40-24A (nvidia-575)'
	assert_output 'vm 100: mode native: qemu-server 9.2.6 attaches it, on any parent of the mapping with room; price: none'
	assert_conf 100 'hookscript: local:snippets/pve-vgpu'
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	assert_setting 100 'hostpci0 = A40-24A'
	assert_setting 100 'identity = ctime:1700000100, uuid:12345678-1234-4234-8234-000000000100'
	assert_equal "$(pve_calls '^qm ')" 1
	assert_equal "$(pve_calls "^qm set 100 --digest [0-9a-f]{40} --")" 1
	unset_ok 100
	assert_output 'vm 100: has no vGPU of pve-vgpu any more'
	assert_as_before 100
}

@test "set a second time: nothing is changed and no tool is run; the same for unset" {
	set_node mdev
	pve_vm 100
	for mode in native args; do
		set_ok 100 A40-24A --mode $mode
		no_change pve_vgpu set 100 A40-24A
		no_change pve_vgpu set 100 A40-24A --mode $mode
	done
	unset_ok 100
	no_change pve_vgpu unset 100
}

@test "set --dry-run: says the lines and the command, and does nothing" {
	set_node mdev
	pve_vm 100
	remember 100
	run pve_vgpu set 100 A40-24A --placement spread --dry-run
	assert_success
	assert_output 'would write into [vm 100] of /etc/pve/pve-vgpu.conf: placement = spread'
	assert_output "would change mapping 'vgpu-A40': add 8 devices of node 'here'"
	assert_output 'would run: qm set 100 --hookscript local:snippets/pve-vgpu --hostpci0 mapping=vgpu-A40,mdev=nvidia-575'
	changed_nothing
	assert_as_before 100
	set_ok 100 A40-24A
	remember 100
	pve_log_reset
	run pve_vgpu unset 100 --dry-run
	assert_success
	assert_output 'would run: qm set 100 --delete hostpci0,hookscript'
	assert_output 'would take section [vm 100] out of /etc/pve/pve-vgpu.conf'
	changed_nothing
	assert_as_before 100
}

# --- modes, by version ------------------------------------------------------------------

@test "mdev by version: args until 7.2-3, an address until 8.0.3, then a mapping" {
	set_node mdev
	for v in 7.1-4 7.2-3; do
		pve_version $v
		pve_vm 100
		remember 100
		set_ok 100 A40-24A
		assert_output "mode args: not native: qemu-server $v gives QEMU no -uuid"
		assert_conf 100 "args: $DEV0 -uuid $SMBIOS"
		refute_conf 100 hostpci0
		unset_ok 100
		assert_as_before 100
	done
	for v in 7.2-4 7.2-7 7.4-1 8.0.3; do
		pve_version $v
		pve_vm 100
		set_ok 100 A40-24A
		assert_output "mode native: qemu-server $v attaches it at the address"
		assert_conf 100 "hostpci0: ${VFS[0]},mdev=nvidia-575"
		no_change pve_vgpu set 100 A40-24A
		unset_ok 100
		assert_as_before 100
	done
	for v in 8.0.4 8.2.5 8.3.9 9.0.2 9.1.11; do
		pve_version $v
		pve_vm 100
		set_ok 100 A40-24A
		assert_conf 100 "hostpci0: mapping=vgpu-A40,mdev=nvidia-575"
		unset_ok 100
		assert_as_before 100
	done
}

@test "vendor VFIO by version: refused before 8.2.5 but with the wrapper, then a mapping" {
	set_node nvidia-vfio
	pve_vm 100
	remember 100
	pve_version 8.2.4
	run pve_vgpu set 100 A40-24A
	assert_failure
	assert_output "native: qemu-server 8.2.4 does not know NVIDIA's vendor VFIO (8.2.5 does)"
	assert_output 'args: args name an mdev'
	assert_output 'wrapper: the wrapper is not on this node (apt install pve-vgpu-qemu-wrapper)'
	changed_nothing
	assert_as_before 100
	wrapper_here
	set_ok 100 A40-24A
	assert_output 'mode wrapper: '
	assert_setting 100 'mode = wrapper'
	refute_conf 100 'hostpci0|args'
	unset_ok 100
	assert_as_before 100
	pve_version 8.2.5
	set_ok 100 A40-24A
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	assert_output '`qm showcmd` of qemu-server 8.2.5 makes the vGPU'
	unset_ok 100
	assert_as_before 100
}

@test "vendor VFIO with gpu or params: by the address of a VF there, which no other config names" {
	set_node nvidia-vfio
	pve_vm 100
	pve_vm 101 "hostpci0: ${VFS2[0]},mdev=nvidia-575"
	remember 100
	set_ok 100 A40-24A --gpu 0000:e9:00.0
	assert_conf 100 "hostpci0: ${VFS2[1]},mdev=nvidia-575"
	assert_output 'price: it stays at that address'
	no_change pve_vgpu set 100 A40-24A
	unset_ok 100
	assert_as_before 100
	set_ok 100 A40-24A --params frame_rate_limiter=0
	assert_conf 100 "hostpci0: ${VFS[0]},mdev=nvidia-575"
	set_ok 100 A40-24A --index 3
	assert_conf 100 "hostpci3: ${VFS[1]},mdev=nvidia-575"
	assert_conf 100 "hostpci0: ${VFS[0]},mdev=nvidia-575"
}

@test "an address moves with --placement alone, to a free VF; what another node's VMs name is no matter" {
	local gpu

	set_node nvidia-vfio two
	pve_vm 100
	pve_vm 101 "hostpci0: ${VFS2[1]},mdev=nvidia-575"
	NODE=two pve_vm 200 "hostpci0: ${VFS[0]},mdev=nvidia-575"
	set_ok 100 A40-24A --params frame_rate_limiter=0
	assert_conf 100 "hostpci0: ${VFS[0]},mdev=nvidia-575"
	# The second GPU has more room then.
	for gpu in 0000:e8:00.0 0000:e8:00.0 0000:e9:00.0; do
		pve_vgpu create A40-12A --gpu $gpu > /dev/null
	done
	no_change pve_vgpu set 100 A40-24A
	set_ok 100 A40-12A --placement spread
	assert_conf 100 "hostpci0: ${VFS2[2]},mdev=nvidia-573"
}

@test "vendor VFIO by address: the VM's next vGPU, and one of another size, go where there is room" {
	set_node nvidia-vfio
	pve_vm 100
	set_ok 100 A40-48A --params frame_rate_limiter=0
	assert_conf 100 "hostpci0: ${VFS[0]},mdev=nvidia-576"
	set_ok 100 A40-48A --index 1
	assert_conf 100 "hostpci0: ${VFS[0]},mdev=nvidia-576"
	assert_conf 100 "hostpci1: ${VFS2[0]},mdev=nvidia-576"
	run pve_vgpu plan 100
	assert_success
	no_change pve_vgpu set 100 A40-48A --index 1
	unset_ok 100
	set_ok 100 A40-24A --params frame_rate_limiter=0
	run -0 pve_vgpu create A40-24A --gpu 0000:e8:00.0
	set_ok 100 A40-48A
	assert_conf 100 "hostpci0: ${VFS2[0]},mdev=nvidia-576"
	set_ok 100 A40-24A
	assert_conf 100 "hostpci0: ${VFS2[0]},mdev=nvidia-575"
}

@test "vendor VFIO by address: where no GPU has room, a VF that is free" {
	set_node nvidia-vfio
	pve_vm 100
	run -0 pve_vgpu create A40-48A
	run -0 pve_vgpu create A40-48A
	set_ok 100 A40-24A --params frame_rate_limiter=0
	assert_output 'no GPU of this node has room for A40-24A now'
	assert_conf 100 "hostpci0: ${VFS[1]},mdev=nvidia-575"
}

@test "the wrapper is gone: the command that the refusal names takes another mode" {
	set_node nvidia-vfio
	wrapper_here
	pve_vm 100
	set_ok 100 A40-24A,A40-12A
	assert_setting 100 'mode = wrapper'
	rm "$ROOT/usr/bin/kvm"
	run -1 pve_vgpu plan 100
	[[ $output =~ pve-vgpu\ set\ ([^;]*),\ which\ takes ]]
	# shellcheck disable=SC2086
	set_ok ${BASH_REMATCH[1]}
	refute_setting 100 mode
	run -0 pve_vgpu plan 100
}

@test "several types: args take them" {
	set_node mdev
	pve_vm 100
	set_ok 100 'A40-24A, A40-12A'
	assert_output 'mode args: not native: a hostpci line takes one type'
	assert_setting 100 'hostpci0 = A40-24A, A40-12A'
	assert_conf 100 "args: $DEV0 -uuid $SMBIOS"
}

@test "several types on vendor VFIO: native takes the first and says so; the wrapper takes them" {
	set_node nvidia-vfio
	pve_vm 100
	set_ok 100 A40-24A,A40-12A
	assert_output 'price: the first type that this node knows is the only one'
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	wrapper_here
	set_ok 100 A40-24A,A40-12A
	assert_output 'mode wrapper'
	refute_conf 100 hostpci0
}

@test "the mode changes: what the one has put into the config the other takes out" {
	set_node mdev
	wrapper_here
	pve_vm 100 'args: -cpu host,+x  -foo'
	remember 100
	set_ok 100 A40-24A --mode native
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	set_ok 100 A40-24A --mode args
	assert_conf 100 "args: -cpu host,+x  -foo $DEV0 -uuid $SMBIOS"
	refute_conf 100 hostpci0
	set_ok 100 A40-24A --mode wrapper
	assert_conf 100 'args: -cpu host,+x  -foo'
	refute_conf 100 hostpci0
	set_ok 100 A40-24A
	assert_output 'mode wrapper: the settings have mode = wrapper (--mode auto chooses anew)'
	set_ok 100 A40-24A --mode auto
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	refute_setting 100 mode
	set_ok 100 A40-24A --mode args
	unset_ok 100
	assert_as_before 100
}

@test "several vGPUs: each has its unit, the last takes the -uuid along, and unset --index takes one" {
	set_node mdev
	pve_vm 100 'machine: q35' "args: -a 'b c'"
	remember 100
	set_ok 100 A40-24A --mode args --pcie --index 5
	set_ok 100 A40-24A --index 0
	assert_conf 100 "args: -a 'b c' -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$UUID,id=hostpci0,bus=ich9-pcie-port-1,addr=0x0 -device pcie-root-port,id=ich9-pcie-port-6,addr=10.1,x-speed=16,x-width=32,multifunction=on,bus=pcie.0,port=6,chassis=6 -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000005-0000-0000-0000-000000000100,id=hostpci5,bus=ich9-pcie-port-6,addr=0x0 -uuid $SMBIOS"
	unset_ok 100 --index 5
	assert_output 'vm 100: hostpci5 is no vGPU any more'
	assert_conf 100 "args: -a 'b c' -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$UUID,id=hostpci0,bus=ich9-pcie-port-1,addr=0x0 -uuid $SMBIOS"
	assert_setting 100 'hostpci0 = A40-24A'
	refute_setting 100 hostpci5
	run pve_vgpu unset 100 --index 5
	assert_failure
	assert_output 'has no hostpci5'
	unset_ok 100
	assert_as_before 100
}

@test "options: those that are not named stay, an empty value or a --no- takes one away" {
	set_node mdev
	pve_vm 100 'machine: pc-q35-8.1'
	set_ok 100 A40-24A --gpu A40 --placement spread --params frame_rate_limiter=0 --x-vga --pcie
	assert_output 'x-vga: noVNC and SPICE show nothing, for the VM has no other display then; better leave it off'
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575,pcie=1,x-vga=1'
	set_ok 100 A40-24A
	for line in 'gpu = A40' 'placement = spread' 'params = frame_rate_limiter=0' 'x-vga = hostpci0' 'pcie = yes'; do
		assert_setting 100 "$line"
	done
	set_ok 100 A40-12A --dry-run
	assert_output 'hostpci0: was A40-24A until now; one more vGPU takes another --index'
	set_ok 100 A40-12A --gpu '' --placement '' --params '' --no-x-vga --no-pcie
	assert_equal "$(section | sed -n '/^.vm 100/,$p')" $'[vm 100]\nhostpci0 = A40-12A\nidentity = ctime:1700000100, uuid:12345678-1234-4234-8234-000000000100'
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-573'
	set_ok 100 A40-24A --display on --ramfb
	assert_output "mode args: not native: qemu-server does not give a device 'display'"
	assert_conf 100 "args: -device vfio-pci-nohotplug,sysfsdev=/sys/bus/mdev/devices/$UUID,id=hostpci0,bus=pci.0,addr=0x10,display=on,ramfb=on -uuid $SMBIOS"
	set_ok 100 A40-24A --display '' --no-ramfb
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	refute_conf 100 args
}

@test "x-vga is one vGPU's: another takes it over, and --no-x-vga speaks of its own index" {
	set_node mdev
	pve_vm 100 'vga: std'
	set_ok 100 A40-24A --x-vga
	assert_output 'x-vga: noVNC and SPICE show nothing of it'
	set_ok 100 A40-24A --index 1 --no-x-vga
	assert_setting 100 'x-vga = hostpci0'
	assert_conf 100 'hostpci1: mapping=vgpu-A40,mdev=nvidia-575'
	set_ok 100 A40-24A --index 1 --x-vga
	assert_output "hostpci0 is the VM's first display no more"
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	assert_conf 100 'hostpci1: mapping=vgpu-A40,mdev=nvidia-575,x-vga=1'
	unset_ok 100 --index 1
	refute_setting 100 x-vga
}

@test "what cannot go together is refused, and nothing is changed" {
	set_node mdev
	pve_vm 100
	remember 100
	run pve_vgpu set 100 A40-24A --pcie
	assert_failure
	assert_output "pcie: the VM's machine is no q35"
	run pve_vgpu set 100 A40-24A --mode args --x-vga
	assert_failure
	assert_output 'mode args cannot do it on this node: args cannot give the CPU flags of x-vga'
	run pve_vgpu set 100 A40-24A --mode native --display on
	assert_failure
	assert_output "mode native cannot do it on this node: qemu-server does not give a device 'display'"
	run pve_vgpu set 100 A40-24A --mode wrapper
	assert_failure
	assert_output 'the wrapper is not on this node'
	run pve_vgpu set 100 A40-24A --gpu 0000:01:00.0
	assert_failure
	assert_output "'gpu': no GPU of this node with vGPU types has the address 0000:01:00.0"
	for words in '100' '100 A40-24A more' '99 A40-24A' '100 A40-24A --index 16' '100 A40-24A --mode some' '100 A40-24A,,B' \
		'100 A40-24A --display maybe' '100 A40-24A --placement here'; do
		# shellcheck disable=SC2086 # words
		run pve_vgpu set $words
		assert_failure 2
	done
	changed_nothing
	assert_as_before 100
}

@test "a type that this node does not know: refused with the nearest; one that is full: said" {
	set_node mdev
	pve_vm 100
	pve_vm 101
	remember 100
	run pve_vgpu set 100 A40-24X
	assert_failure
	assert_output 'A40-24A'
	assert_output 'pve-vgpu types'
	assert_as_before 100
	for vf in "${VFS[@]}" "${VFS2[@]}"; do
		cat /proc/sys/kernel/random/uuid > "$SYS/bus/pci/devices/$vf/mdev_supported_types/nvidia-575/create" || true
	done 2> /dev/null
	set_ok 100 A40-48Q
	assert_output 'hostpci0: no GPU of this node has room for A40-48Q now; `pve-vgpu plan --fit` shows what is in the way'
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-566'
}

# --- what was there before --------------------------------------------------------------

@test "the VM's own vGPU line gives way, its other properties stay, and unset brings it back" {
	set_node mdev
	pve_vm 100 'machine: q35' "hostpci0: ${VFS[2]},mdev=nvidia-574,pcie=1,rombar=0" 'hostpci1: 0000:01:00.0'
	remember 100
	set_ok 100 A40-24A
	assert_output "gives way, and \`pve-vgpu unset 100\` brings it back"
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575,pcie=1,rombar=0'
	assert_conf 100 'hostpci1: 0000:01:00.0'
	assert_setting 100 "was-hostpci0 = ${VFS[2]},mdev=nvidia-574,pcie=1,rombar=0"
	assert_setting 100 'pcie = yes'
	no_change pve_vgpu set 100 A40-24A
	set_ok 100 A40-24A --mode args
	refute_conf 100 hostpci0
	tool qm set 100 --cores 8 --onboot 1
	unset_ok 100
	assert_conf 100 'onboot: 1'
	tool qm set 100 --cores 4 --delete onboot
	assert_as_before 100
}

@test "unset --index brings that slot's line back, and keeps nothing of it in the settings" {
	set_node mdev
	pve_vm 100 "hostpci0: ${VFS[2]},mdev=nvidia-574"
	remember 100
	set_ok 100 A40-24A
	set_ok 100 A40-24A --index 2
	unset_ok 100 --index 0
	assert_conf 100 "hostpci0: ${VFS[2]},mdev=nvidia-574"
	refute_setting 100 was-hostpci0
	assert_setting 100 'hostpci2 = A40-24A'
	unset_ok 100
	assert_as_before 100
}

@test "x-vga of the VM's own vGPU line stays, unless it is spoken of" {
	set_node mdev
	pve_vm 100 'machine: q35' "hostpci0: ${VFS[2]},mdev=nvidia-574,x-vga=1"
	remember 100
	set_ok 100 A40-24A
	assert_setting 100 'x-vga = hostpci0'
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575,x-vga=1'
	unset_ok 100
	assert_as_before 100
	set_ok 100 A40-24A --no-x-vga
	refute_setting 100 x-vga
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
}

@test "a vGPU line that is right already is kept byte for byte, by set and by unset" {
	set_node mdev
	pve_version 7.4-1
	pve_vm 100 "hostpci0: mdev=nvidia-575,host=${VFS[2]}"
	remember 100
	set_ok 100 A40-24A
	assert_conf 100 "hostpci0: mdev=nvidia-575,host=${VFS[2]}"
	refute_output 'gives way'
	unset_ok 100
	assert_as_before 100
}

@test "a line that an admin has put beside our unit in args is no earlier set's: unset brings it back" {
	set_node mdev
	pve_vm 100
	set_ok 100 A40-12A --mode args
	tool qm set 100 --hostpci0 0000:e8:00.4,mdev=nvidia-575,rombar=0
	set_ok 100 A40-12A --placement pack
	assert_output "hostpci0: '0000:e8:00.4,mdev=nvidia-575,rombar=0' gives way, and \`pve-vgpu unset 100\` brings it back"
	refute_conf 100 hostpci0
	unset_ok 100
	assert_conf 100 'hostpci0: 0000:e8:00.4,mdev=nvidia-575,rombar=0'
	set_ok 100 A40-12A --mode args
	tool qm set 100 --hostpci0 0000:e8:00.4,mdev=nvidia-575
	unset_ok 100
	assert_output "hostpci0: '0000:e8:00.4,mdev=nvidia-575' stays"
	assert_conf 100 'hostpci0: 0000:e8:00.4,mdev=nvidia-575'
	refute_conf 100 args
	# With the wrapper it may be what a set that was cut off has left: said.
	wrapper_here
	pve_vm 100
	set_ok 100 A40-12A --mode wrapper
	tool qm set 100 --hostpci0 0000:e8:00.4,mdev=nvidia-575,rombar=0
	set_ok 100 A40-12A
	assert_output "hostpci0: '0000:e8:00.4,mdev=nvidia-575,rombar=0' goes"
}

@test "a device that is no vGPU is never replaced" {
	set_node mdev
	pve_vm 100 'hostpci0: 0000:01:00.0'
	remember 100
	run pve_vgpu set 100 A40-24A
	assert_failure
	assert_output "its config has hostpci0: '0000:01:00.0', which is no vGPU"
	assert_output '--index 1'
	changed_nothing
	assert_as_before 100
	set_ok 100 A40-24A --index 1
	assert_conf 100 'hostpci0: 0000:01:00.0'
	# and not where it has come later
	tool qm set 100 --hostpci1 0000:02:00.0
	for mode in native args; do
		run pve_vgpu set 100 A40-24A --index 1 --mode $mode
		assert_failure
		assert_output "hostpci1: '0000:02:00.0', which is no vGPU"
		assert_conf 100 'hostpci1: 0000:02:00.0'
	done
	unset_ok 100
	assert_output "hostpci1: '0000:02:00.0' stays: it is no vGPU"
	assert_conf 100 'hostpci1: 0000:02:00.0'
}

@test "the VM's hookscript is called by ours from then on, and comes back" {
	set_node mdev
	snippet own.sh 'exit 0'
	pve_vm 100 'hookscript: local:snippets/own.sh'
	remember 100
	set_ok 100 A40-24A
	assert_output "its hookscript 'local:snippets/own.sh' is called as before, by pve-vgpu"
	assert_conf 100 'hookscript: local:snippets/pve-vgpu'
	assert_setting 100 'next-hook = local:snippets/own.sh'
	no_change pve_vgpu set 100 A40-24A
	unset_ok 100
	assert_as_before 100
	# one that came later stays
	set_ok 100 A40-24A
	snippet later.sh 'exit 0'
	tool qm set 100 --hookscript local:snippets/later.sh
	unset_ok 100
	assert_conf 100 'hookscript: local:snippets/later.sh'
}

@test "a hookscript that is not there, or cannot be run, is refused with the command" {
	set_node mdev
	pve_vm 100 'hookscript: local:snippets/gone.sh'
	remember 100
	run pve_vgpu set 100 A40-24A
	assert_failure
	assert_output "the VM has the hookscript 'local:snippets/gone.sh', which cannot be called: there is no file '/var/lib/vz/snippets/gone.sh'"
	assert_output 'qm set 100 --delete hookscript'
	touch "$ROOT/var/lib/vz/snippets/gone.sh"
	run pve_vgpu set 100 A40-24A
	assert_failure
	assert_output 'is not executable'
	changed_nothing
	assert_as_before 100
}

@test "no snippet on this node: refused with the command; a link of ours that is lost is no other's" {
	set_node mdev
	pve_vm 100 'hookscript: local:snippets/pve-vgpu'
	rm "$ROOT/var/lib/vz/snippets/pve-vgpu"
	run pve_vgpu set 100 A40-24A
	assert_failure
	assert_output 'the hookscript is in no local storage of this node'
	assert_output 'pve-vgpu snippet install'
	changed_nothing
	mkdir -p "$ROOT/own/snippets"
	ln -s /usr/bin/pve-vgpu "$ROOT/own/snippets/pve-vgpu"
	storages < <(printf '%s\n' 'dir: local' $'\tpath /var/lib/vz' $'\tcontent snippets' '' 'dir: own' $'\tpath /own' $'\tcontent snippets' '')
	set_ok 100 A40-24A
	assert_conf 100 'hookscript: own:snippets/pve-vgpu'
	refute_setting 100 next-hook
	rm "$ROOT/own/snippets/pve-vgpu"
	unset_ok 100
	refute_conf 100 hookscript
}

@test "a VM that runs: it waits in [PENDING], and unset takes it out of there" {
	set_node mdev
	pve_vm 100 "hostpci0: ${VFS[2]},mdev=nvidia-574" 'args: -foo'
	remember 100
	qemu 100
	set_ok 100 A40-24A
	assert_output 'vm 100: it runs: hostpci0 waits in [PENDING] until its next start'
	assert_conf 100 "hostpci0: ${VFS[2]},mdev=nvidia-574"
	assert_equal "$(pending 100)" 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	no_change pve_vgpu set 100 A40-24A
	set_ok 100 A40-24A --mode args
	assert_output 'hostpci0, args wait in [PENDING] until its next start'
	assert_equal "$(pending 100 | sort | cut -c1-20)" $'args: -foo -device v\ndelete: hostpci0'
	unset_ok 100
	assert_as_before 100
}

@test "what waited before set waits again after unset" {
	set_node mdev
	pve_vm 100 "hostpci0: ${VFS[2]},mdev=nvidia-574" "hostpci1: ${VFS[1]},mdev=nvidia-574"
	qemu 100
	tool qm set 100 --hostpci0 "${VFS[3]},mdev=nvidia-573" --delete hostpci1
	remember 100
	set_ok 100 A40-24A
	set_ok 100 A40-24A --index 1
	assert_equal "$(pending 100)" $'hostpci0: mapping=vgpu-A40,mdev=nvidia-575\nhostpci1: mapping=vgpu-A40,mdev=nvidia-575'
	unset_ok 100
	assert_as_before 100
}

@test "set while it runs, unset when it has stopped and started: the line is gone from where it went" {
	set_node mdev
	pve_vm 100 "hostpci0: ${VFS[2]},mdev=nvidia-574"
	remember 100
	qemu 100
	set_ok 100 A40-24A
	qemu_gone 100
	# PVE takes over what waits when the VM starts, or with the next change
	tool qm set 100 --cores 4
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	unset_ok 100
	assert_as_before 100
}
