#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Many at once on the real kernel: 64 VFs, eight starts and stops at a time, and a driver that hangs on one of its GPUs. It takes
# minutes, so it is run where it is named.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load whole_helper

FIRST=100 VMS=64 AT_ONCE=8
# Of one size, of which a GPU has 32.
TYPES=(A40-1Q A40-1B A40-1A)

setup() { HELD=''; }

teardown() { clean_node; }

say() { echo "# $*" >&3; }

# house mdev|vendor: that framework, and the VMs
house() {
	local v

	node_with "$1"
	# Post-stop leaves the driver four fifths of cleanup-wait, and here it does nothing in them.
	settings '[defaults]' 'cleanup-wait = 2'
	for ((v = FIRST; v < FIRST + VMS; v++)); do
		if [ "$1" = mdev ]; then
			by_args "$v" "${TYPES[v % 3]}"
		else
			# Nothing at an address: the hook has to choose.
			vm "$v"
			intent "$v" "${TYPES[v % 3]}"
		fi
	done
	mkfifo "$BATS_TEST_TMPDIR/stdin"
}

# work N WHAT…: one of the eight goes through its VMs, each with every WHAT; its hooks' output is in said.N
work() {
	local n=$1 v what

	shift
	exec {TELL}>&3 >> "$BATS_TEST_TMPDIR/said.$n" 2>&1 3>&-
	HELD=$BATS_TEST_TMPDIR/held.$n
	[ -e "$HELD" ] || mkfifo "$HELD"
	for ((v = FIRST + n; v < FIRST + VMS; v += AT_ONCE)); do
		for what; do
			"$what" "$v"
		done
		# A node that hangs is one without a word.
		[ $(((n + v / AT_ONCE) % 4)) -ne 0 ] || echo "# vm $v: $*" >&"$TELL"
	done
}

# stops VMID: its end. Where others have had the lock of the GPU for all of cleanup-wait post-stop says so, and comes again.
stops() {
	local again

	dies "$1"
	for ((again = 0; again < 100; again++)); do
		if pve-vgpu "$1" post-stop; then
			return 0
		fi
		echo again
	done
	return 1
}

# all_at_once WHAT…: the eight, side by side
all_at_once() {
	local n pids=() failed='' begin=$SECONDS

	for ((n = 0; n < AT_ONCE; n++)); do
		(set -e; work "$n" "$@") &
		pids+=($!)
	done
	for ((n = 0; n < AT_ONCE; n++)); do
		wait "${pids[n]}" || failed+=" $n"
	done
	for n in $failed; do
		echo "worker $n:"
		tail -n 5 "$BATS_TEST_TMPDIR/said.$n"
	done
	[ -z "$failed" ]
	say "64 VMs, eight at a time: each $*, $((SECONDS - begin)) s"
}

