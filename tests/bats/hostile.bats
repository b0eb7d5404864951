#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# What the caller of a program, another user of the node, a driver and a config can do to it: nothing. docs/security.md has the table.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034,SC2030,SC2031

load hostile_helper

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS='' EVIL='' SHM=''
	evil_dir
}

teardown() {
	[ -z "$SHM" ] || rm -rf "$SHM"
	node_teardown
}

# --- surroundings -----------------------------------------------------------------------

# same NAME: all is as in plain surroundings
same() {
	plain_life
	life "$1"
	compare "$1" status texts called started ended
}

# same_done NAME: but for what was said where nobody could hear it
same_done() {
	plain_life
	life "$1"
	compare "$1" called started ended
}

@test "environment: nothing in it changes what is said or done" {
	same environment
}

@test "environment: so large that hardly anything more has room" {
	same huge-environment
}

@test "environment: PATH is '.', or not set" {
	for name in path-dot path-none; do
		same $name
		again
	done
}

@test "directory: the current one is gone" {
	same cwd-gone
}

@test "umask: nothing is writable for others, or unreadable for us" {
	for name in umask-0 umask-0777; do
		same $name
		[ -z "$(find "$ROOT/run" "$ROOT/var" "$ROOT/etc/pve-vgpu" -perm /022 ! -type l 2> /dev/null)" ]
		again
	done
}

@test "descriptors: 190 that the caller has left open change nothing" {
	same descriptors
}

@test "streams: without standard input all is the same" {
	same no-stdin
}

@test "streams: without standard error, or any, nothing goes into a file that was opened instead" {
	for name in no-stderr no-streams; do
		same_done $name
		again
	done
}

@test "limits: a low soft one is raised" {
	same size-soft
}

@test "signals: ignored or blocked by the caller" {
	for name in signals-ignored signals-blocked; do
		same $name
		again
	done
}

# refuses STATUS NAME TEXT WORD…: it fails so, says why, and changes nothing
refuses() {
	local before

	before=$(left; mdevs; pve_log; section)
	run "-$1" under "$2" "$PVE_VGPU" --root "$ROOT" "${@:4}"
	assert_output "$3"
	diff <(echo "$before") <(left; mdevs; pve_log; section)
}

@test "limits: where the hard one is too low it is said, and nothing is changed" {
	local words

	set_node mdev
	vm 100 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
	set_ok 100 A40-24A --mode args
	for words in types 'set 100 A40-24A' 'unset 100' '100 pre-start' '100 post-stop' gc doctor; do
		# The loader does not even find the libraries.
		# shellcheck disable=SC2086
		refuses 127 files-3 'error while loading shared libraries' $words
		# shellcheck disable=SC2086
		refuses 1 files-15 'pve-vgpu: too many open files: of the 15 descriptors that may be open at a time (RLIMIT_NOFILE) ' $words
		assert_output 'hint: allow more to who starts pve-vgpu: ulimit -n 1024, in a unit LimitNOFILE=1024'
		# shellcheck disable=SC2086
		refuses 1 size-0 'pve-vgpu: files of at most 0 bytes may be written (RLIMIT_FSIZE), where 1048576 are needed' $words
	done
	run hook 100 pre-start
	assert_success
}

@test "limits: as many descriptors as are asked for are enough, whatever way paths are resolved" {
	local by words limited='for fd in {3..15}; do eval "exec $fd>&-"; done; ulimit -n 16; exec "$@"'

	for by in 'strace -f -o /dev/null -e inject=openat2:error=ENOSYS' ''; do
		set_node mdev
		vm 100 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
		for words in types 'set 100 A40-24A --mode args' '100 pre-start' list '100 post-stop' gc 'unset 100'; do
			# shellcheck disable=SC2086
			ASAN_OPTIONS=detect_leaks=0 run $by bash -c "$limited" - "$PVE_VGPU" --root "$ROOT" $words
			assert_success
		done
		again
	done
}

@test "limits: a low soft one on open files is no failure" {
	set_node mdev
	vm 100 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
	# With less the loader has no descriptor for a library.
	for words in types 'set 100 A40-24A --mode args' '100 pre-start' '100 post-stop' 'gc' 'unset 100'; do
		# shellcheck disable=SC2086
		run under files-soft "$PVE_VGPU" --root "$ROOT" $words
		assert_success
	done
}

