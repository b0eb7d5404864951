#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `doctor` on kernel, driver, GPUs and the next boot: each check says no where
# it should, with what mends it, and yes once that is done.

load helper
load doctor_helper

# sick NODE: a file of tests/nodes, on a node that is otherwise as it should be
sick() {
	node_teardown
	MOUNTED='' ROOT=$BATS_TEST_TMPDIR/$1
	node "$1"
	well 5.15.158-2-pve
}

# sick_json [KERNEL]: the same from standard input
sick_json() {
	node_json
	well "${1:-5.15.158-2-pve}"
}

@test "iommu: off, and what the kernel's command line has to do with it" {
	sick sick-no-iommu
	no iommu blocks 'the kernel has no IOMMU groups' 'enable VT-d or AMD-Vi in the firmware'
	echo 'root=/dev/sda1 ro quiet' > "$ROOT/proc/cmdline"
	no iommu blocks 'its command line has no intel_iommu=on' 'intel_iommu=on'
	echo 'root=/dev/sda1 intel_iommu=off' > "$ROOT/proc/cmdline"
	no iommu blocks 'its command line has intel_iommu=off' 'take intel_iommu=off out of it'
	echo 'root=/dev/sda1 amd_iommu=off iommu=pt' > "$ROOT/proc/cmdline"
	no iommu blocks 'its command line has amd_iommu=off' 'take amd_iommu=off'
	sick a40x8-mdev
	says iommu yes 'groups'
}

@test "iommu: a board without SR-IOV that serves without it is not stopped by it" {
	sick_json <<< '{"iommu": false, "gpus": [{"bdf": "0000:3b:00.0", "totalvfs": 0, "types": "P40", "memory_mib": 24576}]}'
	no iommu advice 'the kernel has no IOMMU groups' 'reboot'
}

@test "nouveau: it has the GPU, and it is loaded without one" {
	sick sick-nouveau
	no nouveau blocks "GPU $PF: it is bound to the driver nouveau" "blacklist nouveau"
	sick_json <<< '{"gpus": [{"bdf": "0000:e8:00.0"}, {"bdf": "0000:05:00.0", "driver": "nouveau", "framework": "none", "totalvfs": 0}]}'
	no nouveau advice 'GPU 0000:05:00.0: it is bound to the driver nouveau' 'blacklist nouveau'
	echo '0000:05:00.0 -' > "$SYS/.sim/driver"
	no nouveau advice 'the module nouveau is loaded' 'blacklist nouveau'
	sick a40x8-mdev
	says nouveau yes
}

@test "gpus: passed through whole, without a driver beside one that serves, none at all" {
	sick sick-passthrough
	no gpus blocks "GPU $PF: the GPU itself is bound to vfio-pci" "echo $PF > /sys/bus/pci/drivers/nvidia/bind"
	sick_json <<< '{"gpus": [{"bdf": "0000:e8:00.0"}, {"bdf": "0000:f8:00.0", "driver": "vfio-pci", "framework": "none"}]}'
	no gpus advice 'GPU 0000:f8:00.0: the GPU itself is bound to vfio-pci' 'unbind'
	# Another serves, and node.conf asks for this one, too.
	sick sick-unbound
	no gpus blocks "GPU $PF: no driver is bound to it, though nvidia is loaded" '/sys/bus/pci/drivers/nvidia/bind'
	rm "$ROOT/etc/pve-vgpu/node.conf"
	no gpus advice "GPU $PF: no driver is bound to it" ''
	ROOT=$BATS_TEST_TMPDIR/none
	sick_json <<< '{"gpus": []}'
	no gpus blocks 'this node has no GPU' 'lspci'
	sick a40x8-mdev
	says gpus yes '(A40)'
	# Not NVIDIA's, and as good.
	sick gvtg
	says gpus yes
	says driver n/a
}

@test "driver: not loaded, without its vGPU part, and its branch" {
	sick_json <<< '{"nvidia_driver": null, "gpus": [{"bdf": "0000:e8:00.0", "driver": null, "framework": "none"}]}'
	no driver blocks "GPU $PF: no driver is bound to it: NVIDIA's vGPU host driver is not loaded" 'vgpu-kvm'
	sick sick-no-driver
	no driver blocks "GPU $PF: the driver nvidia is loaded without its vGPU part" 'vgpu-kvm'
	sick a40x8-mdev
	says driver yes '550.163.02: branch 550, vGPU 17'
	ROOT=$BATS_TEST_TMPDIR/new
	sick_json <<< '{"nvidia_driver": "999.10", "gpus": [{"bdf": "0000:e8:00.0"}]}'
	says driver yes '999.10: branch 999'
}

