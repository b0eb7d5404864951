#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# The command line itself: help, options, wrong usage, where output goes.

load helper

setup() {
	MOUNTED='' PIDS='' SYS=''
	ROOT=$BATS_TEST_TMPDIR/root
	mkdir -p "$ROOT/etc/pve/qemu-server"
}

teardown() {
	node_teardown
}

@test "help: names every command, and every command has help of its own" {
	local c

	run -0 "$PVE_VGPU" --help
	for c in doctor types list plan create remove gc hook version; do
		assert_output "  $c"
		"$PVE_VGPU" $c --help | grep -q "^usage: pve-vgpu $c"
	done
	assert_output 'exit status: 0 done, 1 failed, 2 wrong usage'
}

@test "version: as an option and as a command" {
	run -0 "$PVE_VGPU" --version
	assert_equal "$output" "$("$PVE_VGPU" version)"
	[[ $output =~ ^pve-vgpu\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "usage: no command, and one that is not known, with the one that was meant" {
	run -2 "$PVE_VGPU"
	assert_output 'pve-vgpu: command missing'
	assert_output 'try: pve-vgpu --help'
	run -2 "$PVE_VGPU" typse
	assert_output "'typse' is no command"
	assert_output 'did you mean types?'
	run -2 "$PVE_VGPU" frobnicate
	refute_output 'did you mean'
	run -2 "$PVE_VGPU" ''
	assert_output "'' is no command"
}

@test "usage: an option that is not known, with the one that was meant" {
	run -2 pve_vgpu types --jsno
	assert_output "option '--jsno' is not known here"
	assert_output 'did you mean --json?'
	assert_output 'usage: pve-vgpu types [--json]'
	run -2 pve_vgpu create --gpo 0000:e8:00.0 A40-24A
	assert_output 'did you mean --gpu?'
	run -2 pve_vgpu list -xy
	assert_output "option '-x' is not known here"
	run -2 "$PVE_VGPU" --rot / types
	assert_output 'did you mean --root?'
	run -2 "$PVE_VGPU" types --root "$ROOT"
	assert_output '--root stands before the command'
}

@test "usage: values that are missing or too many" {
	run -2 pve_vgpu create A40-24A --gpu
	assert_output "option '--gpu' needs a value"
	run -2 pve_vgpu types --json=yes
	assert_output "option '--json=yes' takes no value"
	run -2 "$PVE_VGPU" --root
	assert_output "option '--root' needs a value"
	run -2 pve_vgpu create
	assert_output '<type> missing'
	run -2 pve_vgpu create A40-24A A40-8Q
	assert_output 'too many words: 2 where 1 are taken'
	run -2 pve_vgpu types all
	assert_output 'too many words'
	run -2 pve_vgpu plan
	assert_output '<vmid> missing'
	run -2 pve_vgpu plan 99
	assert_output "'99' is no vmid"
	run -2 pve_vgpu plan '1;rm'
	assert_output "'1;rm' is no vmid"
	run -2 pve_vgpu 100 prestart
	assert_output "'prestart' is no phase"
	run -2 pve_vgpu 100
	run -2 pve_vgpu remove e8
	assert_output "'e8' is neither a UUID nor a PCI address"
}

@test "usage: an option that a command does not have is refused wherever it stands" {
	run -2 pve_vgpu --json remove 0000:e8:00.4
	assert_output "option '--json' is not known here"
	run -2 pve_vgpu types --dry-run
	assert_output "option '--dry-run' is not known here"
	run -2 pve_vgpu --dry-run types
	assert_output "option '--dry-run' is not known here"
}

@test "options: before the command, before the word and behind it are the same" {
	a40
	assert_equal "$(pve_vgpu --json types)" "$(pve_vgpu types --json)"
	for words in '--gpu 0000:e8:00.0 A40-24A' 'A40-24A --gpu 0000:e8:00.0' '--gpu=0000:e8:00.0 -- A40-24A'; do
		# shellcheck disable=SC2086
		run -0 pve_vgpu create --dry-run $words
		assert_output 'would make A40-24A (nvidia-575) on 0000:e8:00.4'
	done
	run -0 pve_vgpu --dry-run create A40-24A
	assert_output 'would make'
	assert_equal "$(mdevs)" ''
	run -0 pve_vgpu -- types
	run -1 pve_vgpu create -- --help
	assert_output "'--help' is no vGPU type of this node"
}

@test "options: behind words they count with POSIXLY_CORRECT, too, and behind -- they do not" {
	a40
	vm 100
	intent 100 A40-24A
	for posix in '' yes; do
		run env ${posix:+POSIXLY_CORRECT=1} "$PVE_VGPU" --root "$ROOT" create A40-24A --dry-run
		assert_success
		run env ${posix:+POSIXLY_CORRECT=1} "$PVE_VGPU" --root "$ROOT" plan 100 --json
		assert_success
		run env ${posix:+POSIXLY_CORRECT=1} "$PVE_VGPU" --root "$ROOT" create --dry-run -- A40-24A
		assert_success
		run env ${posix:+POSIXLY_CORRECT=1} "$PVE_VGPU" --root "$ROOT" create -- A40-24A --dry-run
		assert_failure 2
	done
	assert_equal "$(mdevs)" ''
}

@test "root: a directory that is not there is named" {
	run -1 "$PVE_VGPU" --root "$ROOT/none" types
	assert_output "open root directory '$ROOT/none': No such file or directory"
	run -1 "$PVE_VGPU" --root /dev/null types
	assert_output 'Not a directory'
}

@test "output: a full disk is a failure, whatever was printed" {
	local words

	a40
	for words in --help --version version types 'types --json' 'types --help'; do
		run -1 bash -c "\"\$1\" --root \"\$2\" $words > /dev/full" - "$PVE_VGPU" "$ROOT"
		assert_output 'pve-vgpu: write to standard output: '
	done
}

@test "output: a closed stdout, stdin or stderr does not let a file take its place" {
	a40
	run -0 bash -c '"$1" --root "$2" types >&-' - "$PVE_VGPU" "$ROOT"
	run -0 bash -c '"$1" --root "$2" types <&- >&- 2>&-' - "$PVE_VGPU" "$ROOT"
	run -0 bash -c '"$1" --root "$2" create A40-24A <&- >&- 2>&-' - "$PVE_VGPU" "$ROOT"
	assert_equal "$(mdevs | wc -l)" 1
	jq -e . "$ROOT"/run/pve-vgpu/standalone/*.json "$ROOT/var/lib/pve-vgpu/types.json" > /dev/null
	assert_equal "$(cat "$ROOT"/run/pve-vgpu/locks/node | wc -l)" 1
	run -1 bash -c '"$1" --root "$2" create nope 2>&-' - "$PVE_VGPU" "$ROOT"
	assert_equal "$output" ''
}

@test "process: files are readable by all whatever the umask, and not writable" {
	a40
	(umask 077; pve_vgpu create A40-24A)
	assert_equal "$(stat -c %a "$ROOT/var/lib/pve-vgpu/types.json" "$ROOT"/run/pve-vgpu/standalone/*.json | sort -u)" 644
	assert_equal "$(stat -c %a "$ROOT/var/lib/pve-vgpu" "$ROOT/run/pve-vgpu/standalone" | sort -u)" 755
	rm -rf "$ROOT/var/lib/pve-vgpu"
	(umask 000; pve_vgpu types > /dev/null)
	assert_equal "$(stat -c %a "$ROOT/var/lib/pve-vgpu/types.json")" 644
}

@test "process: waits end although the parent has SIGALRM blocked and ignored" {
	local id

	a40
	printf '[defaults]\nlock-wait = 1\n' > "$ROOT/etc/pve/pve-vgpu.conf"
	pve_vgpu types > /dev/null
	id=$(pve_vgpu create A40-24A --json | jq -r .uuid)
	# Held, and no process shows it: the driver blocks the removal until the timer fires.
	echo "$id yes" > "$SYS/.sim/open"
	run -1 timeout 20 python3 -c '
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
signal.signal(signal.SIGALRM, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$PVE_VGPU" --root "$ROOT" remove "$id"
	assert_output 'Connection timed out'
}
