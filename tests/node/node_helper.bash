# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# Words for tests that run in the test node.

# shellcheck source=tests/bats/stack.bash
. "${BASH_SOURCE[0]%/*}/../bats/stack.bash"

# The driver's module.
DRIVER=$(cat /payload/driver)

# A program takes a tenth of a second to start where the processor is emulated, and so does a subshell for a third: what is
# called often here starts few.

# cards: the paths of NVIDIA's devices that are no VFs
cards() {
	local device

	for device in $(grep -lx 0x10de /sys/bus/pci/devices/*/vendor); do
		device=${device%/vendor}
		[ -e "$device/physfn" ] || echo "$device"
	done
}

# gpus: the addresses of the cards with SR-IOV; card: that of the one without
gpus() {
	local device

	for device in $(cards); do
		[ ! -e "$device/sriov_totalvfs" ] || echo "${device##*/}"
	done
}

card() {
	local device

	for device in $(cards); do
		[ -e "$device/sriov_totalvfs" ] || echo "${device##*/}"
	done
}

# vfs GPU: its VFs, in order
vfs() {
	local links=("/sys/bus/pci/devices/$1"/virtfn*) i

	[ -e "${links[0]}" ] || return 0
	for ((i = 0; i < ${#links[@]}; i++)); do
		links[i]=/sys/bus/pci/devices/$1/virtfn$i
	done
	readlink "${links[@]}" | sed 's|.*/||'
}

# vfs_on [NUMBER]: that many VFs on each GPU, all by default
# shellcheck disable=SC2120
vfs_on() {
	local gpu

	for gpu in $(gpus); do
		echo "${1:-$(< "/sys/bus/pci/devices/$gpu/sriov_totalvfs")}" > "/sys/bus/pci/devices/$gpu/sriov_numvfs"
	done
	udevadm settle --timeout=60
}

# driver_off: the kernel waits a second after the VFs of a GPU have gone, so both go at once.
driver_off() {
	local gpu gone=()

	[ -e "/sys/module/$DRIVER" ] || return 0
	echo Y > "/sys/module/$DRIVER/parameters/allow_numvfs"
	for gpu in $(gpus); do
		echo 0 > "/sys/bus/pci/devices/$gpu/sriov_numvfs" &
		gone+=($!)
	done
	wait "${gone[@]}"
	modprobe -r "$DRIVER"
}

# driver [NAME=VALUE…]: the driver loaded anew with these parameters, and all VFs there
driver() {
	driver_off
	modprobe "$DRIVER" allow_numvfs=1 "$@"
	vfs_on
}

# parameter NAME: the driver's, in VALUE
parameter() { read -r VALUE < "/sys/module/$DRIVER/parameters/$1"; }

# driver_for mdev|vendor: a driver with that framework and all VFs, and as it is when it has been loaded. Loading it and making
# the VFs takes seconds, so what is there of it stays.
driver_for() {
	local vfs='' p

	if [ -e "/sys/module/$DRIVER" ]; then
		parameter framework
		[ "$VALUE" != "$1" ] || vfs=$(cat /sys/bus/pci/drivers/nvidia/*/sriov_numvfs)
	fi
	case $vfs in
	32$'\n'32) ;;
	0$'\n'0)
		echo Y > "/sys/module/$DRIVER/parameters/allow_numvfs"
		vfs_on
		;;
	*) driver "framework=$1" ;;
	esac
	for p in "/sys/module/$DRIVER/parameters"/errno_*; do
		echo 0 > "$p"
	done
	echo 0 > "/sys/module/$DRIVER/parameters/selfclean_ms"
	echo none > "/sys/module/$DRIVER/parameters/stall"
	echo N > "/sys/module/$DRIVER/parameters/mixed_size"
}

# qemu OPTION…: a QEMU that runs no guest, asked for its PCI devices and ended
qemu() {
	printf 'info pci\nquit\n' | timeout 60 qemu-system-x86_64 -M q35 -accel tcg -m 64 -nodefaults -display none -S -monitor stdio "$@"
}