@test "ari: off with VFs and without, and by the kernel's command line" {
	sick_json <<< '{"gpus": [{"bdf": "0000:e8:00.0", "ari": false, "numvfs": 0}]}'
	no ari blocks "GPU $PF: ARI is off" 'Above 4G Decoding'
	echo "$PF 32" > "$SYS/.sim/vfs"
	no ari advice "GPU $PF: ARI is off: VFs beyond the eighth function have no place" 'in the firmware'
	echo 'ro pci=realloc,noari' > "$ROOT/proc/cmdline"
	no ari advice "the kernel's command line has pci=noari" 'take noari out'
	sick a40x8-mdev
	says ari yes '8 GPUs'
	sick p40x2
	says ari n/a
}

@test "vfs: none, by whose will, and once they are there" {
	sick sick-no-vfs
	no vfs blocks "GPU $PF: node.conf asks for SR-IOV, and it has no VFs" "pve-vgpu sriov enable $PF"
	rm "$ROOT/etc/pve-vgpu/node.conf"
	no vfs blocks "GPU $PF: SR-IOV is not enabled" 'sriov = yes'
	node_conf "[gpu $PF]" 'sriov = no'
	says vfs n/a 'sriov = no'
	node_conf "[gpu $PF]" 'sriov = yes'
	stand_ins
	pve_vgpu sriov enable $PF
	says vfs yes '32 VFs of 1 GPU'
	sick p40x2
	says vfs n/a
}

@test "vf-driver: none yet, on some, on vfio-pci, and under names of two drivers" {
	local n

	for n in sick-half-initialised sick-half-vfio; do
		sick $n
		no vf-driver blocks "GPU $PF: the VFs are not bound to the nvidia driver yet" "sriov-manage -d $PF"
	done
	ROOT=$BATS_TEST_TMPDIR/some
	sick_json <<< "{\"gpus\":[{\"bdf\":\"$PF\",\"totalvfs\":4}],\"vf_drivers\":{\"0000:e8:00.4\":null}}"
	no vf-driver advice "GPU $PF: some of its VFs are not bound to a driver yet" "sriov-manage -d $PF"
	node_teardown
	MOUNTED='' ROOT=$BATS_TEST_TMPDIR/vfio-pci
	sick_json <<< "{\"gpus\":[{\"bdf\":\"$PF\",\"totalvfs\":4}],\"vf_drivers\":{\"0000:e8:00.5\":\"vfio-pci\"}}"
	no vf-driver advice "VF 0000:e8:00.5 of GPU $PF is bound to vfio-pci: a create there may be taken and make nothing" \
		'driverctl unset-override 0000:e8:00.5'
	node_teardown
	MOUNTED='' ROOT=$BATS_TEST_TMPDIR/parted
	sick_json <<< "{\"gpus\":[{\"bdf\":\"$PF\",\"totalvfs\":4}],\"vf_drivers\":{\"0000:e8:00.5\":\"other\"}}"
	no vf-driver advice "GPU $PF: its VFs were set up under different drivers" ''
	sick a40x8-mdev
	says vf-driver yes '256 VFs'
}

