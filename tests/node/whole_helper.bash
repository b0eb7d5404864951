# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# The whole way in the test node: VMs with configs where PVE has them, pve-vgpu
# as the snippet that is their hookscript, qemu-server's part by tests/pve/qm,
# and a real QEMU.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

load node_helper

TESTS=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
OPS=/sys/kernel/debug/nvidia-vgpu-sim/ops
STATES=/run/pve-vgpu
KVM=/payload/bin/kvm
PVE=9.2
# What PVE's second takes here, in seconds
TICK=0.2
# The versions of qemu-server that a node of this release is to go, by the wrapper with mdev and with vendor VFIO, and with hostpci0: PVE 9 is of
# Debian 13, and for what came before stands Debian 12.
case $(< /etc/debian_version) in
12*) WITH_MDEV='7.1-4 7.2-4 7.4-1 8.1.0' WITH_VENDOR=8.4.1 WITH_HOSTPCI='7.4 8.1' ;;
13*) WITH_MDEV=9.2.6 WITH_VENDOR=9.2.6 WITH_HOSTPCI=9.2 ;;
*) echo "/etc/debian_version: '$(< /etc/debian_version)' is neither 12 nor 13" >&2; exit 1 ;;
esac

# What is wrong with a test is told by what it says.
fail() {
	echo "$*"
	return 1
}

equal() {
	[ "$1" = "$2" ] || fail "'$1' is not '$2'"
}

contains() {
	[[ $1 == *"$2"* ]] || fail "no '$2' in: $1"
}

# node_with mdev|vendor: that framework, as PVE's directories are at boot, the snippet, and nothing of the file before
node_with() {
	driver_for "$1"
	modprobe vfio_iommu_type1
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	mkdir -p /etc/pve/qemu-server /etc/pve/nodes /run/qemu-server /run/lock/qemu-server /var/lib/vz/snippets
	: > /etc/pve/.version
	ln -sf /usr/bin/pve-vgpu /var/lib/vz/snippets/pve-vgpu
	node_facts
	clean_node
}

# Where the cards are: GPU, GPU2, CARD, and the VFs of each GPU in VFS and VFS2, the first of them in VF and VF2. Looked for once
# a file, and as arrays cannot be handed on, VFS and VFS2 are words.
node_facts() {
	# shellcheck disable=SC2046 # one word each
	set -- $(gpus)
	GPU=$1 GPU2=$2
	CARD=$(card)
	VFS=$(vfs "$GPU")
	VFS2=$(vfs "$GPU2")
	VF=${VFS%%$'\n'*}
	VF2=${VFS2%%$'\n'*}
	export GPU GPU2 CARD VFS VFS2 VF VF2
}

# After each test: nothing of it
clean_node() {
	local f

	# First, for nobody ends who stands there.
	echo none > "/sys/module/$DRIVER/parameters/stall"
	killall -q -w -KILL kvm qemu-system-x86_64 hold || true
	echo 0 > "/sys/module/$DRIVER/parameters/selfclean_ms"
	for f in /sys/bus/mdev/devices/*/remove; do
		[ ! -e "$f" ] || echo 1 > "$f"
	done
	for f in $(typed_vfs); do
		echo 0 > "$f"
	done
	rm -rf /etc/pve/qemu-server/*.conf /run/qemu-server/* "$STATES"
	# A test that lets the driver remove vGPUs itself gives it time.
	settings '[defaults]' 'cleanup-wait = 0'
}

# typed_vfs: current_vgpu_type of each VF that has a vGPU
typed_vfs() { [ ! -e "/sys/bus/pci/devices/$VF/nvidia" ] || grep -Lx 0 /sys/bus/pci/devices/*/nvidia/current_vgpu_type; }

settings() { printf '%s\n' "$@" > /etc/pve/pve-vgpu.conf; }

# vm VMID LINE…: its config, with the hookscript
vm() {
	local vmid=$1

	shift
	printf '%s\n' "name: vm$vmid" 'hookscript: local:snippets/pve-vgpu' "$@" > "/etc/pve/qemu-server/$vmid.conf"
}

# intent VMID TYPE
intent() { printf '[vm %s]\nhostpci0 = %s\n' "$1" "$2" >> /etc/pve/pve-vgpu.conf; }

