#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# After a crash, a failed start, a lost record: what is dead goes, what is alive
# or somebody else's stays.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

# A start of VM 100 that was not followed by anything
started() {
	node "$1"
	settings '[defaults]' 'cleanup-wait = 0' "${@:2}" '[vm 100]' 'hostpci0 = A40-48A'
	vm 100
	hook 100 pre-start > /dev/null 2>&1
}

# not_to_be_read VMID: its record is no file; gc says so
not_to_be_read() {
	mv "$ROOT/run/pve-vgpu/$1.json" "$BATS_TEST_TMPDIR/record"
	mkdir "$ROOT/run/pve-vgpu/$1.json"
	run pve_vgpu gc --quiet
	assert_failure 1
	assert_output "read '/run/pve-vgpu/$1.json': Is a directory"
}

# to_be_read_again VMID: and it is one again; gc takes what the record names
to_be_read_again() {
	rmdir "$ROOT/run/pve-vgpu/$1.json"
	mv "$BATS_TEST_TMPDIR/record" "$ROOT/run/pve-vgpu/$1.json"
	run pve_vgpu gc --quiet
	assert_success
	nothing_left
}

# what_is_there: mdevs and vendor vGPUs alike
what_is_there() {
	mdevs
	if [ -e "$SYS/bus/pci/devices/$VF1/nvidia" ]; then vendor_vgpus; fi
}

nothing_left() {
	assert_equal "$(what_is_there)" ""
	assert_equal "$(reservations)" ""
	assert_no_state 100
}

# --- dead or alive --------------------------------------------------------------------

@test "gc: takes what a start that failed has left, once start-grace is over, and has nothing to do then" {
	for n in a40x8-mdev a40x8-vfio; do
		started $n
		run pve_vgpu gc
		assert_success
		assert_output "vm 100: A40-48A on $VF1: kept: its start began "
		assert_output "s ago (start-grace is 300 s)"
		[ -n "$(what_is_there)" ]
		age 100 301
		run pve_vgpu gc
		assert_success
		assert_equal "$output" "vm 100: A40-48A on $VF1: removed"
		nothing_left
		ops_reset
		run pve_vgpu gc
		assert_success
		assert_equal "$output" ""
		assert_equal "$(count_ops .remove.write) $(count_ops .current_vgpu_type.write)" "0 0"
		node_teardown
		MOUNTED=
	done
}

@test "gc: --dry-run says the same and changes nothing" {
	started a40x8-mdev
	age 100 301
	before=$(cat "$ROOT/run/pve-vgpu/100.json")
	ops_reset
	run pve_vgpu gc --dry-run
	assert_success
	assert_equal "$output" "vm 100: A40-48A on $VF1: would be removed"
	assert_equal "$(ops)" 0
	assert_equal "$(mdevs)" "$(uuid 100)"
	assert_equal "$(cat "$ROOT/run/pve-vgpu/100.json")" "$before"
}

@test "gc: a VM whose QEMU runs is alive, also where it has opened nothing" {
	for n in a40x8-mdev a40x8-vfio; do
		started $n
		age 100 301
		qemu 100
		run pve_vgpu gc
		assert_success
		assert_equal "$output" "vm 100: A40-48A on $VF1: kept: its QEMU runs (pid 400100)"
		[ -n "$(what_is_there)" ]
		# A pid that is another program's by now is no QEMU
		printf '%s\0' /usr/bin/sleep -pidfile /var/run/qemu-server/100.pid > "$ROOT/proc/400100/cmdline"
		run pve_vgpu gc
		assert_output "removed"
		nothing_left
		node_teardown
		MOUNTED=
	done
}

@test "gc: a VM whose config lock PVE holds is alive" {
	started a40x8-mdev
	age 100 301
	pve_lock 100
	run pve_vgpu gc
	assert_success
	assert_equal "$output" "vm 100: A40-48A on $VF1: kept: PVE holds the lock of its config"
	assert_equal "$(mdevs)" "$(uuid 100)"
	pve_unlock
	run pve_vgpu gc
	assert_output "removed"
	nothing_left
}

