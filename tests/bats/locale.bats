#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# What programs and scripts print, write and answer is the same in every language of the admin's.

# shellcheck disable=SC2154	# bats sets it

LOCALES=(C de_DE.UTF-8 zh_CN.UTF-8)

load_helpers() {
	local BATS_TEST_DIRNAME=$BATS_TEST_DIRNAME/../pve

	load set_helper
}
load_helpers
load locales

setup_file() {
	local name dir=$BATS_FILE_TMPDIR

	for name in "${LOCALES[@]:1}"; do
		make_locale "$dir/locale" "$name"
	done
	# Debian 11 has its C.UTF-8 there.
	export LOCPATH=$dir/locale:/usr/lib/locale
	# A program that asks for the language, and one comma of which it can be seen.
	cat > "$dir/speaks.c" <<- 'END'
		#include <locale.h>
		#include <stdio.h>
		int main(void)
		{
			if (!setlocale(LC_ALL, ""))
				return 1;
			return printf("%.1f\n", 1.5) < 0;
		}
	END
	export SPEAKS=$dir/speaks
	${CC:-cc} -o "$SPEAKS" "$dir/speaks.c"
}

setup() {
	MOUNTED='' PIDS='' ROOT='' WRAPPER=${WRAPPER:-$TOP/qemu-wrapper/qemu-wrapper} REWRITE=${REWRITE:-$TOP/build/tests/wrapper/rewrite-file}
	PATH=$(dirname "$PVE_VGPU"):$PATH
	ADMIN=''
}

# the_same: without what is of that moment: times, and numbers of processes
the_same() {
	LC_ALL=C sed -E 's/("[a-z_]*_ms": ?)[0-9]+/\1N/; s/, pid [0-9]+/, pid N/; s/began [0-9]+ s ago/began N s ago/
		s/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]*Z?/TIME/' "$@"
}

# said NAME COMMAND…: what it prints on both, and its exit status. The admin's language is that of the command, not of the test.
said() {
	echo "== $1"
	shift
	env LC_ALL="$ADMIN" LANGUAGE="${ADMIN%%.*}" "$@" 2>&1 3>&- | the_same
	echo "== status ${PIPESTATUS[0]}"
}

# p WORD…: pve-vgpu on the node
p() { said "$*" "$PVE_VGPU" --root "$ROOT" "$@"; }

# files: what pve-vgpu has written
files() {
	find "$ROOT" \( -path "$SYS" -o -path "$ROOT/.pve" -o -path "$ROOT/etc/pve/.sim" \) -prune -o -type f -print0 |
		LC_ALL=C sort -z | xargs -0 head -v -c -0 | the_same
}

# alike STORY N: it has the same to say in each language, N times or more. It makes its node itself, at the same place each time.
alike() {
	local name first=$BATS_TEST_TMPDIR/said.C

	for name in "${LOCALES[@]}"; do
		ADMIN=$name
		"$1" > "$BATS_TEST_TMPDIR/said.$name" || { echo "$1 in $name"; cat "$BATS_TEST_TMPDIR/said.$name"; return 1; }
		node_teardown
		MOUNTED='' PIDS=''
		rm -rf --one-file-system "${ROOT:-$BATS_TEST_TMPDIR/root}" "$BATS_TEST_TMPDIR/pve-here"
		ROOT=''
		diff "$first" "$BATS_TEST_TMPDIR/said.$name" || { echo "$1: $name is not as C"; return 1; }
	done
	# Something has been said, and what was meant to be.
	[ "$(grep -c '^== status' "$first")" -ge "$2" ]
	cat "$first"
}

teardown() { node_teardown; }

@test "the languages are really there: a program that asks for them writes commas, and ls has their words" {
	local name words=''

	assert_equal "$(LC_ALL=C "$SPEAKS")" 1.5
	assert_equal "$(LC_ALL=de_DE.UTF-8 "$SPEAKS")" 1,5
	assert_equal "$(LC_ALL=zh_CN.UTF-8 "$SPEAKS")" 1.5
	for name in "${LOCALES[@]}"; do
		words+=$(LC_ALL=$name locale mon | head -c 8)$'\n'
	done
	assert_equal "$(sort -u <<< "$words" | sed '/^$/d' | wc -l)" 3
	# Order is another, too.
	assert_equal "$(printf '%s\n' a B | LC_ALL=C sort | head -1)" B
	assert_equal "$(printf '%s\n' a B | LC_ALL=de_DE.UTF-8 sort | head -1)" a
}

