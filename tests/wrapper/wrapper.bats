# SPDX-License-Identifier: AGPL-3.0-or-later
# The wrapper on a node: what it believes, what it refuses, what it runs.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load wrapper_helper

# here NODE: that node, with the wrapper
here() {
	node "$1"
	wrapper_here
	settings ''
}

# promised VMID [LINE…]: pre-start has made what the VM is to get through the wrapper
promised() {
	wanted "$@"
	hook "$1" pre-start
	line "$1"
}

# in_record VMID FILTER: change the VM's run state
in_record() {
	local f=$ROOT/run/pve-vgpu/$1.json

	jq "$2" "$f" > "$f.new"
	mv "$f.new" "$f"
}

@test "without -id it is QEMU at once: argv[0], words and exit status are handed on" {
	here a40x8-mdev
	for LINE in --version '-cpu help' '-machine help -accel kvm'; do
		# shellcheck disable=SC2206
		LINE=($LINE)
		run kvm "${LINE[@]}"
		unchanged
	done
	QEMU_ENDS=7 run kvm --version
	assert_failure 7
	assert_equal "$(tr '\0' ' ' < <("$WRAPPER_AT" "$ROOT" /bin/cat /usr/bin/kvm /proc/self/cmdline))" "/usr/bin/kvm /proc/self/cmdline "
	# Of a run VM too, rewritten or not
	make "$(uuid 100)" $VF1 nvidia-575
	line 100 -device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	assert_equal "$("$WRAPPER_AT" "$ROOT" /bin/sh /usr/bin/kvm -c 'tr "\0" "\n" < /proc/$$/cmdline' -id 100 | head -n 1)" /usr/bin/kvm
}

@test "a VM with nothing of ours: the line as it is, words with line breaks and no text at all too" {
	here a40x8-mdev
	line 100 -device 'vfio-pci,host=01:00.0,id=hostpci0' '' -append $'two\nlines' -S -incoming tcp:10.0.0.2:60000
	run kvm "${LINE[@]}"
	unchanged
}

@test "behind taskset, as for a VM with an affinity, it is the same" {
	local word0

	here a40x8-mdev
	make "$(uuid 100)" $VF1 nvidia-575
	line 100 -device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	run taskset --cpu-list --all-tasks 0 "$ROOT/usr/bin/kvm" "$ROOT" "$ROOT/usr/bin/kvm.distrib" /usr/bin/kvm "${LINE[@]}"
	LINE+=(-uuid "$SMBIOS")
	unchanged
	word0=$(taskset --cpu-list --all-tasks 0 "$WRAPPER_AT" "$ROOT" /bin/sh /usr/bin/kvm \
		-c 'tr "\0" "\n" < /proc/$$/cmdline' "${LINE[@]}" | head -n 1)
	assert_equal "$word0" /usr/bin/kvm
}

@test "an NVIDIA mdev without -uuid gets one, whichever way sysfsdev goes to it" {
	local path

	here a40x8-mdev
	make "$(uuid 100 3)" $VF2 nvidia-575
	for path in bus/mdev/devices bus/pci/devices/$VF2 class/mdev_bus/$VF2; do
		line 100 -device "vfio-pci,sysfsdev=/sys/$path/$(uuid 100 3),id=hostpci3"
		run kvm "${LINE[@]}"
		LINE+=(-uuid "$SMBIOS")
		unchanged
		run kvm "${LINE[@]}"
		unchanged
	done
	LINE=(-id 100 --device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100 3),id=hostpci3")
	run kvm "${LINE[@]}"
	LINE+=(-uuid "$(uuid 100 3)")
	unchanged
}

@test "inject-uuid = no turns that off; settings that cannot be read do not" {
	here a40x8-mdev
	make "$(uuid 100)" $VF2 nvidia-575
	line 100 -device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	settings '[defaults]' 'inject-uuid = no'
	run kvm "${LINE[@]}"
	unchanged
	rm "$ROOT/etc/pve/pve-vgpu.conf"
	mkdir "$ROOT/etc/pve/pve-vgpu.conf"
	run kvm "${LINE[@]}"
	assert_equal "$(values uuid)" $SMBIOS
	rm -r "$ROOT/etc/pve"
	run kvm "${LINE[@]}"
	assert_equal "$(values uuid)" $SMBIOS
}

