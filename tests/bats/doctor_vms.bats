#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `doctor` on Proxmox VE, the settings and the VMs: each check says no where it
# should, with what mends it, and yes once that is done.

load helper
load doctor_helper

# qemu_server VERSION: the one that is installed; none without
qemu_server() {
	[ $# -eq 1 ] || { : > "$ROOT/var/lib/dpkg/status"; return; }
	printf 'Package: qemu-server\nStatus: install ok installed\nVersion: %s\n\n' "$1" > "$ROOT/var/lib/dpkg/status"
}

# wrapper_here: at /usr/bin/kvm, as its package puts it
wrapper_here() {
	mkdir -p "$ROOT/usr/lib/pve-vgpu"
	touch "$ROOT/usr/bin/kvm.distrib" "$ROOT/usr/lib/pve-vgpu/qemu-wrapper"
	ln -sfn ../lib/pve-vgpu/qemu-wrapper "$ROOT/usr/bin/kvm"
	touch "$ROOT/usr/lib/pve-vgpu/qemu-wrapper"
}

# args_of VMID [INDEX]: as an admin writes them
args_of() {
	echo "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid "$@")"
}

@test "qemu-server: not installed, one without -uuid, and the wrapper beside it" {
	ready
	says qemu-server yes '9.2.6, which gives QEMU its -uuid'
	qemu_server
	no qemu-server blocks 'the version of qemu-server cannot be told' 'dpkg -s qemu-server'
	qemu_server 7.2-3
	no qemu-server advice 'qemu-server 7.2-3 gives QEMU no -uuid' 'pve-vgpu-qemu-wrapper'
	wrapper_here
	says qemu-server yes '7.2-3, and the wrapper gives QEMU its -uuid'
}

@test "modes: what each version can do, by framework" {
	ready
	says modes yes 'mdev: native by mapping, args'
	qemu_server 7.4-4
	says modes yes 'mdev: native by address, args'
	qemu_server 7.2-3
	says modes yes 'mdev: args'
	refute_mode native
	wrapper_here
	says modes yes 'mdev: native by address, args, wrapper'
	ROOT=$BATS_TEST_TMPDIR/vendor
	ready nvidia-vfio
	says modes yes 'nvidia-vfio: native by mapping'
	qemu_server 8.2.4
	no modes blocks 'qemu-server 8.2.4 does not know NVIDIA' 'apt full-upgrade; or apt install pve-vgpu-qemu-wrapper'
	wrapper_here
	says modes yes 'nvidia-vfio: wrapper'
	rm -r "$ROOT/usr/lib/pve-vgpu"
	qemu_server 8.2.5
	says modes yes 'nvidia-vfio: native by mapping'
	# PCI domains other than 0000 came later.
	ROOT=$BATS_TEST_TMPDIR/domain
	node domain1-vfio
	well 6.8.12-4-pve
	says modes yes
	qemu_server 9.0.1
	no modes blocks 'PCI domains other than 0000' 'apt full-upgrade'
	ROOT=$BATS_TEST_TMPDIR/none
	node sick-no-vfs
	well 5.15.158-2-pve
	says modes n/a
}

refute_mode() {
	! pve_vgpu doctor 2> /dev/null | grep $'\tmodes\t' | grep -q "$1"
}

@test "wrapper: not asked for, asked for and missing, not diverted, older than QEMU" {
	ready
	says wrapper n/a
	settings '[vm 100]' 'hostpci0 = A40-24A' 'mode = wrapper'
	vm 100 'hookscript: local:snippets/pve-vgpu'
	no wrapper blocks 'VMs of this node have mode = wrapper' 'apt install pve-vgpu-qemu-wrapper'
	wrapper_here
	says wrapper yes '/usr/bin/kvm'
	touch -d '2020-01-01' "$ROOT/usr/lib/pve-vgpu/qemu-wrapper"
	no wrapper advice 'QEMU was upgraded behind the wrapper' 'touch /usr/lib/pve-vgpu/qemu-wrapper'
	touch "$ROOT/usr/lib/pve-vgpu/qemu-wrapper"
	rm "$ROOT/usr/bin/kvm"
	echo qemu > "$ROOT/usr/bin/kvm"
	no wrapper blocks '/usr/bin/kvm is another program' 'dpkg-divert --list /usr/bin/kvm'
	settings ''
	no wrapper advice '/usr/bin/kvm is another program' 'dpkg-divert'
	# Without a QEMU no VM starts.
	wrapper_here
	rm "$ROOT/usr/bin/kvm.distrib"
	no wrapper blocks 'there is no QEMU at /usr/bin/kvm.distrib' 'pve-qemu-kvm'
	# As a package leaves it that was not wholly unpacked when dpkg was made to take it away
	wrapper_here
	rm "$ROOT/usr/bin/kvm" "$ROOT/usr/lib/pve-vgpu/qemu-wrapper"
	no wrapper blocks 'QEMU stands at /usr/bin/kvm.distrib, and nothing at /usr/bin/kvm' 'apt install pve-vgpu-qemu-wrapper'
}

@test "snippet: not there, something else, not executable, and one that VMs have and this node lacks" {
	local link

	ready
	link=$ROOT/var/lib/vz/snippets/pve-vgpu
	says snippet yes 'local:snippets/pve-vgpu'
	chmod 644 "$ROOT/usr/bin/pve-vgpu"
	no snippet blocks "'/var/lib/vz/snippets/pve-vgpu' is not executable" 'chmod 755 /usr/bin/pve-vgpu'
	rm "$link"
	no snippet blocks "vm 100: its hookscript 'local:snippets/pve-vgpu' is not there" 'pve-vgpu snippet install'
	vm 100
	no snippet blocks 'the hookscript is in no local storage' 'pve-vgpu snippet install'
	settings ''
	no snippet advice 'the hookscript is in no local storage' 'pve-vgpu snippet install'
	echo mine > "$link"
	no snippet advice "'/var/lib/vz/snippets/pve-vgpu' has the hookscript's name and is something else" 'rm /var/lib/vz/snippets/pve-vgpu'
}

@test "settings: faults with their lines, whomever they concern" {
	ready
	says settings yes
	settings '[defaults]' 'placement = anywhere' '[vm 100]' 'hostpci0 = A40-24A'
	no settings blocks '/etc/pve/pve-vgpu.conf:2: ' 'mend that line'
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'colour = red'
	no settings blocks '/etc/pve/pve-vgpu.conf:4: ' 'mend that line'
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm' 'x = y'
	no settings blocks '/etc/pve/pve-vgpu.conf:3: ' 'mend that line'
}

@test "configs: nothing attaches it, another device does, the mapping is stale" {
	ready
	says configs yes '1 VM'
	vm 100 'hookscript: local:snippets/pve-vgpu'
	no configs blocks "vm 100: hostpci0: nothing in the VM's config attaches this vGPU" 'pve-vgpu set 100'
	vm 100 'hostpci0: 0000:05:00.0' 'hookscript: local:snippets/pve-vgpu'
	no configs blocks 'vm 100: ' ''
	vm 100 "hostpci0: mapping=vgpu-A40,mdev=nvidia-575"
	sed -i 's/iommugroup=[0-9]*/iommugroup=99/' "$ROOT/etc/pve/mapping/pci.cfg"
	no configs blocks "vm 100: hostpci0: mapping 'vgpu-A40': " 'pve-vgpu set 100'
	map_vgpus
	says configs yes
	# A VM of another node is that node's.
	mkdir -p "$ROOT/etc/pve/nodes/pve2/qemu-server"
	vm 100
	mv "$ROOT/etc/pve/nodes/pve1/qemu-server/100.conf" "$ROOT/etc/pve/nodes/pve2/qemu-server/"
	says configs n/a
}

@test "configs: a hookscript that is no volume, and a config that cannot be read" {
	ready
	vm 100 'hookscript: no:such/thing' "hostpci0: mapping=vgpu-A40,mdev=nvidia-575"
	no configs blocks "vm 100: hookscript 'no:such/thing'" 'qm config 100'
	printf 'x\0y' > "$ROOT/etc/pve/qemu-server/100.conf"
	no configs blocks 'NUL byte' 'qm config 100'
}

@test "configs: settings that do not reach QEMU, and what a VM has from before, are advice" {
	ready
	settings '[vm 100]' 'hostpci0 = A40-24A' 'display = on'
	no configs advice 'display' ''
	settings '[vm 100]' 'hostpci0 = A40-24A'
	pve_vgpu 100 pre-start 2> /dev/null || true
	says configs yes
}

@test "hookscripts: an intent without one, another one, and one without an intent" {
	ready
	says hookscripts yes '1 VM'
	vm 100 "$(args_of 100) -uuid $(uuid 100)"
	no hookscripts blocks 'vm 100: the VM has no hookscript' 'pve-vgpu set 100'
	echo '#!/bin/sh' > "$ROOT/var/lib/vz/snippets/own.sh"
	vm 100 "$(args_of 100) -uuid $(uuid 100)" 'hookscript: local:snippets/own.sh'
	no hookscripts blocks "vm 100: the VM's hookscript 'local:snippets/own.sh' is not pve-vgpu" 'pve-vgpu set 100'
	vm 100 "$(args_of 100) -uuid $(uuid 100)" 'hookscript: local:snippets/pve-vgpu'
	says hookscripts yes
	vm 101 'hookscript: local:snippets/pve-vgpu'
	no hookscripts advice 'vm 101: it has the hookscript, and no intent' 'qm set 101 --delete hookscript'
	vm 101 'hookscript: local:snippets/pve-vgpu' 'template: 1'
	says hookscripts yes
}

@test "identity: the vmid is another VM's by now" {
	ready
	says identity yes
	vm 100 'meta: ctime=1700000000' "hostpci0: mapping=vgpu-A40,mdev=nvidia-575"
	no identity blocks 'vm 100: [vm 100] in /etc/pve/pve-vgpu.conf is for another VM' 'pve-vgpu unset 100'
	# Once is enough.
	says intents yes
}

@test "intents: a type and a GPU that are not on this node" {
	ready
	says intents yes
	settings '[vm 100]' 'hostpci0 = L40S-8Q'
	no intents blocks "'L40S-8Q' is no vGPU type of this node" 'pve-vgpu types'
	settings '[vm 100]' 'hostpci0 = L40S-8Q, A40-24A'
	says intents yes
	settings '[vm 100]' 'hostpci0 = A40-24A' 'gpu = 0000:99:00.0'
	no intents blocks '0000:99:00.0' ''
	# A template is never started.
	vm 100 'template: 1'
	says intents yes
}

# two_boards NUMVFS: an A40, and an L40S with so many VFs
two_boards() {
	node_json <<< "{\"gpus\":[{\"bdf\":\"$PF\"},{\"bdf\":\"0000:f8:00.0\",\"types\":\"L40S\",\"device\":\"26b9\",\"numvfs\":$1}]}"
	well 5.15.158-2-pve
}

@test "intents: a type that was seen here, on a GPU that cannot serve now" {
	two_boards 32
	vm 100 "$(args_of 100) -uuid $(uuid 100)" 'hookscript: local:snippets/pve-vgpu'
	settings '[vm 100]' 'hostpci0 = L40S-8Q'
	pve_vgpu types > /dev/null
	says intents yes
	node_teardown
	MOUNTED=''
	two_boards 0
	rm "$ROOT/etc/pve-vgpu/node.conf"
	no vfs advice 'GPU 0000:f8:00.0: SR-IOV is not enabled' 'pve-vgpu sriov enable'
	no intents blocks 'L40S-8Q' 'pve-vgpu'
	settings '[vm 100]' 'hostpci0 = L40S-8Q, A40-24A'
	says intents yes
	run -0 pve_vgpu doctor
	# What node.conf asks for is no advice.
	node_conf '[gpu 0000:f8:00.0]' 'sriov = yes'
	no vfs blocks 'GPU 0000:f8:00.0: node.conf asks for SR-IOV' 'pve-vgpu sriov enable'
}

@test "intents: a type that is known, and that the driver does not list any more" {
	ready nvidia-vfio
	pve_vgpu types > /dev/null
	says intents yes
	node_teardown
	MOUNTED=''
	node sick-no-types-vfio
	map_vgpus
	no types blocks "GPU $PF: it shows no vGPU types" 'nvidia-vgpud'
	no intents blocks 'vm 100: hostpci0: no GPU that can serve has A40-24A' 'mend the GPU'
}

@test "intents: a full GPU is no fault of the node's" {
	ready
	pve_vgpu create A40-48Q > /dev/null
	says intents yes
}

@test "clones: args that name another VM's vGPU, by its intent and by hand" {
	ready
	says clones yes '1 VM'
	settings '[vm 100]' 'hostpci0 = A40-24A'
	vm 100 "$(args_of 100) -uuid $(uuid 100)" 'hookscript: local:snippets/pve-vgpu'
	vm 101 "$(args_of 100) -uuid $(uuid 100)"
	no clones blocks 'vm 101: args of the VM' 'pve-vgpu unset 101'
	vm 101 "$(args_of 555) -uuid $(uuid 101)"
	no clones blocks 'vm 101: its args name the vGPU of vm 555 (index 0)' 'qm set 101 --args'
	vm 101 "$(args_of 555)" 'template: 1'
	says clones yes '2 VMs'
	# What is gone from the settings by a rollback.
	vm 101 "$(args_of 101) -uuid $(uuid 101)"
	settings '[vm 101]' 'hostpci1 = A40-24A'
	no clones blocks 'vm 101: args of the VM' 'pve-vgpu unset 101'
}

@test "clones: two VMs whose configs name one VF" {
	ready
	vm 101 'hostpci0: 0000:e8:00.6,mdev=nvidia-575'
	vm 102 'hostpci0: 0000:e8:00.7,mdev=nvidia-575'
	says clones yes '3 VMs'
	vm 102 'hostpci1: 0000:e8:00.6,mdev=nvidia-575'
	no clones advice 'vm 102: its config names VF 0000:e8:00.6, as that of vm 101 does' 'pve-vgpu set 102'
	vm 102 'hostpci1: 0000:e8:00.6,mdev=nvidia-575' 'template: 1'
	says clones yes
	# A GPU without SR-IOV holds many.
	ROOT=$BATS_TEST_TMPDIR/p40
	node p40x2
	well 5.15.158-2-pve
	vm 101 'hostpci0: 0000:3b:00.0,mdev=nvidia-46'
	vm 102 'hostpci0: 0000:3b:00.0,mdev=nvidia-46'
	says clones yes '2 VMs'
}

@test "uuid: an old qemu-server, args alone, and who gives it" {
	ready
	says uuid yes '1 VM'
	qemu_server 7.2-3
	no uuid blocks 'vm 100: nobody gives its QEMU a -uuid, without which NVIDIA' 'pve-vgpu set 100 A40-24A'
	vm 101 'hostpci0: 0000:e8:00.4,mdev=nvidia-575'
	no uuid blocks 'vm 101: nobody gives its QEMU a -uuid' "-uuid $(uuid 101)"
	wrapper_here
	says uuid yes '2 VMs'
	settings '[defaults]' 'inject-uuid = no'
	no uuid blocks 'vm 101' "-uuid $(uuid 101)"
	rm -r "$ROOT/usr/lib/pve-vgpu"
	vm 101 'hostpci0: 0000:e8:00.4,mdev=nvidia-575' "args: -uuid $(uuid 101)"
	vm 100
	says uuid yes '1 VM'
	qemu_server 9.2.6
	vm 101 "$(args_of 101 2)" 'smbios1: uuid=6f1c2a52-5d35-4c3e-9d8e-3a8c2f0f7c11'
	no uuid blocks 'vm 101: nobody gives its QEMU a -uuid, without which NVIDIA' '-uuid 6f1c2a52-5d35-4c3e-9d8e-3a8c2f0f7c11'
	vm 101 'net0: virtio'
	says uuid n/a
	ROOT=$BATS_TEST_TMPDIR/gvtg
	node gvtg
	well 5.15.158-2-pve
	vm 101 "$(args_of 101)"
	says uuid n/a
}

@test "leftovers: a record that is damaged, which is no matter of types" {
	ready
	mkdir -p "$ROOT/run/pve-vgpu"
	echo junk > "$ROOT/run/pve-vgpu/107.json"
	says types yes
	no leftovers advice "run state '/run/pve-vgpu/107.json' is damaged" 'rm it while its VM does not run'
	rm "$ROOT/run/pve-vgpu/107.json"
	mkdir "$ROOT/run/pve-vgpu/107.json"
	says types yes
	no leftovers advice "read '/run/pve-vgpu/107.json': Is a directory" 'look what it is (stat)'
	rmdir "$ROOT/run/pve-vgpu/107.json"
	says leftovers yes
}

@test "leftovers: of a VM that is dead, of one that is gone, and of none that lives" {
	ready
	says leftovers yes
	settings '[vm 100]' 'hostpci0 = A40-24A'
	vm 100 "$(args_of 100) -uuid $(uuid 100)" 'hookscript: local:snippets/pve-vgpu'
	hook 100 pre-start 2> /dev/null
	says leftovers yes
	age 100 400
	no leftovers advice "vm 100: A40-24A on 0000:e8:00.4: would be removed" 'pve-vgpu gc'
	assert_equal "$(mdevs)" "$(uuid 100)"
	qemu 100 "$(uuid 100)"
	says leftovers yes
	qemu_gone 100
	pve_vgpu gc
	says leftovers yes
	intent 555 A40-24A
	no leftovers advice 'vm 555: gone from the cluster' 'pve-vgpu gc'
}

@test "licence: what the guest needs, and cloud-init that brings it no token" {
	ready
	says licence yes 'vm 100: Virtual Applications (vApps)'
	settings '[vm 100]' 'hostpci0 = A40-24Q'
	vm 100 'hookscript: local:snippets/pve-vgpu' 'ide2: local-lvm:vm-100-cloudinit,media=cdrom'
	no licence advice 'vm 100: its guest needs a licence for RTX Virtual Workstation (vWS) (A40-24Q)' 'pve-vgpu guest 100 --token-file'
	echo 'eyJhbGciOi.J9-x_Y' > "$BATS_TEST_TMPDIR/client.tok"
	mkdir -p "$ROOT/usr/share/pve-vgpu"
	cp "$TOP/snippets/vgpu-guest.yaml.in" "$ROOT/usr/share/pve-vgpu/"
	pve_vgpu guest 100 --storage local 2> /dev/null
	vm 100 'hookscript: local:snippets/pve-vgpu' 'ide2: local-lvm:vm-100-cloudinit,media=cdrom' \
		'cicustom: vendor=local:snippets/vgpu-guest-100.yaml'
	no licence advice 'cloud-init brings it no token' 'pve-vgpu guest 100'
	pve_vgpu guest 100 --storage local --token-file "$BATS_TEST_TMPDIR/client.tok"
	says licence yes 'vm 100: RTX Virtual Workstation (vWS)'
	settings ''
	says licence n/a
}

@test "doctor: the command that set has run leaves no no" {
	local t

	ready
	settings ''
	vm 100 'meta: ctime=1690000000'
	pve_vgpu set 100 A40-24A > /dev/null
	for t in configs hookscripts identity intents clones uuid; do
		says $t yes
	done
}