# fds_of FILE: what a program has found open but for its streams, and what it used to look
fds_of() {
	grep -vxE '[012]|255' "$1" || true
}

@test "descriptors: none of the caller's, and none of ours, goes to a program that is called" {
	local file

	set_node mdev
	vm 100 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe' 'hookscript: local:snippets/own.sh'
	# A shell's builtins look without a descriptor more.
	printf '#!/bin/bash\ncd /proc/self/fd; printf "%%s\\n" * > "%s"\n' "$BATS_TEST_TMPDIR/hook-fds" > "$ROOT/var/lib/vz/snippets/own.sh"
	chmod +x "$ROOT/var/lib/vz/snippets/own.sh"
	mv "$ROOT/usr/sbin/qm" "$ROOT/usr/sbin/qm-real"
	printf '#!/bin/bash\n(cd /proc/self/fd; printf "%%s\\n" * > "%s")\nexec "%s" "$@"\n' "$BATS_TEST_TMPDIR/tool-fds" "$ROOT/usr/sbin/qm-real" > "$ROOT/usr/sbin/qm"
	chmod +x "$ROOT/usr/sbin/qm"
	run under descriptors "$PVE_VGPU" --root "$ROOT" set 100 A40-24A --mode args
	assert_success
	run under descriptors "$PVE_VGPU" --root "$ROOT" 100 pre-start
	assert_success
	for file in hook-fds tool-fds; do
		[ -s "$BATS_TEST_TMPDIR/$file" ]
		# Bash has the script itself open at 255, and a glob the directory at the next one that is free.
		assert_equal "$(fds_of "$BATS_TEST_TMPDIR/$file" | wc -l)" 1
	done
	[ ! -s "$EVIL/mark" ]
}

@test "the next hookscript has mask and limits as the caller had them" {
	set_node mdev
	vm 100 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe' 'hookscript: local:snippets/own.sh'
	printf '#!/bin/bash\n{ umask; ulimit -Sn; ulimit -Sf; } > "%s"\n' "$BATS_TEST_TMPDIR/seen" > "$ROOT/var/lib/vz/snippets/own.sh"
	chmod +x "$ROOT/var/lib/vz/snippets/own.sh"
	set_ok 100 A40-24A --mode args
	run bash -c 'umask 027; ulimit -Sn 50; ulimit -Sf 500; exec "$@"' - "$PVE_VGPU" --root "$ROOT" 100 pre-start
	assert_success
	assert_equal "$(cat "$BATS_TEST_TMPDIR/seen")" $'0027\n50\n500'
}

# --- the wrapper ------------------------------------------------------------------------

# seen_under NAME PROGRAM…: what that program, in the end QEMU, finds in those surroundings
seen_under() {
	rm -f "$BATS_TEST_TMPDIR/seen"
	under "$1" "${@:2}" -id 100 -pidfile /var/run/qemu-server/100.pid < /dev/null > /dev/null 2>&1
	cat "$BATS_TEST_TMPDIR/seen"
}

@test "the wrapper: QEMU has descriptors, mask, signals and limits as qemu-server gave them, and none of ours" {
	local at=${WRAPPER_AT:-$TOP/build/tests/wrapper/wrapper-at} qemu=$BATS_TEST_TMPDIR/qemu name

	a40
	settings '[vm 100]' 'hostpci0 = A40-24A' 'mode = wrapper'
	vm 100 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
	mkdir -p "$ROOT/usr/bin" "$ROOT/usr/lib/pve-vgpu"
	touch "$ROOT/usr/lib/pve-vgpu/qemu-wrapper" "$ROOT/usr/bin/kvm.distrib"
	ln -s ../lib/pve-vgpu/qemu-wrapper "$ROOT/usr/bin/kvm"
	run hook 100 pre-start
	assert_success
	# In one line: what a shell opens for itself is the same both times.
	printf '%s\n' '#!/bin/bash' \
		"{ cd /proc/self/fd && echo *; grep -E '^(Umask|Sig(Blk|Ign)):' /proc/self/status; ulimit -Sn; ulimit -Sf; } > '$BATS_TEST_TMPDIR/seen'; printf '%s\n' \"\$*\" > '$BATS_TEST_TMPDIR/words'" > "$qemu"
	chmod +x "$qemu"
	for name in plain environment cwd-gone umask-0777 descriptors no-stdin no-streams signals-ignored signals-blocked; do
		assert_equal "$(seen_under $name "$at" "$ROOT" "$qemu" /usr/bin/kvm)" "$(seen_under $name "$qemu")"
		seen_under $name "$at" "$ROOT" "$qemu" /usr/bin/kvm > /dev/null
		grep -q "sysfsdev=/sys/bus/mdev/devices/$(uuid 100)" "$BATS_TEST_TMPDIR/words"
	done
	[ ! -s "$EVIL/mark" ]
}