@test "vgpud, vgpu-mgr: not there, masked, not enabled, not running" {
	ready
	disable nvidia-vgpud.service
	no vgpud advice 'nvidia-vgpud.service is not enabled' 'systemctl enable nvidia-vgpud.service'
	ln -s /dev/null "$ROOT/etc/systemd/system/nvidia-vgpud.service"
	no vgpud advice 'is masked' 'systemctl unmask nvidia-vgpud.service'
	rm "$ROOT/etc/systemd/system/nvidia-vgpud.service" "$ROOT/$UNITDIR/nvidia-vgpud.service"
	no vgpud advice 'there is no unit nvidia-vgpud.service' 'vgpu-kvm'
	says vgpu-mgr yes 'it runs'
	echo bash > "$ROOT/proc/500/comm"
	no vgpu-mgr blocks 'nvidia-vgpu-mgr does not run' 'systemctl enable --now nvidia-vgpu-mgr.service'
	echo nvidia-vgpu-mgr > "$ROOT/proc/500/comm"
	disable nvidia-vgpu-mgr.service
	no vgpu-mgr advice 'nvidia-vgpu-mgr.service is not enabled' 'systemctl enable nvidia-vgpu-mgr.service'
	rm -r "$ROOT/proc/500"
	says vgpu-mgr n/a
	sick sick-no-types
	disable nvidia-vgpud.service
	no vgpud blocks 'nvidia-vgpud.service is not enabled' 'systemctl enable'
	enable nvidia-vgpud.service
	says vgpud yes
}

@test "types: none, some that cannot be read, and those of parents that are no GPU" {
	local n

	for n in sick-no-types sick-no-types-vfio; do
		sick $n
		no types blocks "GPU $PF: it shows no vGPU types, though it holds no vGPU" 'systemctl restart nvidia-vgpud'
	done
	sick p40x2
	fault read 'devices/*/0000:3b:00.0/*' EIO 1000
	no types advice 'Input/output error' 'dmesg'
	echo clear > "$SYS/.sim/fault"
	says types yes
	sick p40-foreign-parents
	says types yes 'other parents on the mdev bus are never used'
}

@test "framework: one that the kernel's own driver would not have" {
	a40
	well 6.8.12-4-pve
	no framework advice "GPU $PF: its types are on the mdev bus, and with kernel 6.8.12-4-pve NVIDIA's own driver has them on vendor VFIO" 'modinfo'
	echo 5.15.158-2-pve > "$ROOT/proc/sys/kernel/osrelease"
	says framework yes 'kernel 5.15.158-2-pve: mdev'
	rm "$ROOT/proc/sys/kernel/osrelease"
	says framework n/a "the kernel's version cannot be told"
	ROOT=$BATS_TEST_TMPDIR/vendor
	a40 '"framework": "nvidia-vfio"'
	well 6.5.13-5-pve
	no framework advice "GPU $PF: its types are on vendor VFIO" ''
	# Without SR-IOV the mdev bus stays.
	ROOT=$BATS_TEST_TMPDIR/p40
	node p40x2
	well 6.8.12-4-pve
	says framework yes
}

# vendor_mig [INSTANCE]: an A100 in MIG mode on vendor VFIO
vendor_mig() {
	sick_json 6.8.12-4-pve <<< "{\"gpus\":[{\"bdf\":\"0000:21:00.0\",\"types\":\"A100\",\"totalvfs\":16,\"memory_mib\":40960,
		\"framework\":\"nvidia-vfio\",\"mig\":true,\"gpu_instances\":[${1:-}]}]}"
}

@test "mig: on without an instance, on with one, and off" {
	sick a100-mig-empty
	no mig blocks 'GPU 0000:21:00.0: ' '-cgi'
	# As a real node has it: instances below /proc, and lists on vendor VFIO.
	mkdir -p "$ROOT"/proc/driver/nvidia/{gpus/0000:21:00.0,capabilities/gpu0/mig}
	printf 'Device Minor: \t 0\n' > "$ROOT/proc/driver/nvidia/gpus/0000:21:00.0/information"
	no mig blocks 'GPU 0000:21:00.0: MIG mode is on and there is no GPU instance' '-cgi'
	mkdir "$ROOT/proc/driver/nvidia/capabilities/gpu0/mig/gi3"
	says mig yes
	ROOT=$BATS_TEST_TMPDIR/vendor
	# What was listed while there was an instance is known once there is none.
	vendor_mig '{"id":3,"slices":1,"profile":"1g.5gb","memory_mib":5120}'
	pve_vgpu types > /dev/null
	says mig yes
	node_teardown
	MOUNTED=''
	vendor_mig
	no mig blocks 'GPU 0000:21:00.0: MIG mode is on and there is no GPU instance' '-cgi'
	sick a100-mig
	says mig yes '1 of 1'
	sick a100-mig-off
	says mig n/a 'MIG mode is off'
	sick a40x8-mdev
	says mig n/a
}

