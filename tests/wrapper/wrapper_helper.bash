# SPDX-License-Identifier: AGPL-3.0-or-later
# The wrapper in front of a QEMU that tells what it was given.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

load_bats_helpers() {
	local BATS_TEST_DIRNAME=$BATS_TEST_DIRNAME/../bats

	load hook_helper
}
load_bats_helpers

WRAPPER=${WRAPPER:-$TOP/qemu-wrapper/qemu-wrapper}
WRAPPER_AT=${WRAPPER_AT:-$TOP/build/tests/wrapper/wrapper-at}
SMBIOS=6f2a1d0e-0000-4000-8000-00000000cafe

# wrapper_here: the package pve-vgpu-qemu-wrapper is installed on this node
wrapper_here() {
	mkdir -p "$ROOT/usr/bin" "$ROOT/usr/lib/pve-vgpu"
	cp "$WRAPPER_AT" "$ROOT/usr/lib/pve-vgpu/qemu-wrapper"
	ln -sfn ../lib/pve-vgpu/qemu-wrapper "$ROOT/usr/bin/kvm"
	cat > "$ROOT/usr/bin/qemu-system-x86_64" <<- 'END'
		#!/bin/sh
		for word; do printf '%s\n' "$word"; done
		exit "${QEMU_ENDS:-0}"
	END
	chmod +x "$ROOT/usr/bin/qemu-system-x86_64"
	ln -sfn qemu-system-x86_64 "$ROOT/usr/bin/kvm.distrib"
}

# kvm WORD…: as PVE runs it
kvm() {
	"$ROOT/usr/bin/kvm" "$ROOT" "$ROOT/usr/bin/kvm.distrib" /usr/bin/kvm "$@"
}

# line VMID [WORD…]: a command line of qemu-server's in LINE, with these words as the config's args
line() {
	LINE=(-id "$1" -name "vm$1" -pidfile "/var/run/qemu-server/$1.pid" -daemonize
		-smbios "type=1,uuid=$SMBIOS" -vnc "unix:/var/run/qemu-server/$1.vnc,password=on" -cpu host
		-device 'usb-tablet,id=tablet' -device 'VGA,id=vga,bus=pci.0,addr=0x2' -machine type=pc+pve0 "${@:2}")
}

# values NAME: of that option in the output
values() {
	awk -v o="-$1" 'found { print; found = 0 } $0 == o { found = 1 }' <<< "$output"
}

# unchanged: QEMU was run with LINE as it is
unchanged() {
	assert_success
	assert_equal "$output" "$(printf '%s\n' "${LINE[@]}")"
}

# refused TEXT…: the VM does not start, and this is why
refused() {
	local text

	assert_failure 1
	refute_output -pidfile
	for text; do
		assert_output "$text"
	done
}

# wanted VMID [LINE…]: an intent for the wrapper's mode
wanted() {
	printf '%s\n' "[vm $1]" 'hostpci0 = A40-24A' 'mode = wrapper' "${@:2}" >> "$ROOT/etc/pve/pve-vgpu.conf"
	vm "$1" "smbios1: uuid=$SMBIOS"
}