# --- what a config says ------------------------------------------------------------------

# silent TEXT: nothing in it that a terminal would obey, nor a byte that is no UTF-8
silent() {
	iconv -f UTF-8 -t UTF-8 <<< "$1" > /dev/null || return 1
	! LC_ALL=C grep -n $'[\001-\010\013-\037\177]' <<< "$1"
}

@test "a VM's name, description, tags and lines are text: on a terminal, in JSON and in completions" {
	local escape=$'\033]0;x\007\033[2J\233' words

	set_node mdev
	vm 100 "description: $escape" "tags: $escape" "smbios1: uuid=$escape" "lock: $escape" "hostpci0: $escape" \
		"hookscript: local:snippets/$escape" "args: $escape" "cpu: $escape" "affinity: $escape" "meta: ctime=$escape" \
		"cicustom: user=local:snippets/a;reboot$escape"
	echo "name: $escape" >> "$(conf_file 100)"
	intent 100 A40-24A
	mkdir -p "$ROOT/usr/share/pve-vgpu"
	cp "$TOP/snippets/vgpu-guest.yaml.in" "$ROOT/usr/share/pve-vgpu/"
	for words in types list show 'show 100' 'show --json' 'plan 100' 'plan 100 --json' 'plan --fit' 'set 100 A40-24A' 'unset 100 --dry-run' 'gc --dry-run' \
		'doctor --json' doctor 'snippet status' 'guest 100' 'guest 100 --storage local' 'reconcile --dry-run' '100 pre-start' '100 post-stop'; do
		# shellcheck disable=SC2086
		run pve_vgpu $words
		silent "$output" || { echo "pve-vgpu $words"; false; }
	done
	run -0 pve_vgpu guest 100 --storage local
	# What is to be copied is one word for a shell, too.
	assert_output "--cicustom \$'user=local:snippets/a;reboot"
	PATH="$ROOT/usr/bin:$PATH" run "$TOP/completions/complete" pve-vgpu --root "$ROOT" show ''
	assert_output 100
	silent "$output"
}