@test "gc: what any process has open is alive, by group and by device, of any VM" {
	for n in a40x8-mdev a40x8-vfio; do
		started $n
		age 100 301
		case $n in *mdev) dev=$(uuid 100) ;; *) dev=$VF1 ;; esac
		for name in $(vfio_names "$(device "$dev")"); do
			mkdir -p "$ROOT/proc/4321/fd"
			ln -s "/dev/vfio/$name" "$ROOT/proc/4321/fd/7"
			ops_reset
			run pve_vgpu gc
			assert_success
			assert_equal "$output" "vm 100: A40-48A on $VF1: kept: process 4321 has its vGPU open"
			assert_equal "$(count_ops .remove.write) $(count_ops .current_vgpu_type.write)" "0 0"
			rm -r "$ROOT/proc/4321"
		done
		run pve_vgpu gc
		assert_output "removed"
		nothing_left
		node_teardown
		MOUNTED=
	done
}

@test "gc: foreign vGPUs, another VM's pattern without an intent and what create made stay" {
	node a40-foreign
	settings '[vm 100]' 'hostpci1 = A40-4Q'
	vm 100
	make "$(uuid 100 0)" 0000:e8:00.5 nvidia-560
	make "$(uuid 200 0)" 0000:e8:00.6 nvidia-560
	run pve_vgpu create A40-4Q
	assert_success
	assert_equal "$(mdevs | wc -l)" 5
	run pve_vgpu gc
	assert_success
	assert_equal "$output" ""
	assert_equal "$(mdevs | wc -l)" 5
}

@test "gc: a vGPU of the pattern with an intent of that index is ours without any record" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci1 = A40-24A'
	make "$(uuid 100 1)" $VF1 nvidia-575
	pve_lock 100
	run pve_vgpu gc
	assert_output "vm 100: A40-24A on $VF1: kept: PVE holds the lock of its config"
	pve_unlock
	run pve_vgpu gc
	assert_success
	assert_output "removed"
	assert_equal "$(mdevs)" ""
}

@test "gc: an intent of a VM that had this vmid before makes nothing ours" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A' 'identity = ctime:1690000000'
	with_args 100 'meta: creation-qemu=9.0.2,ctime=1790000000'
	make "$(uuid 100)" $VF1 nvidia-575
	run pve_vgpu gc
	assert_success
	assert_equal "$output" ""
	assert_equal "$(mdevs)" "$(uuid 100)"
	# Once that VM is the one that is meant, or there is none, it is.
	with_args 100 'meta: creation-qemu=9.0.2,ctime=1690000000'
	run pve_vgpu gc --dry-run
	assert_output "would be removed"
	rm "$ROOT/etc/pve/qemu-server/100.conf"
	run pve_vgpu gc
	assert_output "removed"
	assert_equal "$(mdevs)" ""
}

@test "gc: one of the pattern on a parent that is no GPU is never ours" {
	node p40-foreign-parents
	settings '[vm 100]' 'hostpci0 = P40-24Q'
	make "$(uuid 100)" ../../../class/mdev_bus/mtty mtty-2
	run pve_vgpu gc --keep-settings
	assert_success
	assert_equal "$output" ""
	mdevs | grep -x "$(uuid 100)"
}

@test "gc: one without a record of a VM that has a record lives and dies with that" {
	node a40x8-mdev
	settings '[defaults]' 'cleanup-wait = 0' '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-24A'
	vm 100
	hook 100 pre-start
	jq '.vgpus |= [.[0]]' "$ROOT/run/pve-vgpu/100.json" > "$ROOT/new"
	mv "$ROOT/new" "$ROOT/run/pve-vgpu/100.json"
	# The record is young: a start is on its way.
	run pve_vgpu gc
	assert_success
	refute_output removed
	assert_equal "$(mdevs | wc -l)" 2
	# The one on record is open, the other is not: the record stays.
	age 100 301
	qemu 100 "$(uuid 100)"
	rm "$ROOT/run/qemu-server/100.pid"
	run pve_vgpu gc
	refute_output removed
	assert_equal "$(mdevs | wc -l)" 2
	assert_equal "$(state 100 '.vgpus[0].uuid')" "$(uuid 100)"
	qemu_gone 100
	run pve_vgpu gc
	assert_success
	assert_equal "$(mdevs)" ""
	assert_no_state 100
}