@test "no program asks for the language, so that the C library has nothing to translate" {
	local program

	for program in "$PVE_VGPU" "$WRAPPER"; do
		[ -x "$program" ]
		run -0 objdump -T "$program"
		assert_output ' strerror'
		refute_output setlocale
		refute_output newlocale
		refute_output uselocale
	done
	# That would show where one is.
	run -0 objdump -T "$SPEAKS"
	assert_output setlocale
}

looking() {
	node a40x8-mdev
	vm 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	echo 'name: zwölf-größe-虚拟机' > "$ROOT/etc/pve/qemu-server/101.conf"
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'hostpci0 = a40-48a, ı40'
	said help "$PVE_VGPU" --help
	p version
	p tpyes
	p types --nonsense
	p types
	p types --json
	# A terminal has a table with GiB in it.
	said table script -qec "$(printf '%q ' "$PVE_VGPU" --root "$ROOT" types)" /dev/null
	p plan 100
	p plan 101
	p plan --fit
	p plan --fit --json
	p doctor
	p doctor --json
	p show
	p show --json
	p show 101
	p sriov status
	p sriov status --json
	p scheduler
	p mapping
	p list --json
	p create A40-24ä
	p create 3,5
	p plan 1,5
	files
}

@test "help, types, plan, doctor, show, and what is wrong, are said in the same words, JSON and text" {
	run alike looking 24
	assert_success
	assert_output '"A40-24A"'
	assert_output 'did you mean types?'
}

# The C library would have words for ENOSPC, EIO and EACCES in the admin's language.
living() {
	node a40x8-mdev
	vm 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	vm 101 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 101)"
	settings '[defaults]' 'cleanup-wait = 0' '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'hostpci0 = A40-24A' 'gpu = 0000:67:00.0'
	p 100 pre-start
	p list
	p list --json
	p types
	files
	fault write '*/create' EIO
	p 101 pre-start
	fault clear
	p 100 post-start
	p 100 pre-stop
	p 100 post-stop
	p 101 starting
	p create A40-24A --uuid 6F1C2A52-5D35-4C3E-9D8E-3A8C2F0F7C11
	p remove 6f1c2a52-5d35-4c3e-9d8e-3a8c2f0f7c11
	p gc
	settings '[vm 100]' 'hostpci0 = A40-24A' 'x-vga = vielleicht' '[defaults]' 'cleanup-wait = 1,5'
	p 100 pre-start
	rm "$ROOT/etc/pve/pve-vgpu.conf"
	mkdir "$ROOT/etc/pve/pve-vgpu.conf"
	p 100 pre-start
	files
}

@test "hook: a VM's life, a driver that refuses, settings that are none: the same words, files and status" {
	run alike living 15
	assert_success
	assert_output 'Input/output error'
	assert_output 'Is a directory'
}

vendor() {
	node a40x8-vfio
	vm 100 "hostpci0: $VF1,mdev=nvidia-575"
	settings '[vm 100]' 'hostpci0 = A40-24A'
	p types
	p 100 pre-start
	p list
	p types --json
	p 100 post-stop
	files
}

@test "the hook on vendor VFIO is alike, too" {
	run alike vendor 5
	assert_success
}

admins_way() {
	set_node mdev
	pve_vm 100 'description: Grafik für Größe 24, 虚拟机'
	p set 100 A40-24A --dry-run
	p set 100 A40-24A
	p show 100
	p reconcile --dry-run
	p unset 100
	p set 100 A40-24Ä
	conf 100
	section
	p snippet install
	p snippet remove
	p guest 100
}

@test "set, unset, reconcile and snippet, with PVE's programs: the same calls and configs" {
	run alike admins_way 8
	assert_success
	# As PVE writes a description.
	assert_output '#Grafik f%C3%BCr Gr%C3%B6%C3%9Fe 24, %E8%99%9A'
}