@test "another vendor's mdev gets none, nor one that is not there" {
	local parent type

	here gvtg
	parent=$(basename "$SYS"/class/mdev_bus/*)
	type=$(basename "$SYS/bus/pci/devices/$parent/mdev_supported_types"/* | head -n 1)
	make "$(uuid 100)" "$parent" "$type"
	line 100 -device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	run kvm "${LINE[@]}"
	unchanged
	line 100 -device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 101)"
	run kvm "${LINE[@]}"
	unchanged
}

@test "what pre-start has promised is on the line, once, and with it -uuid" {
	here a40x8-mdev
	promised 100
	run kvm "${LINE[@]}"
	assert_success
	assert_equal "$(values device | grep vfio)" "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100),id=hostpci0,bus=pci.0,addr=0x10"
	assert_equal "$(values uuid)" $SMBIOS
	assert_equal "$(values vnc)" unix:/var/run/qemu-server/100.vnc,password=on
	mapfile -t LINE <<< "$output"
	run kvm "${LINE[@]}"
	unchanged
}

@test "vendor VFIO: the VF is on the line" {
	here a40x8-vfio
	promised 100 'pcie = no'
	run kvm "${LINE[@]}"
	assert_success
	assert_equal "$(values device | grep vfio)" "vfio-pci,host=$(state 100 '.vgpus[0].parent'),id=hostpci0,bus=pci.0,addr=0x10"
	assert_equal "$(values uuid)" $SMBIOS
}

@test "x-vga: device, CPU flags, and no other display" {
	here a40x8-mdev
	promised 100 'x-vga = yes' 'display = off'
	run kvm "${LINE[@]}"
	assert_success
	assert_equal "$(values device)" "usb-tablet,id=tablet"$'\n'"vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100),id=hostpci0,bus=pci.0,addr=0x10,x-vga=on,display=off"
	assert_equal "$(values cpu)" host,kvm=off
	assert_equal "$(values vnc)" ''
	assert_equal "$(values vga)" none
	assert_equal "$(values machine)" smm=off,type=pc+pve0
	assert_output -nographic
}

@test "a run state that cannot be believed: no VM, and why" {
	local f

	here a40x8-mdev
	promised 100
	f=$ROOT/run/pve-vgpu/100.json
	cp "$f" "$f.good"
	echo '{' > "$f"
	run kvm "${LINE[@]}"
	refused "vm 100: run state '/run/pve-vgpu/100.json' is damaged" hint:
	jq '.vmid = 101' "$f.good" > "$f"
	run kvm "${LINE[@]}"
	refused "names another VM" "rm '/run/pve-vgpu/100.json'"
	jq '.devices[0].add = "yes"' "$f.good" > "$f"
	run kvm "${LINE[@]}"
	refused "is damaged"
	jq '.devices = {}' "$f.good" > "$f"
	run kvm "${LINE[@]}"
	refused "is damaged"
	jq '.version = 9' "$f.good" > "$f"
	run kvm "${LINE[@]}"
	refused "newer version of pve-vgpu" "upgrade pve-vgpu"
	jq 'del(.vgpus[0])' "$f.good" > "$f"
	run kvm "${LINE[@]}"
	refused "is damaged"
	cp "$f.good" "$f"
	chown nobody "$f"
	run kvm "${LINE[@]}"
	refused "no plain file that root alone can write" "rm '/run/pve-vgpu/100.json'"
	chown root "$f"
	chmod g+w "$f"
	run kvm "${LINE[@]}"
	refused "no plain file that root alone can write"
	rm "$f"
	ln -s 100.json.good "$f"
	run kvm "${LINE[@]}"
	refused "no plain file that root alone can write"
	rm "$f"
	mkdir "$f"
	run kvm "${LINE[@]}"
	refused "no plain file that root alone can write"
	rmdir "$f"
	mv "$f.good" "$f"
	run kvm "${LINE[@]}"
	assert_success
}

@test "a vGPU that is not there any more: no VM" {
	here a40x8-mdev
	promised 100
	echo 1 > "$SYS/bus/mdev/devices/$(uuid 100)/remove"
	run kvm "${LINE[@]}"
	refused "vm 100: hostpci0: the A40-24A that pre-start made, $(uuid 100), is not there any more" "qm start 100"
}

@test "a vendor VF that has been given away: no VM" {
	here a40x8-vfio
	promised 100
	set_vf "$(state 100 '.vgpus[0].parent')" 0
	run kvm "${LINE[@]}"
	refused "the A40-24A that pre-start made on $(state 100 '.vgpus[0].parent') is not there any more"
}

@test "a run state of an earlier start, or of one that was cut off: no VM" {
	here a40x8-mdev
	promised 100
	in_record 100 '.phase = "running" | .qemu = 4000000'
	run kvm "${LINE[@]}"
	refused "is of an earlier start, not of this one" "pve-vgpu gc"
	in_record 100 '.phase = "claimed" | .qemu = null'
	run kvm "${LINE[@]}"
	refused "is of a start that did not get to its end"
}

@test "a run state of a VM that had this vmid before: no VM, and nothing of it goes to this one" {
	here a40x8-mdev
	promised 100
	local capitals=${SMBIOS^^}
	LINE=("${LINE[@]/$SMBIOS/$capitals}")
	run kvm "${LINE[@]}"
	assert_success
	assert_output "sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	# Its start has failed behind pre-start, and it is gone; this one has no hookscript.
	LINE=("${LINE[@]/$capitals/6f2a1d0e-0000-4000-8000-00000000beef}")
	run kvm "${LINE[@]}"
	refused "is of another VM, which had this vmid before (SMBIOS uuid $SMBIOS)" "pve-vgpu gc"
}

@test "a second QEMU for a VM that runs: no" {
	here a40x8-mdev
	promised 100
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	run kvm "${LINE[@]}"
	refused "QEMU of the VM runs already, pid 400100" "qm stop 100"
	in_record 100 '.phase = "created"'
	run kvm "${LINE[@]}"
	refused "QEMU of the VM runs already, pid 400100"
}

@test "a run state with nothing for the wrapper to do is none" {
	here a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A'
	at 100 $VF1
	hook 100 pre-start
	line 100 -device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100),id=hostpci0" -uuid $SMBIOS
	ops_reset
	run kvm "${LINE[@]}"
	unchanged
	assert_equal "$(ops)" 0
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	run kvm "${LINE[@]}"
	unchanged
}

# record VMID DEVICES: a run state with these devices and no vGPU
record() {
	mkdir -p "$ROOT/run/pve-vgpu"
	jq -n --argjson vmid "$1" --argjson devices "$2" \
		'{version: 1, vmid: $vmid, phase: "created", claimed_ms: 1, attached: true, vgpus: [], devices: $devices, no_vga: false}' \
		> "$ROOT/run/pve-vgpu/$1.json"
}

@test "params of what qemu-server has made a moment ago are written: an mdev, a vendor VF" {
	here a40x8-mdev
	make "$(uuid 100)" $VF1 nvidia-575
	record 100 '[{"index": 0, "add": false, "params": "frame_rate_limiter=0"}]'
	line 100 -device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100),id=hostpci0" -uuid $SMBIOS
	run kvm "${LINE[@]}"
	unchanged
	assert_equal "$(cat "$SYS/bus/mdev/devices/$(uuid 100)/nvidia/vgpu_params")" frame_rate_limiter=0
	node_teardown
	MOUNTED=''
	here a40x8-vfio
	set_vf $VF1 575
	line 100 -device "vfio-pci,host=$VF1,id=hostpci0,bus=pci.0,addr=0x10" -uuid $SMBIOS
	run kvm "${LINE[@]}"
	unchanged
	assert_equal "$(cat "$SYS/bus/pci/devices/$VF1/nvidia/vgpu_params")" frame_rate_limiter=0
}

@test "params that the driver refuses, or that are for nothing on the line: no VM" {
	here a40x8-mdev
	make "$(uuid 100)" $VF1 nvidia-575
	record 100 '[{"index": 0, "add": false, "params": "frame_rate_limiter=0"}]'
	line 100 -device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100),id=hostpci0" -uuid $SMBIOS
	fault write '*/vgpu_params' EINVAL 1
	run kvm "${LINE[@]}"
	refused "vm 100: hostpci0: write 'frame_rate_limiter=0' to" "Invalid argument" hint:
	line 100
	run kvm "${LINE[@]}"
	refused "hostpci0 is to get params, and QEMU's command line has no such vGPU"
}

@test "a device where the promised one is to stand: no VM" {
	here a40x8-mdev
	promised 100
	LINE+=(-device 'virtio-rng-pci,id=hostpci0')
	run kvm "${LINE[@]}"
	refused "vm 100: QEMU's command line has another device as hostpci0: 'virtio-rng-pci,id=hostpci0'" hint:
}

@test "no QEMU, or none that can be run: why, and what to do" {
	here a40x8-mdev
	rm "$ROOT/usr/bin/qemu-system-x86_64"
	run -127 kvm --version
	assert_output "run '$ROOT/usr/bin/kvm.distrib': No such file or directory"
	assert_output 'hint: QEMU is not where the diversion has put it'
	: > "$ROOT/usr/bin/qemu-system-x86_64"
	run kvm --version
	assert_failure 126
	assert_output 'Permission denied'
}

@test "the wrapper itself where QEMU is to be: it does not run itself for ever" {
	here a40x8-mdev
	# wrapper-at takes its first words for itself, in the second round, too.
	ln -sf kvm "$ROOT/usr/bin/kvm.distrib"
	run kvm "$ROOT" "$ROOT/usr/bin/kvm.distrib" /usr/bin/kvm --version
	assert_failure 126
	assert_output "run '$ROOT/usr/bin/kvm.distrib': that is pve-vgpu's wrapper itself, and not QEMU"
	assert_output 'hint: apt install --reinstall pve-qemu-kvm'
	rm "$ROOT/usr/bin/kvm.distrib"
	cp "$WRAPPER_AT" "$ROOT/usr/bin/kvm.distrib"
	run kvm "$ROOT" "$ROOT/usr/bin/kvm.distrib" /usr/bin/kvm "${LINE[@]}"
	assert_failure 126
	assert_output "that is pve-vgpu's wrapper itself"
}

@test "the installed program runs /usr/bin/kvm.distrib and takes nothing from the environment" {
	[ ! -e /usr/bin/kvm.distrib ]
	run -127 env ROOT=/nowhere PVE_VGPU_ROOT=/nowhere PVE_SIM_ROOT=/nowhere "$WRAPPER" --version
	assert_output "run '/usr/bin/kvm.distrib': No such file or directory"
	run -127 env -i "$WRAPPER" --root /tmp -id 100
}

# syscalls WORD…: how many there are between main and execve. openat2() has to be tried again, and a path with `..` then walked by hand,
# while anything is renamed or mounted anywhere on the machine: such a run is done again.
syscalls() {
	local try

	for try in {1..20}; do
		strace -o "$BATS_TEST_TMPDIR/trace" "$WRAPPER_AT" "$ROOT" /bin/true /usr/bin/kvm "$@" > /dev/null
		grep -q '^openat2.*= -1 EAGAIN' "$BATS_TEST_TMPDIR/trace" || break
		echo "# try $try: somebody renamed or mounted something" >&2
	done
	sed -n '/^getppid()/,/^execve(/p' "$BATS_TEST_TMPDIR/trace" | sed '1d;$d' > "$BATS_TEST_TMPDIR/between"
	grep -q '^execve("/bin/true", \["/usr/bin/kvm"' "$BATS_TEST_TMPDIR/trace"
	wc -l < "$BATS_TEST_TMPDIR/between"
}

@test "with nothing to do there are at most 12 system calls between main and execve" {
	local n

	# A sanitizer makes its own.
	[ -z "${SANITIZED:-}" ] || return 0
	here a40x8-mdev
	line 100 -device vfio-pci,host=01:00.0,id=hostpci0
	n=$(syscalls "${LINE[@]}")
	echo "a VM: $n"
	[ "$n" -le 12 ] || { cat "$BATS_TEST_TMPDIR/between"; false; }
	assert_equal "$(grep -c 'pve-vgpu.conf\|"sys' "$BATS_TEST_TMPDIR/between")" 0
	n=$(syscalls --version)
	echo "--version: $n"
	[ "$n" -eq 0 ] || { cat "$BATS_TEST_TMPDIR/between"; false; }
	# Another vendor's mdev costs a look at its parent, and no more.
	node_teardown
	MOUNTED=''
	here gvtg
	n=$(basename "$SYS"/class/mdev_bus/*)
	make "$(uuid 100)" "$n" "$(basename "$SYS/bus/pci/devices/$n/mdev_supported_types"/* | head -n 1)"
	line 100 -device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	n=$(syscalls "${LINE[@]}")
	echo "another vendor's mdev: $n"
	[ "$n" -le 12 ] || { cat "$BATS_TEST_TMPDIR/between"; false; }
}