@test "gc: a damaged record does not keep what is ours, one of a newer version does" {
	started a40x8-mdev
	local f=$ROOT/run/pve-vgpu/100.json

	echo '{"version": 2, "vmid": 100}' > "$f"
	run pve_vgpu gc
	assert_success
	assert_output "run state '/run/pve-vgpu/100.json' was written by a newer version of pve-vgpu"
	assert_equal "$(mdevs)" "$(uuid 100)"
	assert_equal "$(cat "$f")" '{"version": 2, "vmid": 100}'
	echo '{"vers' > "$f"
	run pve_vgpu gc
	assert_success
	assert_output "vm 100: A40-48A on $VF1: removed"
	nothing_left
}

@test "something else where a run state lies: nobody waits for it, and it is told what to do" {
	local f words

	node a40x8-mdev
	intent 100 A40-24A
	vm 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	mkdir -p "$ROOT/run/pve-vgpu"
	f=$ROOT/run/pve-vgpu/100.json
	mkfifo "$f"
	for words in list 'show 100' 'plan 100' '100 post-stop'; do
		# shellcheck disable=SC2086
		run timeout 20 "$PVE_VGPU" --root "$ROOT" $words
		[ "$status" -ne 124 ] || { echo "$words hangs"; false; }
	done
	run timeout 20 "$PVE_VGPU" --root "$ROOT" 100 pre-start
	assert_success
	assert_output "run state '/run/pve-vgpu/100.json' is damaged; going on without it"
	[ -f "$f" ]
	rm "$f"
	mkdir "$f"
	run hook 100 pre-start
	assert_failure 1
	assert_output "read '/run/pve-vgpu/100.json': Is a directory"
	assert_output "hint: pve-vgpu did not leave it so: look what it is (stat '/run/pve-vgpu/100.json')"
}

@test "gc: start-grace holds for a VM that ran as long as its vGPU is there, and no longer" {
	local n

	for n in a40x8-mdev a40x8-vfio; do
		started $n
		qemu 100
		hook 100 post-start > /dev/null 2>&1 || true
		assert_equal "$(state 100 .phase)" running
		qemu_gone 100
		run pve_vgpu gc
		assert_success
		assert_output "kept: its start began "
		[ -n "$(what_is_there)" ]
		if [ $n = a40x8-mdev ]; then
			echo 1 > "$SYS/bus/mdev/devices/$(uuid 100)/remove"
		else
			set_vf $VF1 0
		fi
		run pve_vgpu gc
		assert_success
		assert_output "vm 100: A40-48A on $VF1: removed"
		nothing_left
		node_teardown
		MOUNTED=
	done
}

@test "gc: while a hook has the VM's lock the VM is left alone" {
	started a40x8-mdev 'lock-wait = 300'
	age 100 301
	hold run/pve-vgpu/locks/vm-100 "vm 100 post-stop, pid 4711"
	took_less 30000 pve_vgpu gc
	assert_success
	assert_equal "$output" "vm 100: kept: the lock of vm 100 is held by vm 100 post-stop, pid 4711"
	assert_equal "$(mdevs)" "$(uuid 100)"
}

@test "gc: a VM whose lock or record cannot be opened is a failure, and the next one goes on" {
	local lock

	started a40x8-mdev
	age 100 301
	lock=$ROOT/run/pve-vgpu/locks/vm-100
	rm "$lock"
	mkdir "$lock"
	run pve_vgpu gc --quiet
	assert_failure 1
	assert_output "vm 100: kept: open lock '/run/pve-vgpu/locks/vm-100': Is a directory"
	assert_equal "$(mdevs)" "$(uuid 100)"
	rmdir "$lock"
	not_to_be_read 100
	to_be_read_again 100
}

@test "gc: a record that cannot be read is a failure where nothing but it tells of the VM's vGPU" {
	started a40x8-vfio
	age 100 301
	not_to_be_read 100
	assert_equal "$(vendor_vgpus)" "$VF1 576"
	to_be_read_again 100
}

