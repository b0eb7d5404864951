# SPDX-License-Identifier: AGPL-3.0-or-later
# The life of a VM's vGPU under surroundings of every kind, and what another user can put in the way.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

load_pve_helpers() {
	local BATS_TEST_DIRNAME=$BATS_TEST_DIRNAME/../pve

	load set_helper
}
load_pve_helpers

# A user who is not root: www-data on a node
USER_ID=33

# evil_dir: programs and modules that nobody is to run, in EVIL; each writes into EVIL/mark
evil_dir() {
	local name

	EVIL=$BATS_TEST_TMPDIR/evil
	mkdir -p "$EVIL"
	printf '#!/bin/sh\necho "$0" >> "%s/mark"\n' "$EVIL" > "$EVIL/program"
	chmod +x "$EVIL/program"
	for name in qm pvesh pvesm perl sh bash kvm systemctl nvidia-smi pve-vgpu; do
		ln -sf program "$EVIL/$name"
	done
	for name in evil strict warnings; do
		# shellcheck disable=SC2016
		printf 'open(my $f, ">>", "%s/mark"); print $f "%s"; 1;\n' "$EVIL" "$name" > "$EVIL/$name.pm"
	done
	echo 'not a library' > "$EVIL/libjson-c.so.none"
	: > "$EVIL/mark"
}

# under NAME COMMAND…: in those surroundings; bats' own descriptor is none of them
under() {
	/usr/bin/python3 "$TOP/tests/bats/hostile.py" "$1" "$EVIL" "${@:2}" 3>&-
}

# step NAME WORD…: pve-vgpu in those surroundings; status and what it says go to SAID. Its output is no file, whose size would be limited.
step() {
	local status=0

	under "$1" "$PVE_VGPU" --root "$ROOT" "${@:2}" > >(cat > "$SAID.out") 2> >(cat > "$SAID.err") || status=$?
	wait
	echo "${*:2}: $status" >> "$SAID.status"
	{ echo "${*:2}:"; cat "$SAID.out" "$SAID.err"; } | constant >> "$SAID.texts"
}

# constant: without what differs from one run to the next
constant() {
	sed -E "s|$ROOT|ROOT|g; s/pid [0-9]+/pid N/g; s/began [0-9]+ s ago/began N s ago/; s/\"(claimed_ms|qemu)\": ?[0-9]+/\"\1\": N/g"
}

# left: every file below ROOT, with its mode and its text
left() {
	find "$ROOT" -path "$SYS" -prune -o -path "$ROOT/etc/pve" -prune -o -path "$ROOT/proc" -prune -o \
		-path "$ROOT/.pve" -o -printf '%P %y %m %l\n' | sort
	find "$ROOT/run" "$ROOT/var" "$ROOT/etc" -type f ! -name '.*' | sort | while read -r file; do
		echo "== $file"
		cat "$file"
	done | constant
}

# life NAME: a VM gets its vGPU, starts, stops and gives it back; what was said and done goes to SAID.*
life() {
	SAID=$BATS_TEST_TMPDIR/$1
	rm -f "$SAID".*
	set_node mdev
	vm 100 'meta: creation-qemu=9.0.0,ctime=1700000000' 'smbios1: uuid=6f2a1d0e-0000-4000-8000-00000000cafe'
	step "$1" types
	# The one mode in which the vGPU is the hook's alone, with PVE's tools called for it
	step "$1" set 100 A40-24A --mode args
	step "$1" show 100
	step "$1" plan 100
	step "$1" snippet status
	step "$1" 100 pre-start
	left > "$SAID.started"
	mdevs >> "$SAID.started"
	qemu 100 "$(uuid 100)"
	step "$1" 100 post-start
	step "$1" list
	step "$1" gc
	step "$1" 100 pre-stop
	qemu_gone 100
	step "$1" 100 post-stop
	step "$1" doctor
	step "$1" unset 100
	left > "$SAID.ended"
	mdevs >> "$SAID.ended"
	pve_log > "$SAID.called"
}

# plain_life: what the others are compared with, once for all tests
plain_life() {
	[ ! -e "$BATS_FILE_TMPDIR/plain.ended" ] || return 0
	life plain
	# It is the life that is meant.
	grep -qx '100 pre-start: 0' "$SAID.status"
	grep -qx "$(uuid 100)" "$SAID.started"
	grep -q '^qm set 100 ' "$SAID.called"
	cp "$SAID".* "$BATS_FILE_TMPDIR"
	again
}

# again: no node, as at the begin of the test
again() {
	node_teardown
	rm -rf "$ROOT"
	MOUNTED='' ROOT=''
}

# compare NAME PART…: with the life in plain surroundings
compare() {
	local part

	for part in "${@:2}"; do
		diff -u "$BATS_FILE_TMPDIR/plain.$part" "$BATS_TEST_TMPDIR/$1.$part"
	done
	[ ! -s "$EVIL/mark" ] || { cat "$EVIL/mark"; false; }
}