completing() {
	node a40x8-mdev
	echo 'name: zwölf-größe' > "$ROOT/etc/pve/qemu-server/100.conf"
	echo 'name: 虚拟机' > "$ROOT/etc/pve/qemu-server/101.conf"
	intent 100 A40-24A
	said commands "$TOP/completions/complete" pve-vgpu ''
	said options "$TOP/completions/complete" pve-vgpu types --
	said vms "$TOP/completions/complete" pve-vgpu --root "$ROOT" plan ''
	said types "$TOP/completions/complete" pve-vgpu --root "$ROOT" set 100 ''
	said gpus "$TOP/completions/complete" pve-vgpu --root "$ROOT" create --gpu ''
	said bash bash --norc -uc '. "$0"; COMP_LINE=$1 COMP_POINT=${#1}; _pve_vgpu; printf "%s\n" "${COMPREPLY[@]}"' \
		<(sed "s|/usr/share/pve-vgpu/|$TOP/completions/|" "$TOP/completions/pve-vgpu.bash") "pve-vgpu --root $ROOT plan "
}

@test "completion offers the same, in bytes" {
	run alike completing 6
	assert_success
	assert_output 'zwölf-größe'
	assert_output '虚拟机'
	assert_output A40-24A
}

wrapping() {
	local case

	for case in "$TOP"/tests/wrapper/golden/*.argv; do
		case=${case%.argv}
		mkdir -p "$BATS_TEST_TMPDIR/root/run/pve-vgpu"
		[ ! -e "$case.run" ] || cp "$case.run" "$BATS_TEST_TMPDIR/root/run/pve-vgpu/$(jq .vmid "$case.run").json"
		said "${case##*/}" "$REWRITE" "$BATS_TEST_TMPDIR/root" "$case.argv"
		rm -rf "$BATS_TEST_TMPDIR/root"
	done
}

@test "the wrapper makes the same command lines" {
	run alike wrapping 40
	assert_success
}

# The maintainer scripts with all their paths below ROOT; what they call of dpkg's and systemd's says how it was called.
packaging() {
	local script name phase

	ROOT=$BATS_TEST_TMPDIR/root
	mkdir -p "$ROOT"/{bin,usr/bin,usr/lib/pve-vgpu,etc/pve,etc/pve-vgpu,etc/modprobe.d,run/systemd/system,var/lib/pve-vgpu}
	touch "$ROOT/usr/lib/pve-vgpu/qemu-wrapper" "$ROOT/etc/modprobe.d/pve-vgpu.conf" "$ROOT/usr/bin/kvm"
	printf '%s\n' '[vm 100]' $'mode\t= wrapper' > "$ROOT/etc/pve/pve-vgpu.conf"
	for name in dpkg-divert deb-systemd-invoke pve-vgpu; do
		printf '#!/bin/sh\necho "%s $*" >&2\n' "$name" > "$ROOT/bin/$name"
	done
	printf '#!/bin/sh\necho "pve-vgpu-größe.service loaded active exited"\n' > "$ROOT/bin/systemctl"
	chmod +x "$ROOT"/bin/*
	for name in qemu-wrapper.{preinst,postinst,prerm,postrm} .{prerm,postrm}; do
		script=$TOP/debian/pve-vgpu-${name#.}
		[[ $name != .* ]] || script=$TOP/debian/pve-vgpu$name
		sed "s#/\(usr\|etc\|run\|var\)/#$ROOT&#g" "$script" > "$ROOT/bin/script"
		for phase in install configure remove upgrade purge; do
			said "${script##*/} $phase" env PATH="$ROOT/bin:$PATH" sh "$ROOT/bin/script" "$phase"
		done
	done
	(cd "$ROOT" && find . | LC_ALL=C sort)
}

@test "the maintainer scripts of the packages say and do the same" {
	run alike packaging 30
	assert_success
	assert_output "VMs with 'mode = wrapper'"
	assert_output 'deb-systemd-invoke stop pve-vgpu-größe.service'
}