@test "gc: a removal that fails is exit 1, and the next one goes on" {
	started a40x8-vfio
	age 100 301
	fault write '*/current_vgpu_type' EBUSY 99
	took_less 30000 pve_vgpu gc
	assert_failure 1
	assert_output "vm 100: A40-48A on $VF1: not removed: vGPU $VF1 on $VF1 stays: write '0' to '/sys/bus/pci/devices/$VF1/nvidia/current_vgpu_type': Device or resource busy"
	assert_output "hint: the lines above say why"
	fault clear
	run pve_vgpu gc
	assert_success
	nothing_left
}

@test "gc: a claim whose vGPU was never made is forgotten" {
	for n in a40x8-mdev a40x8-vfio; do
		started $n
		if [ $n = a40x8-mdev ]; then
			echo 1 > "$SYS/bus/mdev/devices/$(uuid 100)/remove"
		else
			set_vf $VF1 0
		fi
		age 100 301
		run pve_vgpu gc
		assert_success
		nothing_left
		node_teardown
		MOUNTED=
	done
}

# --- a start that finds no room ---------------------------------------------------------

@test "pre-start: one that finds no room collects the dead first" {
	for n in a40x8-mdev a40x8-vfio; do
		started $n
		age 100 301
		settings '[vm 100]' 'hostpci0 = A40-48A' '[vm 101]' 'hostpci0 = A40-48A' "gpu = $PF1"
		vm 101
		run hook 101 pre-start
		assert_success
		assert_output "pve-vgpu: vm 101 pre-start: made room: vm 100: A40-48A on $VF1: removed"
		assert_output "hostpci0: A40-48A (nvidia-576) on $VF1"
		assert_no_state 100
		hook 101 post-stop
		node_teardown
		MOUNTED=
	done
}

@test "pre-start: one that finds no room takes nothing from the living" {
	for n in a40x8-mdev a40x8-vfio; do
		started $n
		settings '[vm 100]' 'hostpci0 = A40-48A' '[vm 101]' 'hostpci0 = A40-48A' "gpu = $PF1"
		vm 101
		local there

		there=$(what_is_there)
		run hook 101 pre-start
		assert_failure 1
		assert_output "A40-48A on $PF1: full: 1 of 1 (vm 100)"
		age 100 301
		pve_lock 100
		run hook 101 pre-start
		assert_failure 1
		pve_unlock
		qemu 100
		run hook 101 pre-start
		assert_failure 1
		qemu_gone 100
		assert_equal "$(what_is_there)" "$there"
		[ -e "$ROOT/run/pve-vgpu/100.json" ]
		assert_no_state 101
		node_teardown
		MOUNTED=
	done
}

@test "pre-start: one that has room leaves the dead alone" {
	started a40x8-mdev
	age 100 301
	intent 101 A40-48A
	vm 101
	hook 101 pre-start
	assert_equal "$(mdevs | wc -l)" 2
}

@test "pre-start: a place that the driver has refused is tried again when the dead have gone" {
	node a40x8-mdev
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 101]' 'hostpci0 = A40-24A'
	vm 100
	hook 100 pre-start > /dev/null 2>&1
	age 100 301
	at 101 $VF2
	fault write "*/$VF2/mdev_supported_types/*/create" ENOSPC 1
	run hook 101 pre-start
	assert_success
	assert_output "A40-24A on $VF2: "
	assert_output "made room: vm 100: A40-24A on $VF1: removed"
	assert_equal "$(parent_of "$(uuid 101)")" $VF2
}

@test "pre-start: a GPU that the driver called full is asked again when the dead have gone" {
	node a40x8-mdev
	# Nothing of ours names it but the pattern and the intent, and it fills the GPU.
	settings '[vm 100]' 'hostpci0 = A40-48A' '[vm 101]' 'hostpci0 = A40-48A' "gpu = $PF1"
	make "$(uuid 100)" $VF2 nvidia-576
	vm 101
	run hook 101 pre-start
	assert_success
	assert_output "made room: vm 100: A40-48A on $VF2: removed"
	assert_equal "$(mdevs)" "$(uuid 101)"
}

# --- killed --------------------------------------------------------------------------------