# uuid VMID
uuid() { printf '00000000-0000-0000-0000-%012d' "$1"; }

# by_args VMID TYPE: the vGPU attached by the VM's args, wherever the hook makes it
by_args() {
	vm "$1" "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid "$1"),id=hostpci0,bus=pci.0,addr=0x10 -uuid $(uuid "$1")"
	intent "$1" "$2"
}

# native VMID ADDRESS TYPE NAME: hostpci0 at an address
native() {
	vm "$1" "hostpci0: $2,mdev=$3"
	intent "$1" "$4"
}

# What every QEMU here has; -S: a CPU that runs a firmware costs time and shows nothing
QEMU=(--kvm-arg -nodefaults --kvm-arg -display --kvm-arg none --kvm-arg -accel --kvm-arg tcg --kvm-arg -m --kvm-arg 32)
STOPPED=(--kvm-arg -S)

# qm OPTION… COMMAND VMID, in version PVE
qm() {
	"$TESTS/pve/qm" --root / --kvm "$KVM" "${QEMU[@]}" "${STOPPED[@]}" --pve "$PVE" --tick "$TICK" \
		--trace "$BATS_TEST_TMPDIR/trace" "$@" 3>&-
}

# at_once COMMAND VMID…: qm for all of them at the same time
at_once() {
	local vmid command=$1 pids=()

	shift
	for vmid; do
		"$TESTS/pve/qm" --root / --kvm "$KVM" "${QEMU[@]}" "${STOPPED[@]}" --pve "$PVE" --tick "$TICK" "$command" "$vmid" \
			> "$BATS_TEST_TMPDIR/$vmid" 2>&1 3>&- &
		pids+=($!)
	done
	for vmid; do
		wait "${pids[0]}" || fail "$(tail -n 3 "$BATS_TEST_TMPDIR/$vmid")"
		pids=("${pids[@]:1}")
	done
}

# eight_at_once: VMs 100 to 107, each with a vGPU of 12 GB, start all at the same time, and stop
eight_at_once() {
	at_once start {100..107}
	equal "$(vgpus)" 8
	equal "$(in_use)" 8
	# Four to a GPU
	equal "$(for_each_vgpu gpu | sort -u | wc -l)" 2
	at_once stop {100..107}
	nothing_left {100..107}
}

# in_use: how many vGPUs QEMU has open
in_use() { for_each_vgpu in_use | grep -cx true; }

# works COMMAND…: with success, and with nothing to complain of
works() {
	run "$@"
	[ "$status" -eq 0 ] || fail "status $status: $output"
	[[ $output != *'failed in'* && $output != *'hint:'* && $output != *'TEST FAILED'* ]] || fail "$output"
}

# qmp VMID COMMAND [ARGUMENTS]
qmp() {
	local vmid=$1

	shift
	"$TESTS/node/qmp" "/run/qemu-server/$vmid.qmp" "$@"
}