@test "a driver's names are text, and no words of a shell's on a command line that is completed" {
	local words

	a40 '"types": [ {"id": 1, "name": "NVIDIA A40-24A", "framebuffer_mib": 24576, "max_instance": 2},
		{"id": 2, "name": "\u001b[2J\u009bA40-8Q\n[vm 200]", "framebuffer_mib": 8192, "max_instance": 2},
		{"id": 3, "name": "A40-4Q;reboot", "framebuffer_mib": 4096, "max_instance": 2},
		{"id": 4, "name": "A40-$(reboot)-2Q", "framebuffer_mib": 2048, "max_instance": 2} ]'
	vm 100
	for words in types 'types --json' list 'plan --fit' 'create 2' list 'list --json' 'doctor --json' doctor 'gc'; do
		# shellcheck disable=SC2086
		run pve_vgpu $words
		silent "$output" || { echo "pve-vgpu $words"; false; }
	done
	jq -e . "$ROOT/var/lib/pve-vgpu/types.json" "$ROOT"/run/pve-vgpu/standalone/*.json > /dev/null
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s "$PVE_VGPU" "$BATS_TEST_TMPDIR/bin/pve-vgpu"
	PATH="$BATS_TEST_TMPDIR/bin:$PATH" run "$TOP/completions/complete" pve-vgpu --root "$ROOT" create ''
	silent "$output"
	assert_equal "$(cut -f1 <<< "$output")" A40-24A
}

@test "a value with a line break brings no line of its own into the settings" {
	local option before

	set_node mdev
	vm 100 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
	set_ok 100 A40-24A --mode args
	before=$(section)
	for option in --gpu --placement --params --mode --display --index; do
		run pve_vgpu set 100 A40-24A "$option" $'frame_rate_limiter=0\n[vm 200]\nhostpci0 = A40-48A'
		[ "$status" -ne 0 ] || { echo "$option"; false; }
		silent "$output"
	done
	run pve_vgpu set 100 $'A40-24A\n[vm 200]\nhostpci0 = A40-48A'
	[ "$status" -ne 0 ]
	assert_equal "$(section)" "$before"
	# What the VM's config has for us to keep is one line whatever is in it.
	printf 'hookscript: local:snippets/x\r[vm 200]\r\n' >> "$(conf_file 100)"
	run pve_vgpu set 100 A40-24A --mode args
	run -1 grep -q '^\[vm 200\]' "$ROOT/etc/pve/pve-vgpu.conf"
}

@test "a word that begins with '-' is no option of a program that is called" {
	local before

	set_node mdev
	vm 100 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
	pve_vgpu types > /dev/null
	before=$(left; section; conf 100)
	for words in 'set 100 -- --delete' 'set -- -1 A40-24A' 'set 100 A40-24A --gpu=--delete' 'set 100 A40-24A --params=--delete' \
		'snippet install --storage=--content' 'guest 100 --storage=--content' 'create -- --uuid' 'remove -- --force' 'sriov enable -- --all'; do
		# shellcheck disable=SC2086
		run pve_vgpu $words
		[ "$status" -ne 0 ] || { echo "pve-vgpu $words"; false; }
	done
	assert_equal "$(left; section; conf 100)" "$before"
	settings '[vm 100]' 'hostpci0 = A40-24A' 'next-hook = --target:snippets/x'
	run pve_vgpu 100 pre-start
	assert_failure 1
	assert_output "'--target:snippets/x' is no volume"
	settings ''
	echo 'hookscript: --target:snippets/x' >> "$(conf_file 100)"
	mv "$ROOT/usr/sbin/pvesm" "$ROOT/usr/sbin/pvesm.real"
	printf '#!/bin/sh\necho "$*" >> "%s/mark"\n' "$EVIL" > "$ROOT/usr/sbin/pvesm"
	chmod +x "$ROOT/usr/sbin/pvesm"
	run pve_vgpu set 100 A40-24A --mode args
	assert_failure 1
	assert_output "'--target:snippets/x' is no snippet"
	assert_equal "$(cat "$EVIL/mark")" ''
	assert_equal "$(pve_log)" ''
}

@test "a name of a node, a storage or a volume leads to no other directory" {
	set_node mdev
	vm 100
	intent 100 A40-24A
	PVE_MIGRATED_FROM=../../../evil run pve_vgpu 100 pre-start
	assert_failure 1
	assert_output "VM 100 migrates from '../../../evil', which is no node name"
	run pve_vgpu guest 100 --storage ../../etc
	assert_failure 1
	settings '[vm 100]' 'hostpci0 = A40-24A' 'next-hook = local:snippets/../../../../etc/evil'
	run pve_vgpu 100 pre-start
	assert_failure 1
	assert_output next-hook
	assert_equal "$(mdevs)" ''
	run pve_vgpu 100/../101 pre-start
	assert_failure 2
}

# --- what another user of the node can put in the way -------------------------------------

# other PATH…: made by another user
other() {
	chown -h "$USER_ID:$USER_ID" "$@"
}

@test "another user's link on the way to our files: nothing is written or read through it" {
	local target name words

	a40
	target=$ROOT/target
	mkdir "$target"
	for name in var/lib/pve-vgpu run/pve-vgpu; do
		rm -rf "$ROOT"/{var/lib,run}/pve-vgpu
		ln -s /target "$ROOT/$name"
		other "$ROOT/$name"
		for words in '100 pre-start' types 'create A40-24A' gc; do
			vm 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
			settings '[vm 100]' 'hostpci0 = A40-24A'
			# shellcheck disable=SC2086
			run pve_vgpu $words
			assert_equal "$(ls -A "$target")" ''
		done
	done
	assert_output 'a symbolic link that neither root nor the caller has made'
	# The same as root's, which an admin may have made
	rm "$ROOT/run/pve-vgpu"
	ln -s /target "$ROOT/run/pve-vgpu"
	run -0 pve_vgpu create A40-24A
	[ -e "$target/standalone" ]
}

@test "another user's directory or FIFO for PVE's locks: gc takes nothing and does not wait" {
	a40
	vm 100
	with_args 100
	intent 100 A40-24A
	settings '[defaults]' 'start-grace = 0' '[vm 100]' 'hostpci0 = A40-24A'
	run hook 100 pre-start
	assert_success
	mkfifo "$ROOT/run/lock/qemu-server/lock-100.conf"
	run timeout 20 "$PVE_VGPU" --root "$ROOT" gc
	assert_output 'kept: the lock of its config is not root'
	rm "$ROOT/run/lock/qemu-server/lock-100.conf"
	other "$ROOT/run/lock/qemu-server"
	run pve_vgpu gc
	assert_output "kept: the lock of its config is not root's: ls -la /var/lock/qemu-server"
	rmdir "$ROOT/run/lock/qemu-server"
	mkdir "$BATS_TEST_TMPDIR/elsewhere"
	ln -s "$BATS_TEST_TMPDIR/elsewhere" "$ROOT/run/lock/qemu-server"
	other "$ROOT/run/lock/qemu-server"
	run pve_vgpu gc
	assert_output 'kept: the lock of its config is not root'
	assert_equal "$(mdevs)" "$(uuid 100)"
	rm "$ROOT/run/lock/qemu-server"
	run pve_vgpu gc
	assert_output removed
	assert_equal "$(mdevs)" ''
}

@test "another user's file of a name below /dev/vfio keeps no vGPU" {
	local group

	a40
	vm 100
	with_args 100
	settings '[defaults]' 'start-grace = 0' '[vm 100]' 'hostpci0 = A40-24A'
	run hook 100 pre-start
	assert_success
	group=$(vfio_names "$(device "$(uuid 100)")" | head -n 1)
	mkdir -p "$ROOT/proc/4242/fd"
	ln -s "/dev/vfio/$group" "$ROOT/proc/4242/fd/9"
	run pve_vgpu gc
	assert_output 'process 4242 has its vGPU open'
	# A file in a /dev of his own, as any user can have it
	# shellcheck disable=SC2016
	run own_mounts bash -ec 'mount -t tmpfs none /dev; mkdir /dev/vfio; echo > "/dev/vfio/$3"; mknod -m 666 /dev/null c 1 3; "$1" --root "$2" gc' \
		- "$PVE_VGPU" "$ROOT" "$group"
	assert_output removed
	assert_equal "$(mdevs)" ''
}

@test "what is in /tmp: a token is not read, and data not written, through another user's link" {
	local shared

	set_node mdev
	vm 100
	intent 100 A40-24A
	mkdir -p "$ROOT/usr/share/pve-vgpu" "$BATS_TEST_TMPDIR/private"
	cp "$TOP/snippets/vgpu-guest.yaml.in" "$ROOT/usr/share/pve-vgpu/"
	echo 'eyJhbGciOi.J9-x_Y' > "$BATS_TEST_TMPDIR/private/token"
	# All may write to /dev/shm, too.
	SHM=$(mktemp -d /dev/shm/pve-vgpu.XXXXXX)
	for shared in "$BATS_TEST_TMPDIR/shared" "$SHM/shared"; do
		mkdir -m 1777 "$shared"
		ln -s "$BATS_TEST_TMPDIR/private/token" "$shared/token"
		ln -s "$BATS_TEST_TMPDIR/private" "$shared/dir"
		run pve_vgpu guest 100 --token-file "$shared/token"
		assert_success
		other "$shared/token" "$shared/dir"
		run pve_vgpu guest 100 --token-file "$shared/token"
		assert_failure 1
		assert_output "read '$shared/token': a symbolic link that neither root nor the caller has made"
		run pve_vgpu guest 100 --token-file "$shared/dir/token"
		assert_failure 1
		assert_output "read '$shared/dir/token': a symbolic link that neither root nor the caller has made"
		run pve_vgpu guest 100 --output "$shared/dir/data.yaml"
		assert_failure 1
		assert_output 'a symbolic link that neither root nor the caller has made'
		assert_equal "$(ls "$BATS_TEST_TMPDIR/private")" token
	done
	# What a shell hands over is no file of that kind.
	run pve_vgpu guest 100 --token-file <(cat "$BATS_TEST_TMPDIR/private/token")
	assert_success
	assert_output 'eyJhbGciOi.J9-x_Y'
	run pve_vgpu guest 100 --token-file /dev/stdin < "$BATS_TEST_TMPDIR/private/token"
	assert_success
	assert_output 'eyJhbGciOi.J9-x_Y'
}

@test "another user's link in a storage: no data through it, and no hookscript" {
	local target=$BATS_TEST_TMPDIR/target

	set_node mdev
	vm 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	intent 100 A40-24A
	mkdir -p "$ROOT/usr/share/pve-vgpu" "$target"
	cp "$TOP/snippets/vgpu-guest.yaml.in" "$ROOT/usr/share/pve-vgpu/"
	printf '#!/bin/sh\ntouch "%s/ran"\n' "$target" > "$ROOT/evil.sh"
	chmod +x "$ROOT/evil.sh"
	ln -s /evil.sh "$ROOT/var/lib/vz/snippets/own.sh"
	settings '[vm 100]' 'hostpci0 = A40-24A' 'next-hook = local:snippets/own.sh'
	other "$ROOT/var/lib/vz/snippets/own.sh"
	run pve_vgpu 100 pre-start
	assert_failure 1
	assert_output "next-hook 'local:snippets/own.sh'"
	assert_output 'a symbolic link that neither root nor the caller has made'
	assert_equal "$(mdevs)" ''
	mv "$ROOT/var/lib/vz/snippets" "$ROOT/var/lib/vz/old"
	ln -s "$target" "$ROOT/var/lib/vz/snippets"
	other "$ROOT/var/lib/vz/snippets"
	run pve_vgpu guest 100 --storage local
	assert_failure 1
	run pve_vgpu snippet install
	assert_failure 1
	assert_equal "$(ls -A "$target")" ''
}

@test "who has a shell and is not root cannot hold our locks, nor write what is ours" {
	local file

	set_node mdev
	vm 100 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
	set_ok 100 A40-24A --mode args
	(umask 0; hook 100 pre-start)
	[ -e "$ROOT/run/pve-vgpu/locks/vm-100" ]
	for file in "$ROOT"/run/pve-vgpu/locks/*; do
		assert_equal "$(stat -c '%a %u' "$file")" '600 0'
	done
	[ -z "$(find "$ROOT/run/pve-vgpu" "$ROOT/var/lib/pve-vgpu" -perm /022)" ]
	[ -z "$(find "$ROOT/run/pve-vgpu" "$ROOT/var/lib/pve-vgpu" ! -user 0)" ]
	again
	# PVE's own lock of its reservations, where it is we who make it
	node a40x8-vfio
	settings '[vm 100]' 'hostpci0 = A40-24A' 'mode = native'
	vm 100 'hostpci0: 0000:67:00.4,mdev=nvidia-575'
	(umask 0; hook 100 pre-start)
	[ -s "$ROOT/run/qemu-server/pci-id-reservations" ]
	assert_equal "$(stat -c '%a %u' "$ROOT/run/qemu-server/pci-id-reservations.lock")" '600 0'
	assert_equal "$(stat -c '%a %u' "$ROOT/run/qemu-server/pci-id-reservations")" '644 0'
}

# as_www COMMAND…: as a user who is not root
as_www() {
	setpriv --reuid=$USER_ID --regid=$USER_ID --clear-groups --inh-caps=-all --bounding-set=-all "$@"
}

@test "run by a user who is not root it changes nothing, and says why" {
	local before words copy

	set_node mdev
	copy=$BATS_TEST_TMPDIR/pve-vgpu
	cp "$PVE_VGPU" "$copy"
	chmod o+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
	vm 100 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
	set_ok 100 A40-24A --mode args
	hook 100 pre-start
	before=$(left; mdevs; section; conf 100)
	for words in 'set 100 A40-12A' 'unset 100' '100 pre-start' '100 post-stop' 'create A40-24A' 'sriov disable all'; do
		# shellcheck disable=SC2086
		run as_www "$copy" --root "$ROOT" $words
		[ "$status" -ne 0 ] || { echo "pve-vgpu $words"; echo "$output"; false; }
		assert_output 'pve-vgpu: '
	done
	as_www "$copy" --root "$ROOT" gc > /dev/null 2>&1 || true
	assert_equal "$(left; mdevs; section; conf 100)" "$before"
}