# full_house: each VM has one vGPU, which its QEMU has open, no two of them the same, and there are no others
full_house() {
	local list vmids

	list=$(for_each_vgpu vmid parent in_use | sort -n)
	vmids=$(cut -d' ' -f1 <<< "$list")
	equal "$vmids" "$(seq "$FIRST" $((FIRST + VMS - 1)))"
	equal "$(cut -d' ' -f2 <<< "$list" | sort -u | wc -l)" "$VMS"
	equal "$(cut -d' ' -f3 <<< "$list" | sort -u)" true
	equal "$(vgpus)" "$VMS"
	for list in /run/pve-vgpu/*.json; do
		echo "$list"
	done | wc -l | { read -r list; equal "$list" "$VMS"; }
}

# gc_beside: gc over and over, until the file stop is there
gc_beside() {
	exec > "$BATS_TEST_TMPDIR/gc" 2>&1 3>&-
	until [ -e "$BATS_TEST_TMPDIR/stop" ]; do
		pve-vgpu gc
		echo ran
	done
}

# dead_reservations: a post-stop for which PVE's list was busy for too long has said so, and its line, of a QEMU that has ended, holds
# nothing. Nobody is at work.
dead_reservations() {
	local file=/run/qemu-server/pci-id-reservations line alive=() dead=0

	[ -e "$file" ] || return 0
	while read -r line; do
		if [[ $line == *' pid:'* ]] && [ ! -e "/proc/${line##* pid:}" ]; then
			dead=$((dead + 1))
		else
			alive+=("$line")
		fi
	done < "$file"
	printf '%s\n' "${alive[@]}" | sed '/^$/d' > "$file"
	[ "$dead" -eq 0 ] || say "$dead lines in PVE's reservations are of QEMUs that have ended"
}

# round: the house is filled, each VM ends and starts again while others do and gc runs, and the house is empty again: 128 starts
round() {
	local gc

	all_at_once begins
	full_house
	rm -f "$BATS_TEST_TMPDIR/stop"
	(set -e; gc_beside) &
	gc=$!
	all_at_once stops begins
	: > "$BATS_TEST_TMPDIR/stop"
	wait "$gc" || fail "gc failed: $(tail -n 3 "$BATS_TEST_TMPDIR/gc")"
	if grep removed "$BATS_TEST_TMPDIR/gc"; then
		fail 'gc has taken what was in use'
	fi
	full_house
	all_at_once stops
	dead_reservations
	# shellcheck disable=SC2046
	nothing_left $(seq "$FIRST" $((FIRST + VMS - 1)))
	equal "$(find /run/pve-vgpu -name '*.json*')" ''
	equal "$(cat /run/qemu-server/pci-id-reservations 2> /dev/null)" ''
}

# rounds NUMBER LIMIT: so many, of which the first fills what is filled once. The slab may have grown by LIMIT thousand bytes after that.
rounds() {
	local i before bytes grown begin=$SECONDS

	for ((i = 1; i <= $1; i++)); do
		round
		say "round $i of $1: $((2 * VMS)) starts and stops, $(grep -c ran "$BATS_TEST_TMPDIR/gc") gc beside, $(cat "$BATS_TEST_TMPDIR"/said.* | grep -c again) post-stops so far that came again, at $((SECONDS - begin)) s"
		if [ "$i" -eq 1 ]; then
			before=$(objects)
			bytes=$(slab)
		fi
	done
	equal "$(objects)" "$before"
	grown=$(($(slab) - bytes))
	say "the slab has grown by $grown thousand bytes in $((($1 - 1) * 2 * VMS)) starts"
	[ "$grown" -lt "$2" ] || fail "grown by $grown thousand bytes, wanted less than $2"
}

# --- a driver that hangs on one GPU ---------------------------------------------------

# stands PID: that hook has got to where the driver holds it up
stands() {
	local tries state

	for ((tries = 0; tries < 600; tries++)); do
		read -r _ _ state _ < "/proc/$1/stat" || fail 'the hook has ended'
		[ "$state" != D ] || ! dmesg | tail -n 5 | grep -q 'as the parameter stall has it' || return 0
		sleep 0.1
	done
	fail 'the hook does not stand in the driver'
}

# one_hangs mdev|vendor: VM 100 goes to GPU; VM 101 is of another size, for which GPU2 alone has room then
one_hangs() {
	local hook

	node_with "$1"
	settings '[defaults]' 'cleanup-wait = 2' 'lock-wait = 60'
	for hook in '100 A40-24A' '101 A40-12A'; do
		# shellcheck disable=SC2086
		if [ "$1" = mdev ]; then
			by_args $hook
		else
			vm "${hook% *}"
			intent $hook
		fi
	done
	pve-vgpu types > /dev/null
	fifos
	echo "$GPU" > "/sys/module/$DRIVER/parameters/stall"
	pve-vgpu 100 pre-start > "$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	hook=$!
	stands "$hook"
	begins 101
	contains "$(listed 101)" A40-12A
	ends 101
	works pve-vgpu gc
	stands "$hook"
	echo none > "/sys/module/$DRIVER/parameters/stall"
	wait "$hook" || fail "$(cat "$BATS_TEST_TMPDIR/said")"
	equal "$(vgpus)" 1
	# The same with its removal.
	begins 100
	echo "$GPU" > "/sys/module/$DRIVER/parameters/stall"
	dies 100
	pve-vgpu 100 post-stop > "$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	hook=$!
	stands "$hook"
	cycle 101
	works pve-vgpu gc
	stands "$hook"
	echo none > "/sys/module/$DRIVER/parameters/stall"
	wait "$hook" || fail "$(cat "$BATS_TEST_TMPDIR/said")"
	nothing_left 100 101
}

# --- tests: the driver is loaded anew once ---------------------------------------------

@test "vendor VFIO: 64 VFs, eight at a time, 256 starts and stops: nothing double, nothing lost" {
	house vendor
	rounds 2 2000
}

@test "vendor VFIO: the same again" {
	house vendor
	rounds 2 2000
}

@test "vendor VFIO: a driver that hangs on one GPU holds up no VM that needs another" {
	one_hangs vendor
}

@test "mdev: a driver that hangs on one GPU holds up no VM that needs another" {
	one_hangs mdev
}

@test "mdev: 64 VFs, eight at a time, 256 starts and stops: nothing double, nothing lost" {
	house mdev
	rounds 2 2000
}

@test "mdev: the same again" {
	house mdev
	rounds 2 2000
}
