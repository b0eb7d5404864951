#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# next-hook: the hookscript that a VM had before ours is still called, as PVE
# would call it.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034,SC2030,SC2031

load hook_helper

# chained [LINE…]: a node, and vm 100 with an intent and local:snippets/own.sh behind our hook
chained() {
	node a40x8-mdev
	LOG=$BATS_TEST_TMPDIR/log
	: > "$LOG"
	settings '[defaults]' 'cleanup-wait = 0' 'lock-wait = 1' '[vm 100]' 'hostpci0 = A40-24A' \
		'next-hook = local:snippets/own.sh' "$@"
	with_args 100 'hookscript: local:snippets/pve-vgpu'
	script own.sh "echo \"\$1 \$2 \$(ls '$SYS/bus/mdev/devices' | wc -l)\" >> '$LOG'"
}

# script NAME COMMAND…: an executable snippet of `local`
script() {
	local dir=$ROOT/var/lib/vz/snippets

	mkdir -p "$dir"
	printf '%s\n' '#!/bin/bash' "${@:2}" > "$dir/$1"
	chmod +x "$dir/$1"
}

# called: what it has written, in one line
called() {
	paste -sd, "$LOG"
}

@test "order: after ours on the way up, before ours on the way down" {
	chained
	run hook 100 pre-start
	assert_success
	qemu 100 "$(uuid 100)"
	run hook 100 post-start
	assert_success
	assert_equal "$output" ""
	run hook 100 pre-stop
	assert_success
	qemu_gone 100
	run hook 100 post-stop
	assert_success
	assert_equal "$output" ""
	# the number of vGPUs that it has seen
	assert_equal "$(called)" '100 pre-start 1,100 post-start 1,100 pre-stop 1,100 post-stop 1'
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "order: post-start has seen the VM's QEMU before it, and post-stop still has the record" {
	chained
	script own.sh "jq -r .phase '$ROOT/run/pve-vgpu/100.json' >> '$LOG'"
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	qemu_gone 100
	hook 100 post-stop
	assert_equal "$(called)" created,running,running
}

@test "environment: what PVE gave us, with PVE_MIGRATED_FROM, empty or not set as it was" {
	chained
	script own.sh "echo \"\${PVE_MIGRATED_FROM-unset} \$SOME_THING \$(umask)\" >> '$LOG'"
	mkdir -p "$ROOT/etc/pve/nodes/other/qemu-server"
	cp "$ROOT/etc/pve/qemu-server/100.conf" "$ROOT/etc/pve/nodes/other/qemu-server/"
	(
		umask 027
		SOME_THING=kept PVE_MIGRATED_FROM=other hook 100 pre-start
		SOME_THING=kept PVE_MIGRATED_FROM='' hook 100 pre-start
		unset PVE_MIGRATED_FROM
		SOME_THING=kept hook 100 pre-start
	)
	assert_equal "$(called)" 'other kept 0027, kept 0027,unset kept 0027'
}

@test "environment: called by its own path, and a broken pipe ends it as it would any program" {
	chained
	script own.sh "echo \"\$0\" >> '$LOG'" "trap -p PIPE >> '$LOG'" 'yes | head -n 1 > /dev/null; echo "${PIPESTATUS[0]}" >> '"'$LOG'"
	run hook 100 pre-start
	assert_success
	assert_equal "$(called)" "$ROOT/var/lib/vz/snippets/own.sh,141"
}

@test "output: comes as it is said, behind ours, on the stream it was said on" {
	chained
	script own.sh 'echo to-out' 'echo to-err >&2'
	run --separate-stderr hook 100 pre-start
	assert_success
	assert_equal "$(tail -n 1 <<< "$output")" to-out
	assert_output 'pve-vgpu: vm 100: hostpci0: A40-24A'
	assert_equal "$stderr" to-err
}

@test "output: is there before the script has ended" {
	local fifo=$BATS_TEST_TMPDIR/fifo

	chained
	mkfifo "$fifo"
	script own.sh 'echo first' "read -r < '$fifo'" 'echo second'
	in_background 100 pre-start
	soon grep -q first "$OUT"
	run grep second "$OUT"
	assert_failure
	echo > "$fifo"
	finished
	assert_success
	assert_output second
}

@test "locks: none of ours is held while it runs" {
	chained
	# gc does not wait for a VM's lock, and says so where it is held
	script own.sh "'$PVE_VGPU' --root '$ROOT' gc >> '$LOG' 2>&1"
	hook 100 pre-start
	assert_contains "$(called)" 'start-grace is 300 s'
	[ "$(find "$ROOT/run/pve-vgpu/locks" -type f | wc -l)" -ge 3 ]
	for f in "$ROOT"/run/pve-vgpu/locks/*; do
		script own.sh "flock -n '$f' echo free >> '$LOG'"
		: > "$LOG"
		hook 100 pre-start
		assert_equal "$(called)" free
		: > "$LOG"
		hook 100 post-stop
		assert_equal "$(called)" free
	done
}

@test "failure in pre-start: ours is undone and the start refused" {
	chained
	script own.sh 'exit 7'
	run hook 100 pre-start
	assert_failure 1
	assert_output "pve-vgpu: vm 100: pre-start: next-hook 'local:snippets/own.sh': it ended with exit status 7"
	assert_equal "$(mdevs)" ""
	assert_no_state 100
	script own.sh 'kill -9 $$'
	run hook 100 pre-start
	assert_failure 1
	assert_output "script '/var/lib/vz/snippets/own.sh' was ended by signal 9"
	assert_equal "$(mdevs)" ""
}

@test "failure in pre-start: the same on vendor VFIO, with the reservation" {
	node a40x8-vfio
	settings '[vm 100]' 'hostpci0 = A40-24A' 'next-hook = local:snippets/own.sh'
	at 100 $VF1
	script own.sh 'exit 1'
	run hook 100 pre-start
	assert_failure 1
	assert_equal "$(vendor_vgpus)" ""
	assert_equal "$(reservations)" ""
	assert_no_state 100
}

@test "failure in pre-start: what a running VM has stays, where it was called by hand" {
	chained
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	hook 100 post-start
	script own.sh 'exit 1'
	run hook 100 pre-start
	assert_failure 1
	assert_equal "$(mdevs)" "$(uuid 100)"
	assert_equal "$(state 100 .phase)" running
}

@test "failure elsewhere: it is said, and ours is done all the same" {
	chained
	hook 100 pre-start
	qemu 100 "$(uuid 100)"
	script own.sh 'exit 3'
	for phase in post-start pre-stop post-stop; do
		[ $phase != post-stop ] || qemu_gone 100
		run hook 100 $phase
		assert_failure 1
		assert_output "vm 100: $phase: next-hook 'local:snippets/own.sh': it ended with exit status 3"
		[ $phase != post-start ] || assert_equal "$(state 100 .phase)" running
	done
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "failure of both: both are said, and it was called although ours had failed" {
	chained
	hook 100 pre-start
	qemu 100
	script own.sh "echo \$2 >> '$LOG'" 'exit 3'
	run hook 100 post-start
	assert_failure 1
	assert_output 'does not hold the VM'
	assert_output "pve-vgpu: vm 100 post-start: next-hook 'local:snippets/own.sh': it ended with exit status 3"
	assert_contains "$(called)" post-start
}

@test "ours fails in pre-start: it is not called" {
	chained 'hostpci1 = no-such-type'
	run hook 100 pre-start
	assert_failure 1
	assert_equal "$(called)" ''
}

@test "missing, not executable, a directory: the start is refused, elsewhere it is said" {
	local own

	chained
	own=$ROOT/var/lib/vz/snippets/own.sh
	chmod -x "$own"
	run hook 100 pre-start
	assert_failure 1
	assert_output "next-hook 'local:snippets/own.sh': script '/var/lib/vz/snippets/own.sh' is not executable"
	assert_output "hint: chmod +x '/var/lib/vz/snippets/own.sh'"
	rm "$own"
	run hook 100 pre-start
	assert_failure 1
	assert_output "next-hook 'local:snippets/own.sh': script '/var/lib/vz/snippets/own.sh': No such file or directory"
	mkdir "$own"
	run hook 100 pre-start
	assert_failure 1
	assert_output 'is no file'
	assert_equal "$(mdevs)" ""
	run hook 100 post-stop
	assert_failure 1
	assert_output 'vm 100: post-stop: next-hook'
}

@test "a script without a first line that names its program runs, as it does with PVE" {
	chained
	echo "echo plain >> '$LOG'" > "$ROOT/var/lib/vz/snippets/own.sh"
	run hook 100 pre-start
	assert_success
	assert_equal "$(called)" plain
	printf '#!/no/such/program\n' > "$ROOT/var/lib/vz/snippets/own.sh"
	run hook 100 pre-start
	assert_failure 1
	assert_output "run '/var/lib/vz/snippets/own.sh': No such file or directory"
}

@test "storage: the directory that storage.cfg says, and pvesm where it does not say one" {
	chained
	mkdir -p "$ROOT/mnt/dir/snippets" "$ROOT/mnt/plugin" "$ROOT/usr/sbin"
	printf 'dir: other\n\tpath /mnt/dir\n\tcontent snippets\n\nodd: plugin\n\tserver x\n' > "$ROOT/etc/pve/storage.cfg"
	mv "$ROOT/var/lib/vz/snippets/own.sh" "$ROOT/mnt/dir/snippets/"
	sed -i 's/local:snippets/other:snippets/' "$ROOT/etc/pve/pve-vgpu.conf"
	run hook 100 pre-start
	assert_success
	assert_equal "$(called)" '100 pre-start 1'
	mv "$ROOT/mnt/dir/snippets/own.sh" "$ROOT/mnt/plugin/"
	sed -i 's/other:snippets/plugin:snippets/' "$ROOT/etc/pve/pve-vgpu.conf"
	run hook 100 pre-start
	assert_failure 1
	assert_output "next-hook 'plugin:snippets/own.sh': 'plugin:snippets/own.sh': storage 'plugin' has no directory"
	printf '#!/bin/sh\necho "pvesm $*" >> "%s"\necho /mnt/plugin/own.sh\n' "$LOG" > "$ROOT/usr/sbin/pvesm"
	chmod +x "$ROOT/usr/sbin/pvesm"
	run hook 100 pre-start
	assert_success
	assert_equal "$(called)" '100 pre-start 1,pvesm path plugin:snippets/own.sh,100 pre-start 1'
}

@test "storage: what is no snippet is refused, as with PVE" {
	chained
	sed -i 's/local:snippets/local:iso/' "$ROOT/etc/pve/pve-vgpu.conf"
	run hook 100 pre-start
	assert_failure 1
	assert_output "'local:iso/own.sh' is no snippet"
	assert_equal "$(mdevs)" ""
}

@test "itself: by the VM's hookscript, by the program, and by a script that calls us" {
	chained
	sed -i 's|snippets/own.sh|snippets/pve-vgpu|' "$ROOT/etc/pve/pve-vgpu.conf"
	script pve-vgpu "exec '$PVE_VGPU' --root '$ROOT' \"\$@\""
	run hook 100 pre-start
	assert_failure 1
	assert_output "next-hook 'local:snippets/pve-vgpu': it is this very hookscript, which would call itself"
	assert_output 'hint: take next-hook out of [vm 100] in /etc/pve/pve-vgpu.conf'
	# a link to the program under another name
	mkdir -p "$ROOT/usr/bin"
	cp "$PVE_VGPU" "$ROOT/usr/bin/pve-vgpu"
	ln -s /usr/bin/pve-vgpu "$ROOT/var/lib/vz/snippets/link"
	sed -i 's|snippets/pve-vgpu|snippets/link|' "$ROOT/etc/pve/pve-vgpu.conf"
	run hook 100 pre-start
	assert_failure 1
	assert_output 'which would call itself'
	# a script around it
	sed -i 's|snippets/link|snippets/around|' "$ROOT/etc/pve/pve-vgpu.conf"
	script around "echo around >> '$LOG'" "exec '$PVE_VGPU' --root '$ROOT' \"\$@\""
	run hook 100 pre-start
	assert_failure 1
	assert_output 'which would call itself'
	assert_output 'it ended with exit status 1'
	assert_equal "$(called)" around
	assert_equal "$(mdevs)" ""
}

@test "without an intent, and for a template, it is called and nothing else is done" {
	chained
	settings '[vm 100]' 'next-hook = local:snippets/own.sh'
	for line in '' 'template: 1'; do
		: > "$LOG"
		vm 100 'hookscript: local:snippets/pve-vgpu' ${line:+"$line"}
		for phase in pre-start post-start pre-stop post-stop; do
			run hook 100 $phase
			assert_success
			assert_equal "$output" ""
		done
		assert_equal "$(called)" '100 pre-start 0,100 post-start 0,100 pre-stop 0,100 post-stop 0'
	done
}

@test "identity: that of another VM is not called" {
	chained 'identity = ctime:1'
	with_args 100 'meta: ctime=2' 'hookscript: local:snippets/pve-vgpu'
	run hook 100 pre-start
	assert_failure 1
	run hook 100 pre-stop
	assert_success
	assert_output "next-hook 'local:snippets/own.sh' is not called: [vm 100] is for another VM (ctime:1)"
	assert_equal "$(called)" ''
}

@test "post-stop without a config of the VM's, as after a failed migration, calls it" {
	chained 'identity = ctime:1'
	with_args 100 'meta: ctime=1'
	hook 100 pre-start
	rm "$ROOT/etc/pve/qemu-server/100.conf"
	run hook 100 post-stop
	assert_success
	assert_equal "$(called)" '100 pre-start 1,100 post-stop 1'
	assert_equal "$(mdevs)" ""
}

@test "killed: who kills the hookscript kills it, too" {
	chained
	script own.sh "echo \$\$ > '$LOG'" "exec sleep 1000"
	in_background 100 pre-start
	soon test -s "$LOG"
	own=$(cat "$LOG")
	soon grep -q sleep "/proc/$own/comm"
	kill -9 "$PID"
	wait "$PID" || true
	soon test ! -e "/proc/$own/comm"
}

@test "dry run: says that it would be called, and does not" {
	chained
	run hook 100 pre-start --dry-run
	assert_success
	assert_output "vm 100: would call next-hook 'local:snippets/own.sh'"
	run hook 100 post-stop --dry-run
	assert_success
	assert_output "vm 100: would call next-hook 'local:snippets/own.sh'"
	assert_equal "$(called)" ''
}