@test "scheduler: asked for and not written, written and not loaded, loaded" {
	ready
	node_conf '[defaults]' 'sriov = yes' 'scheduler = fixed-share'
	no scheduler blocks "GPU $PF: the scheduler of node.conf is not written into /etc/modprobe.d/pve-vgpu.conf" 'pve-vgpu scheduler apply'
	node_conf '[defaults]' 'sriov = yes' '[gpu A40]' 'scheduler = fixed-share'
	no scheduler blocks "GPU $PF: the scheduler of node.conf is not written" 'pve-vgpu scheduler apply'
	mkdir -p "$ROOT/proc/driver/nvidia"
	printf 'RegistryDwords: ""\nRegistryDwordsPerDevice: ""\n' > "$ROOT/proc/driver/nvidia/params"
	pve_vgpu scheduler apply > /dev/null
	no scheduler blocks "GPU $PF: the scheduler of node.conf waits for the driver's next load" 'update-initramfs'
	printf 'RegistryDwords: ""\nRegistryDwordsPerDevice: "%s"\n' \
		"$(grep -o 'pci=[^"]*' "$ROOT/etc/modprobe.d/pve-vgpu.conf")" > "$ROOT/proc/driver/nvidia/params"
	says scheduler yes 'on 1 GPU'
	node_conf '[defaults]' 'sriov = yes'
	no scheduler blocks 'is not written' 'pve-vgpu scheduler apply'
}

@test "standalone: a vGPU of node.conf that is not there, and one that is" {
	local id=11111111-2222-4333-8444-555555555555

	ready
	node_conf '[defaults]' 'sriov = yes' "[vgpu $id]" 'type = A40-24A'
	no standalone blocks "[vgpu $id] of node.conf, a A40-24A, is not there" 'pve-vgpu create --configured'
	pve_vgpu create --configured > /dev/null
	says standalone yes '1 are there'
	ROOT=$BATS_TEST_TMPDIR/vendor
	ready nvidia-vfio
	node_conf '[defaults]' 'sriov = yes' '[vgpu 0000:e8:00.6]' 'type = A40-24A'
	no standalone blocks '[vgpu 0000:e8:00.6]' 'pve-vgpu create --configured'
	pve_vgpu create --configured > /dev/null
	says standalone yes
}

@test "standalone: a vGPU of node.conf that is there as another type, and a VF that a VM has" {
	ready nvidia-vfio
	node_conf '[defaults]' 'sriov = yes' '[vgpu 0000:e8:00.6]' 'type = A40-24A'
	pve_vgpu create --configured > /dev/null
	node_conf '[defaults]' 'sriov = yes' '[vgpu 0000:e8:00.6]' 'type = A40-48A'
	no standalone blocks 'is there as A40-24A on 0000:e8:00.6' 'pve-vgpu remove 0000:e8:00.6; pve-vgpu create --configured'
	pve_vgpu remove 0000:e8:00.6 > /dev/null
	pve_vgpu create --configured > /dev/null
	says standalone yes '1 are there'
	pve_vgpu remove 0000:e8:00.6 > /dev/null
	mkdir -p "$ROOT/run/qemu-server"
	echo "0000:e8:00.6 100 time:$(($(date +%s) + 60))" > "$ROOT/run/qemu-server/pci-id-reservations"
	no standalone blocks "0000:e8:00.6 is vm 100's" 'stop that VM and pve-vgpu create --configured'
	run -1 pve_vgpu create --configured
}

@test "node-conf: a fault, with its line, and two boards' sections that are one GPU's" {
	ready
	says node-conf yes
	node_conf '[defaults]' 'sriov = maybe'
	no node-conf blocks '/etc/pve-vgpu/node.conf:2: ' 'man pve-vgpu-node.conf'
	node_conf '[gpu A40]' 'sriov = yes' '[gpu NVIDIA A40]' 'sriov = no'
	no node-conf blocks '/etc/pve-vgpu/node.conf:3: [gpu NVIDIA A40] and [gpu A40] of line 1 are the same board' 'mend that line'
	rm "$ROOT/etc/pve-vgpu/node.conf"
	says node-conf n/a
	mkdir "$ROOT/etc/pve-vgpu/node.conf"
	no node-conf blocks 'node.conf' ''
}

