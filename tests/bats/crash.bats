#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# A part of what `make check-crash` tries: a crash before and behind each call
# of a start and of `set`. And that what tries it sees what is wrong.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

CRASH=$TOP/tests/crash/run
export INJECT=${INJECT:-$TOP/build/tests/crash/inject}
export PVE_VGPU

# all_passed: the last line of the output says so
all_passed() {
	assert_success
	[[ ${lines[-1]} =~ ^([0-9]+)\ points\ tried,\ ([0-9]+)\ passed$ ]]
	assert_equal "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
	[ "${BASH_REMATCH[1]}" -gt "$1" ]
}

@test "a crash before and behind each call of a pre-start that changes something" {
	run "$CRASH" --what kill --ways one pre-start-mdev
	all_passed 50
}

@test "a crash before and behind each call of set that changes something" {
	run "$CRASH" --what kill --ways one set-args-mdev
	all_passed 20
}

@test "what a crash leaves is found where nothing takes it away" {
	run "$CRASH" --what kill --ways none post-stop-mdev
	assert_failure 1
	assert_output 'is leaked'
	assert_output 'record '
	assert_output 'passed 1 '
}

@test "results are kept for each program: what is there is not run again, and what is missing is named" {
	local results=$BATS_TEST_TMPDIR/results count build

	build=$(sha256sum < "$PVE_VGPU" | cut -c 1-12)
	run -0 "$CRASH" --results "$results" --jobs 2 --what kill post-start-mdev
	all_passed 10
	assert_output 'post-start-mdev kill: '
	count=${BASH_REMATCH[2]}/${BASH_REMATCH[1]}
	assert_output "| post-start-mdev | $count |"
	run -0 "$CRASH" --results "$results" --what kill post-start-mdev
	all_passed 10
	refute_output 'post-start-mdev kill: '
	run -1 "$CRASH" --results "$results" --table post-start-mdev
	assert_output 'missing: post-start-mdev fail, post-start-mdev read'
	# Another program has none of them.
	{ cat "$PVE_VGPU" && echo; } > "$BATS_TEST_TMPDIR/other"
	PVE_VGPU=$BATS_TEST_TMPDIR/other run -1 "$CRASH" --results "$results" --table --what kill post-start-mdev
	assert_output '0 points tried, 0 passed'
	PVE_VGPU=$BATS_TEST_TMPDIR/other run -0 "$CRASH" --results "$results" --table --what kill --also "$build" post-start-mdev
	assert_output "| post-start-mdev | $count * |"
}

@test "make check-crash: below a directory with a blank in its name" {
	local dir="$BATS_TEST_TMPDIR/a b"

	mkdir -p "$dir/tests/crash"
	cp "$TOP/Makefile" "$dir"
	printf '#!/bin/sh\necho "$INJECT"\n' > "$dir/tests/crash/run"
	chmod 755 "$dir/tests/crash/run"
	run -0 env -u INJECT -u BUILD -u MAKEFLAGS make -s -C "$dir" -o all -o inject check-crash
	assert_equal "$output" "$dir/build/tests/crash/inject"
}

@test "inject: each point is named, met once, and none that does not come is passed over" {
	local points=$BATS_TEST_TMPDIR/points program

	node a40x8-mdev
	program=("$PVE_VGPU" --root "$ROOT" create A40-24A)
	run -0 "$INJECT" --points "$points" -- "${program[@]}"
	grep -qx "1\.[0-9]* change write+ .*/0000:67:00\.4/mdev_supported_types/nvidia-575/create" "$points"
	run -124 "$INJECT" --at 1.999 --kill -- "${program[@]}"
	assert_equal "$(mdevs | wc -l)" 2
	run -137 "$INJECT" --at 1.1 --before --kill -- "${program[@]}"
	assert_equal "$(mdevs | wc -l)" 2
	run -2 "$INJECT" --at 1.1 -- "${program[@]}"
	run -125 "$INJECT" -- "$BATS_TEST_TMPDIR"
	assert_equal "$output" "inject: run '$BATS_TEST_TMPDIR': Permission denied"
}

@test "inject: a call that fails is not made, one killed behind has been, and a short one is half" {
	local program=("$PVE_VGPU" --root "$BATS_TEST_TMPDIR/root" create A40-24A) at made

	node a40x8-mdev
	pve_vgpu create A40-24A > /dev/null
	"$INJECT" --points "$BATS_TEST_TMPDIR/points" -- "${program[@]}" > /dev/null
	at=$(sed -n 's/^\([^ ]*\) change write+ .*\/create$/\1/p' "$BATS_TEST_TMPDIR/points")
	made=$(mdevs | wc -l)
	# Another place serves, so one vGPU more is there, and not two.
	run -0 "$INJECT" --at "$at" --errno EIO -- "${program[@]}"
	assert_output 'Input/output error; trying the next place'
	assert_equal "$(mdevs | wc -l)" $((made + 1))
	# Half a UUID is none.
	run -0 "$INJECT" --at "$at" --short -- "${program[@]}"
	assert_output 'Invalid argument; trying the next place'
	assert_equal "$(mdevs | wc -l)" $((made + 2))
	run -137 "$INJECT" --at "$at" --before --kill -- "${program[@]}"
	assert_equal "$(mdevs | wc -l)" $((made + 2))
	run -137 "$INJECT" --at "$at" --after --kill -- "${program[@]}"
	assert_equal "$(mdevs | wc -l)" $((made + 3))
}

