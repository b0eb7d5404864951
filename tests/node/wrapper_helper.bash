# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# A node as PVE's: its own programs where `pve-vgpu set` looks for them
# (tests/pve/tools), /etc/pve as one node of a cluster has it, QEMU at
# /usr/bin/kvm, and the wrapper in front of that.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

load whole_helper

PACKAGE=pve-vgpu-qemu-wrapper
KEPT=/run/kept
SMBIOS=6f2a1d0e-0000-4000-8000-00000000cafe
KVM=/usr/bin/kvm
# What PVE's QEMU was given, a file for each VM
GIVEN=/run/pve-kvm

# script NAME WORD…: a maintainer script of the wrapper's package, as dpkg calls it
script() { sh "/payload/debian/$PACKAGE.$1" "${@:2}"; }

# wrapper_in: what dpkg does when the package is installed in front of PVE's QEMU; its program came with `make install`
wrapper_in() {
	ln -sfn /payload/bin/kvm /usr/bin/kvm
	script preinst install
	ln -sfn ../lib/pve-vgpu/qemu-wrapper /usr/bin/kvm
	script postinst configure ''
}

# wrapper_out: and when it is removed; QEMU has its name again
wrapper_out() {
	script prerm remove
	rm /usr/bin/kvm
	script postrm remove
	equal "$(readlink /usr/bin/kvm)" /payload/bin/kvm
	[ ! -L /usr/bin/kvm.distrib ] || fail '/usr/bin/kvm.distrib is left'
	equal "$(dpkg-divert --list '/usr/bin/kvm*')" ''
}

# pve_in: PVE's programs, and a cluster of one node
pve_in() {
	mkdir -p "$KEPT" "$GIVEN" /.pve
	cp -a /usr/bin/kvm /var/lib/dpkg/status "$KEPT"
	ln -sfn "$TESTS/pve" /.pve/lib
	cp "$TESTS"/pve/tools/{qm,pvesm} /usr/sbin
	cp "$TESTS/pve/tools/pvesh" /usr/bin
	rm -rf /etc/pve/qemu-server
	mkdir -p /etc/pve/nodes/here/qemu-server /etc/pve/mapping /etc/pve/priv/lock
	ln -sfn nodes/here /etc/pve/local
	ln -sfn local/qemu-server /etc/pve/qemu-server
	printf '%s\n' 'dir: local' $'\tpath /var/lib/vz' $'\tcontent backup,iso,snippets,vztmpl' '' > /etc/pve/storage.cfg
}

# pve_out: the node as the next file of tests expects it
pve_out() {
	cp -a "$KEPT/status" /var/lib/dpkg/status
	cp -a --remove-destination "$KEPT/kvm" /usr/bin/kvm
	rm -rf "$KEPT" "$GIVEN" /.pve /usr/sbin/qm /usr/sbin/pvesm /usr/bin/pvesh
	rm -rf /etc/pve/{qemu-server,local,nodes,mapping,priv,storage.cfg,pve-vgpu.conf}
	mkdir -p /etc/pve/qemu-server /etc/pve/nodes
}

# pve_version VERSION: of qemu-server, as dpkg has it
pve_version() {
	PVE=$1
	printf '%s\n' "$(< "$KEPT/status")" '' 'Package: qemu-server' 'Status: install ok installed' 'Architecture: amd64' \
		'Maintainer: nobody <nobody@example.invalid>' "Version: $PVE" 'Description: for the tests' '' > /var/lib/dpkg/status
}

# framework mdev|vendor: the driver's
framework() {
	parameter framework
	[ "$VALUE" = "$1" ] || node_with "$1"
}

conf_of() { echo "/etc/pve/nodes/here/qemu-server/$1.conf"; }

# gui_vm VMID: a VM as the GUI makes it
gui_vm() {
	printf '%s\n' 'cores: 4' 'memory: 8192' "meta: creation-qemu=9.2.0,ctime=$((1700000000 + $1))" "name: vm$1" 'numa: 0' \
		'ostype: l26' "smbios1: uuid=$SMBIOS" 'sockets: 1' > "$(conf_of "$1")"
}

# bytes FILE: its content in BYTES, the last line's end with it
bytes() { IFS= read -r -d '' BYTES < "$1" || true; }

# remember VMID: its config and the settings as they are now
remember() {
	bytes "$(conf_of "$1")"
	CONF_WAS=$BYTES
	bytes /etc/pve/pve-vgpu.conf
	SETTINGS_WERE=$BYTES
}

# as_before VMID: both byte for byte
as_before() {
	bytes "$(conf_of "$1")"
	equal "$BYTES" "$CONF_WAS"
	bytes /etc/pve/pve-vgpu.conf
	equal "$BYTES" "$SETTINGS_WERE"
}

# words FILE: the command line in it, with a NUL behind each word, in WORDS
words() { mapfile -d '' -t WORDS < "$1"; }

# option NAME: what stands behind each -NAME of WORDS, a value a line; for a subshell
option() {
	local i

	trap - DEBUG
	for ((i = 1; i + 1 < ${#WORDS[@]}; i++)); do
		[ "${WORDS[i]}" != "-$1" ] || printf '%s\n' "${WORDS[i + 1]}"
	done
}

# seen_by_pve VMID: the process is QEMU, and the VM's, by PVE's own test of its command line, which WORDS has then. Nothing else
# does `qm stop` go by, see tests/pve/Pve/Qemu.pm.
seen_by_pve() {
	local pid

	pid=$(< "/run/qemu-server/$1.pid")
	words "$GIVEN/$1"
	equal "$(option id)" "$1"
	words "/proc/$pid/cmdline"
	equal "${WORDS[0]}" /usr/bin/kvm
	equal "$(option pidfile)" "/var/run/qemu-server/$1.pid"
	contains "$(readlink "/proc/$pid/exe")" /qemu-system-x86_64
}