@test "units: not enabled, masked, missing, and after the guests" {
	ready
	says units yes
	disable pve-vgpu-gc.service
	no units advice 'pve-vgpu-gc.service is not enabled' 'systemctl enable pve-vgpu-gc.service'
	enable pve-vgpu-gc.service
	mkdir -p "$ROOT/etc/systemd/system/pve-vgpu-sriov@.service.d"
	printf '[Unit]\nBefore=\nAfter=pve-guests.service\n' > "$ROOT/etc/systemd/system/pve-vgpu-sriov@.service.d/late.conf"
	no units blocks 'pve-vgpu-sriov@.service is not ordered before pve-guests.service' 'systemctl revert pve-vgpu-sriov@.service'
	printf '[Unit]\nAfter=zfs.target\n' > "$ROOT/etc/systemd/system/pve-vgpu-sriov@.service.d/late.conf"
	says units yes
	ln -s /dev/null "$ROOT/etc/systemd/system/pve-vgpu-gc.timer"
	no units advice 'pve-vgpu-gc.timer is masked' 'systemctl unmask pve-vgpu-gc.timer'
	rm "$ROOT/etc/systemd/system/pve-vgpu-gc.timer"
	rm "$ROOT/usr/lib/udev/rules.d/90-pve-vgpu.rules"
	no units blocks 'udev has no 90-pve-vgpu.rules' 'apt install'
	node_conf '[vgpu 11111111-2222-4333-8444-555555555555]' 'type = A40-24A'
	disable pve-vgpu-standalone.service
	no units blocks 'pve-vgpu-standalone.service is not enabled' 'systemctl enable'
	rm "$ROOT/$UNITDIR"/pve-vgpu-*
	no units blocks 'there is no unit pve-vgpu-standalone.service' 'apt install'
	rm "$ROOT/etc/pve-vgpu/node.conf"
	says units n/a
}

@test "sriov-boot: nobody, pve-vgpu, Proxmox's unit, and others besides one of those" {
	ready
	says sriov-boot yes 'pve-vgpu, as node.conf has it'
	rm "$ROOT/etc/pve-vgpu/node.conf"
	no sriov-boot advice 'nobody enables SR-IOV at boot' 'sriov = yes'
	printf '#!/bin/sh\n/usr/lib/nvidia/sriov-manage -e ALL\n' > "$ROOT/etc/rc.local"
	says sriov-boot yes '/etc/rc.local does'
	node_conf '[defaults]' 'sriov = yes'
	no sriov-boot blocks '/etc/rc.local enables SR-IOV too, besides pve-vgpu' 'take its line out of /etc/rc.local'
	printf '#!/bin/sh\n# /usr/lib/nvidia/sriov-manage -e ALL\n' > "$ROOT/etc/rc.local"
	says sriov-boot yes 'pve-vgpu'
	printf 'bus/pci/devices/%s/sriov_numvfs = 8\n' 0000:05:00.0 > "$ROOT/etc/sysfs.conf"
	says sriov-boot yes 'pve-vgpu'
	mkdir "$ROOT/etc/sysfs.d"
	printf 'bus/pci/devices/%s/sriov_numvfs = 32\n' $PF > "$ROOT/etc/sysfs.d/gpu.conf"
	no sriov-boot blocks '/etc/sysfs.d/gpu.conf enables SR-IOV too' 'take its line out'
	rm -r "$ROOT/etc/sysfs.d"
	printf '[Service]\nExecStart=/usr/lib/nvidia/sriov-manage -e ALL\n' > "$ROOT/$UNITDIR/my-sriov.service"
	says sriov-boot yes 'pve-vgpu'
	enable my-sriov.service
	no sriov-boot blocks 'my-sriov.service enables SR-IOV too' 'systemctl disable my-sriov.service'
	rm "$ROOT/etc/pve-vgpu/node.conf"
	disable my-sriov.service
	printf '[Unit]\n' > "$ROOT/$UNITDIR/pve-nvidia-sriov@.service"
	enable pve-nvidia-sriov@ALL.service
	says sriov-boot yes 'pve-nvidia-sriov@ALL.service'
	enable my-sriov.service
	no sriov-boot blocks 'besides pve-nvidia-sriov@ALL.service' 'systemctl disable my-sriov.service'
	sick p40x2
	says sriov-boot n/a
}