# slot VMID: bus, slot, vendor and class of the vGPU, as QEMU tells
slot() {
	local text line at what

	text=$(qmp "$1" human-monitor-command '{"command-line": "info pci"}')
	text=${text//\\\"/\"}
	while IFS= read -r line; do
		[[ ! $line =~ Bus\ +([0-9]+),\ device\ +([0-9]+) ]] || at="${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
		[[ ! $line =~ ^\ *(.*):\ PCI\ device\ ([0-9a-f]{4}): ]] || what="${BASH_REMATCH[2]} ${BASH_REMATCH[1]}"
		[[ $line != *'id "hostpci0"'* ]] || echo "$at $what"
	done <<< "${text//\\r\\n/$'\n'}"
}

# member NAME JSON: of a flat object, in VALUE. jq is much, and takes a quarter of a second to start where the processor is emulated.
member() { [[ $2 =~ \"$1\":\ *(\"([^\"]*)\"|([^],}\ ]+)) ]] && VALUE=${BASH_REMATCH[2]}${BASH_REMATCH[3]}; }

# for_each_vgpu NAME…: these members of what `list` has, a vGPU a line
for_each_vgpu() {
	local vgpus vgpu name line

	mapfile -t -d '}' vgpus < <(pve-vgpu list --json)
	# The last is what stands behind the last object.
	for vgpu in "${vgpus[@]::${#vgpus[@]}-1}"; do
		line=
		for name; do
			member "$name" "$vgpu"
			line+=" $VALUE"
		done
		echo "${line# }"
	done
}

# listed VMID: what `list` has of the VM
listed() { for_each_vgpu vmid name parent in_use | sed -n "s/^$1 //p"; }

phase() {
	member phase "$(< "$STATES/$1.json")"
	echo "$VALUE"
}

# vgpus: how many the kernel has
vgpus() {
	local n=0 f

	for f in /sys/bus/mdev/devices/* $(typed_vfs); do
		[ ! -e "$f" ] || n=$((n + 1))
	done
	echo "$n"
}

# nothing_left VMID…: no process, vGPU, record or reservation
nothing_left() {
	local vmid

	equal "$(vgpus)" 0
	equal "$(pgrep -x 'kvm|qemu-system-x86')" ''
	for vmid; do
		[ ! -e "$STATES/$vmid.json" ] || fail "a record of vm $vmid is left: $(cat "$STATES/$vmid.json")"
		[ ! -e "/run/qemu-server/$vmid.pid" ] || fail "the pid file of vm $vmid is left"
		! grep -qs " $vmid " /run/qemu-server/pci-id-reservations || fail "a reservation of vm $vmid is left"
	done
}

# --- many times over ----------------------------------------------------------

# fifos: what `holds` takes
fifos() {
	HELD=$BATS_TEST_TMPDIR/held
	mkfifo "$BATS_TEST_TMPDIR/stdin" "$HELD"
}

# holds VMID DEVICE: a process that is QEMU in PVE's eyes and has the vGPU open as one. HELD is a FIFO of the caller's own.
holds() {
	local said

	(exec -a kvm /payload/bin/hold -id "$1" -pidfile "/var/run/qemu-server/$1.pid" "$2") 0<> "$BATS_TEST_TMPDIR/stdin" > "$HELD" 3>&- &
	echo "$!" > "/run/qemu-server/$1.pid"
	read -r -t 120 said < "$HELD"
	equal "$said" held
}

# begins VMID: a start
begins() {
	local vmid=$1 device

	pve-vgpu "$vmid" pre-start
	printf -v device '/sys/bus/mdev/devices/00000000-0000-0000-0000-%012d' "$vmid"
	if [ ! -e "$device" ]; then
		member parent "$(< "$STATES/$vmid.json")"
		device=/sys/bus/pci/devices/$VALUE
	fi
	holds "$vmid" "$device"
	pve-vgpu "$vmid" post-start
}

# dies VMID: its QEMU is no more. The process may be another shell's.
dies() {
	local vmid=$1 pid

	read -r pid < "/run/qemu-server/$vmid.pid"
	kill -KILL "$pid"
	wait "$pid" 2> /dev/null || true
	while [ -e "/proc/$pid" ]; do
		read -r -t 0.02 <> "$BATS_TEST_TMPDIR/stdin" || true
	done
	rm -f "/run/qemu-server/$vmid.pid"
}

# ends VMID: its end
ends() {
	dies "$1"
	pve-vgpu "$1" post-stop
}

# cycle VMID: a start and a stop
cycle() {
	begins "$1"
	ends "$1"
}

# objects: what grows where something is not given back: uses of modules, groups and devices of vfio, objects of its caches
objects() {
	lsmod | awk '$1 ~ /^(vfio|mdev|nvidia)/ { print $1, $3 }'
	ls /dev/vfio /sys/kernel/iommu_groups /sys/class/vfio | wc -l
}

# slab: objects in use in all caches, in thousands of bytes
slab() { awk 'NR > 2 { n += $2 * $4 } END { print int(n / 1000) }' /proc/slabinfo; }

# fifty LIMIT: starts and stops; the first ten fill what is filled once. The slab may have grown by LIMIT thousand bytes.
fifty() {
	local i before bytes grown

	fifos
	for ((i = 0; i < 50; i++)); do
		if [ "$i" -eq 10 ]; then
			before=$(objects)
			bytes=$(slab)
		fi
		cycle $((100 + i % 5))
	done
	equal "$(objects)" "$before"
	grown=$(($(slab) - bytes))
	echo "the slab has grown by $grown thousand bytes in forty starts"
	[ "$grown" -lt "$1" ] || fail "grown by $grown thousand bytes, wanted less than $1"
	nothing_left {100..104}
}