# killed NODE FILE-PATTERN: a pre-start of VM 100 is killed while it blocks in the driver
killed() {
	node "$1"
	settings '[defaults]' 'cleanup-wait = 0' 'lock-wait = 60' '[vm 100]' 'hostpci0 = A40-48A' '[vm 101]' 'hostpci0 = A40-48A'
	vm 100; vm 101
	delay "$2" "${3:-30000}"
	in_background 100 pre-start
	soon test -e "$ROOT/run/pve-vgpu/100.json"
	soon grep -qs "pre-start, pid $PID" "$ROOT/run/pve-vgpu/locks/gpu-$PF1"
	sleep 0.1
	kill -9 $PID
	wait $PID || true
	delay clear
	assert_equal "$(state 100 .phase)" claimed
}

@test "killed: the next pre-start of the VM brings it right" {
	killed a40x8-mdev '*/create'
	run hook 100 pre-start
	assert_success
	assert_equal "$(mdevs)" "$(uuid 100)"
	assert_equal "$(state 100 '.phase, (.vgpus | length)' | tr '\n' ' ')" "created 1 "
	run hook 100 post-stop
	nothing_left
}

@test "killed: the same on vendor VFIO" {
	killed a40x8-vfio '*/0000:67:00.4/*/current_vgpu_type'
	run hook 100 pre-start
	assert_success
	assert_equal "$(vendor_vgpus | wc -l)" 1
	assert_equal "$(reservations | wc -l)" 1
	assert_equal "$(state 100 '.phase, (.vgpus | length)' | tr '\n' ' ')" "created 1 "
	run hook 100 post-stop
	nothing_left
}

@test "killed: before the create reached the driver, the start is done again" {
	killed a40x8-mdev '*/available_instances'
	assert_equal "$(mdevs)" ""
	run hook 100 pre-start
	assert_success
	assert_equal "$(parent_of "$(uuid 100)")" $VF1
}

@test "killed: another VM is served meanwhile, and gc clears it after start-grace" {
	for how in 'a40x8-mdev */create' 'a40x8-vfio */0000:67:00.4/*/current_vgpu_type'; do
		killed ${how% *} "${how#* }"
		run hook 101 pre-start
		assert_success
		# Its claim stands: another GPU.
		assert_output "on $VF4, GPU $PF2"
		run hook 101 post-stop
		run pve_vgpu gc
		assert_output "kept: its start began"
		age 100 301
		run pve_vgpu gc
		assert_success
		assert_output "removed"
		nothing_left
		node_teardown
		MOUNTED=
	done
}

@test "killed: post-stop brings it right, too" {
	for how in 'a40x8-mdev */create' 'a40x8-vfio */0000:67:00.4/*/current_vgpu_type'; do
		killed ${how% *} "${how#* }"
		run hook 100 post-stop
		assert_success
		nothing_left
		node_teardown
		MOUNTED=
	done
}

@test "killed: in post-stop, the next one or gc ends it" {
	started a40x8-mdev 'start-grace = 0'
	delay '*/remove' 30000
	in_background 100 post-stop
	soon grep -qs "post-stop, pid $PID" "$ROOT/run/pve-vgpu/locks/gpu-$PF1"
	sleep 0.1
	kill -9 $PID
	wait $PID || true
	delay clear
	run pve_vgpu gc
	assert_success
	nothing_left
}

@test "killed: at any file that a start opens or writes, the next start works and nothing is left after it" {
	node a40x8-vfio
	settings '[defaults]' 'cleanup-wait = 0' '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-24A' "gpu = $PF1"
	vm 100
	hook 100 pre-start
	hook 100 post-stop
	local n

	for ((n = 1; n <= 60; n++)); do
		ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace=renameat,write,pwrite64,unlinkat,flock -e inject=renameat,write,pwrite64,unlinkat,flock:signal=KILL:when=$n \
			"$PVE_VGPU" --root "$ROOT" 100 pre-start > /dev/null 2>&1 3>&- && break
		run hook 100 pre-start
		[ "$status" -eq 0 ] || { echo "killed at call $n"; echo "$output"; false; }
		[ "$(vendor_vgpus | wc -l)" -eq 2 ] || { echo "killed at call $n"; vendor_vgpus; false; }
		run hook 100 post-stop
		assert_success
		nothing_left
	done
	[ "$n" -gt 8 ]
	[ "$n" -le 60 ]
}