@test "create: an mdev that the driver refuses and makes all the same is taken away, and the next place serves" {
	local program at

	node a40x8-mdev
	program=("$PVE_VGPU" --root "$ROOT" create A40-48A --uuid 11111111-aaaa-4bbb-8ccc-000000000001)
	# The first time makes directories, too: points that do not come again.
	for _ in 1 2; do
		"$INJECT" --points "$BATS_TEST_TMPDIR/points" -- "${program[@]}"
		pve_vgpu remove 11111111-aaaa-4bbb-8ccc-000000000001
	done
	at=$(sed -n 's/^\([^ ]*\) change write+ .*\/create$/\1/p' "$BATS_TEST_TMPDIR/points")
	run -0 "$INJECT" --at "$at" --after --errno EIO -- "${program[@]}"
	assert_output 'Input/output error, and the vGPU is there all the same; trying the next place'
	assert_equal "$(mdevs)" 11111111-aaaa-4bbb-8ccc-000000000001
	run -0 pve_vgpu remove 11111111-aaaa-4bbb-8ccc-000000000001
	assert_equal "$(mdevs)" ''
}

@test "create: an mdev that the driver refuses and makes all the same, and does not take back, stays on record" {
	local program at uuid=11111111-aaaa-4bbb-8ccc-000000000001

	node a40x8-mdev
	program=("$PVE_VGPU" --root "$ROOT" create A40-48A --uuid "$uuid")
	for _ in 1 2; do
		"$INJECT" --points "$BATS_TEST_TMPDIR/points" -- "${program[@]}"
		pve_vgpu remove "$uuid"
	done
	at=$(sed -n 's/^\([^ ]*\) change write+ .*\/create$/\1/p' "$BATS_TEST_TMPDIR/points")
	# Now it is taken back at the second try, and now never.
	fault write '*/remove' EBUSY 1
	run -1 "$INJECT" --at "$at" --after --errno EIO -- "${program[@]}"
	assert_equal "$(mdevs)" ''
	assert_equal "$(ls "$ROOT/run/pve-vgpu/standalone")" ''
	fault write '*/remove' EBUSY 2
	run -1 "$INJECT" --at "$at" --after --errno EIO -- "${program[@]}"
	assert_output "is left for \`pve-vgpu remove $uuid\`"
	assert_equal "$(mdevs)" "$uuid"
	run -0 pve_vgpu remove "$uuid"
	assert_equal "$(mdevs)" ''
}

@test "create: a VF that holds the type behind a refusal may be another's: it is left alone, and told" {
	local program at

	node a40x8-vfio
	program=("$PVE_VGPU" --root "$ROOT" create A40-48A)
	for _ in 1 2; do
		"$INJECT" --points "$BATS_TEST_TMPDIR/points" -- "${program[@]}"
		pve_vgpu remove "$VF1"
	done
	at=$(sed -n 's/^\([^ ]*\) change write+ .*\/current_vgpu_type$/\1/p' "$BATS_TEST_TMPDIR/points")
	run -0 "$INJECT" --at "$at" --after --errno EIO -- "${program[@]}"
	assert_output 'Input/output error, and the VF holds that type all the same (where nobody else has set it: echo 0 > '
	assert_equal "$(vendor_vgpus | wc -l)" 2
	assert_equal "$(current $VF1)" 576
	run pve_vgpu remove "$VF1"
	assert_failure 1
	assert_output 'was not made by pve-vgpu'
}

@test "remove: a vendor driver that refuses and has done it all the same is a success" {
	local program at

	node a40x8-vfio
	program=("$PVE_VGPU" --root "$ROOT" remove "$VF1")
	for _ in 1 2; do
		pve_vgpu create A40-48A
		"$INJECT" --points "$BATS_TEST_TMPDIR/points" -- "${program[@]}"
	done
	pve_vgpu create A40-48A
	at=$(sed -n 's/^\([^ ]*\) change write .*\/current_vgpu_type$/\1/p' "$BATS_TEST_TMPDIR/points")
	run -0 "$INJECT" --at "$at" --after --errno EIO -- "${program[@]}"
	assert_equal "$(vendor_vgpus)" ''
	[ ! -e "$ROOT/run/pve-vgpu/standalone/$VF1.json" ]
}
