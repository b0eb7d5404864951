# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# Words for tests that run in the test node.

# The driver's module.
DRIVER=$(cat /payload/driver)

# A program takes a tenth of a second to start where the processor is emulated: what is called often here starts none.

# is_pf ADDRESS: NVIDIA's, and no VF
is_pf() {
	[ ! -e "/sys/bus/pci/devices/$1/physfn" ] && [ "$(< "/sys/bus/pci/devices/$1/vendor")" = 0x10de ]
}

# gpus: the addresses of the cards with SR-IOV; card: that of the one without
gpus() {
	local device

	for device in /sys/bus/pci/devices/*; do
		[ ! -e "$device/sriov_totalvfs" ] || ! is_pf "${device##*/}" || echo "${device##*/}"
	done
}

card() {
	local device

	for device in /sys/bus/pci/devices/*; do
		[ -e "$device/sriov_totalvfs" ] || ! is_pf "${device##*/}" || echo "${device##*/}"
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

driver_off() {
	[ ! -e "/sys/module/$DRIVER" ] || modprobe -r "$DRIVER"
}

# driver [NAME=VALUE…]: the driver loaded anew with these parameters, and all VFs there
driver() {
	driver_off
	modprobe "$DRIVER" allow_numvfs=1 "$@"
	vfs_on
}