@test "killed: at any step of a stop, the next stop or start works" {
	node a40x8-mdev
	settings '[defaults]' 'cleanup-wait = 0' '[vm 100]' 'hostpci0 = A40-24A' 'hostpci1 = A40-24A' "gpu = $PF1"
	vm 100
	local n

	for ((n = 1; n <= 40; n++)); do
		hook 100 pre-start > /dev/null 2>&1
		ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace=renameat,write,pwrite64,unlinkat,flock -e inject=renameat,write,pwrite64,unlinkat,flock:signal=KILL:when=$n \
			"$PVE_VGPU" --root "$ROOT" 100 post-stop > /dev/null 2>&1 3>&- && break
		if ((n % 2)); then
			run hook 100 pre-start
			assert_success
			assert_equal "$(mdevs | wc -l)" 2
		fi
		run hook 100 post-stop
		assert_success
		nothing_left
	done
	[ "$n" -gt 3 ]
	[ "$n" -le 40 ]
}

@test "two at once: pre-start of one VM twice at the same time makes one vGPU" {
	for n in a40x8-mdev a40x8-vfio; do
		node $n
		settings '[vm 100]' 'hostpci0 = A40-24A'
		vm 100
		delay '*/create' 100
		in_background 100 pre-start
		first=$PID
		in_background 100 pre-start
		wait $first
		finished
		assert_success
		assert_equal "$(what_is_there | wc -l)" 1
		hook 100 post-stop
		nothing_left
		node_teardown
		MOUNTED=
	done
}

@test "gc forgets a standalone vGPU that was removed by hand, and no other" {
	local gone kept

	node a40x8-mdev
	vm 100
	settings '[defaults]' 'start-grace = 0'
	gone=$(pve_vgpu create A40-24A --json | jq -r .uuid)
	kept=$(pve_vgpu create A40-24A --json | jq -r .uuid)
	echo 1 > "$SYS/bus/mdev/devices/$gone/remove"
	run pve_vgpu gc --dry-run
	assert_success
	assert_output "standalone $gone: no longer there: record would be removed"
	[ -e "$ROOT/run/pve-vgpu/standalone/$gone.json" ]
	run pve_vgpu gc
	assert_success
	assert_output "standalone $gone: no longer there: record removed"
	assert_equal "$(ls "$ROOT/run/pve-vgpu/standalone")" "$kept.json"
	assert_equal "$(mdevs)" "$kept"
}

@test "gc clears the temporary files of writers that were killed, not those of writers at work" {
	node a40x8-mdev
	mkdir -p "$ROOT/run/pve-vgpu/standalone"
	sh -c ':' & wait $!
	touch "$ROOT/run/pve-vgpu/.100.json.$!.tmp" "$ROOT/run/pve-vgpu/standalone/.x.json.$!.tmp" \
		"$ROOT/run/pve-vgpu/.101.json.$$.tmp" "$ROOT/run/pve-vgpu/.keep"
	# In PVE's directory that of the one file that we write, and nobody else's.
	touch "$ROOT/run/qemu-server/.pci-id-reservations.$!.tmp" "$ROOT/run/qemu-server/.100.pid.$!.tmp"
	mkdir -p "$ROOT/var/lib/pve-vgpu"
	touch "$ROOT/var/lib/pve-vgpu/.types.json.$!.tmp"
	# What modprobe reads is others' directory, too.
	mkdir -p "$ROOT/etc/modprobe.d"
	touch "$ROOT/etc/modprobe.d/.pve-vgpu.conf.$!.tmp" "$ROOT/etc/modprobe.d/.pve-vgpu.conf.$$.tmp" "$ROOT/etc/modprobe.d/.nvidia.conf.$!.tmp"
	run pve_vgpu gc
	assert_success
	assert_equal "$(find "$ROOT/etc/modprobe.d" -name '*.tmp' -printf '%f\n' | sort)" ".nvidia.conf.$!.tmp"$'\n.pve-vgpu.conf.'"$$.tmp"
	assert_equal "$(find "$ROOT/run/qemu-server" "$ROOT/var/lib/pve-vgpu" -name '*.tmp' -printf '%f\n')" ".100.pid.$!.tmp"
	assert_equal "$(cd "$ROOT/run/pve-vgpu" && find . -path ./locks -prune -o -type f -print | sort)" $'./.101.json.'$$$'.tmp\n./.keep'
}

@test "gc forgets a create on vendor VFIO that was killed before it began, and leaves what is there" {
	node a40x8-vfio
	settings '[defaults]' 'start-grace = 0'
	pve_vgpu create A40-24A
	echo 0 > "$SYS/bus/pci/devices/0000:67:00.4/nvidia/current_vgpu_type"
	jq '.phase = "claimed" | .vgpus[0].created = false' "$ROOT/run/pve-vgpu/standalone/0000:67:00.4.json" \
		> "$BATS_TEST_TMPDIR/claim"
	cp "$BATS_TEST_TMPDIR/claim" "$ROOT/run/pve-vgpu/standalone/0000:67:00.4.json"
	# Somebody else's, of the same type
	echo 575 > "$SYS/bus/pci/devices/0000:67:00.4/nvidia/current_vgpu_type"
	run pve_vgpu gc
	assert_success
	assert_output "standalone 0000:67:00.4: no longer there: record removed"
	assert_equal "$(current 0000:67:00.4)" 575
}

@test "gc leaves the records of standalone vGPUs to a remove or create that has their lock" {
	local gone

	node a40x8-mdev
	settings '[defaults]' 'start-grace = 0'
	gone=$(pve_vgpu create A40-24A --json | jq -r .uuid)
	echo 1 > "$SYS/bus/mdev/devices/$gone/remove"
	hold run/pve-vgpu/locks/standalone "remove $gone, pid 4711"
	run pve_vgpu gc
	assert_success
	assert_equal "$output" ""
	[ -e "$ROOT/run/pve-vgpu/standalone/$gone.json" ]
	release_held
	run pve_vgpu gc
	assert_success
	assert_output "standalone $gone: no longer there: record removed"
}

@test "gc forgets a standalone record of an earlier boot, and says so once of one that names nothing" {
	local f

	node a40x8-mdev
	pve_vgpu create A40-24A --uuid 6f0e4b1c-2d7a-4c55-9d1e-3a8b5c7f9e21
	echo 1 > "$SYS/bus/mdev/devices/6f0e4b1c-2d7a-4c55-9d1e-3a8b5c7f9e21/remove"
	f=$ROOT/run/pve-vgpu/standalone/6f0e4b1c-2d7a-4c55-9d1e-3a8b5c7f9e21.json
	jq '.claimed_ms = 99999999999999' "$f" > "$BATS_TEST_TMPDIR/later"
	cp "$BATS_TEST_TMPDIR/later" "$f"
	jq '.vgpus = []' "$f" > "$ROOT/run/pve-vgpu/standalone/empty.json"
	run pve_vgpu gc
	assert_output "standalone 6f0e4b1c-2d7a-4c55-9d1e-3a8b5c7f9e21: no longer there: record removed"
	assert_output "run state '/run/pve-vgpu/standalone/empty.json' is damaged"
	refute_output 'standalone : '
	[ ! -e "$f" ]
}

@test "gc --dry-run leaves no lock behind" {
	node a40x8-mdev
	settings '[defaults]' 'start-grace = 0' '[vm 100]' 'hostpci0 = A40-24A'
	vm 100
	hook 100 pre-start
	rm -rf "$ROOT/run/pve-vgpu/locks"
	run pve_vgpu gc --dry-run
	assert_success
	assert_output 'vm 100: A40-24A on 0000:67:00.4: would be removed'
	[ ! -e "$ROOT/run/pve-vgpu/locks" ]
}

@test "what /proc does not show counts as open: gc leaves it" {
	node a40x8-vfio
	settings '[defaults]' 'start-grace = 0' '[vm 100]' 'hostpci0 = A40-24A'
	vm 100
	hook 100 pre-start
	# An entry that cannot be listed, for root too
	mkdir -p "$ROOT/proc/4711"
	touch "$ROOT/proc/4711/fd"
	run pve_vgpu gc
	assert_failure
	assert_output 'whether a process has it open cannot be seen in /proc'
	assert_equal "$(vendor_vgpus)" '0000:67:00.4 575'
	rm -r "$ROOT/proc/4711"
	run pve_vgpu gc
	assert_success
	assert_equal "$(vendor_vgpus)" ''
}
