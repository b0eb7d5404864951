#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# What stands in for newer bats on Debian 11 can fail where they can.

load helper

# says_both: two streams, one line empty, one a pattern, status 3
says_both() {
	printf '%s\n' one '' '*' 'two words'
	echo wrong >&2
	return 3
}

@test "run: output, lines and status, whatever it is" {
	old_bats_run says_both
	assert_equal "$status" 3
	assert_equal "$output" $'one\n\n*\ntwo words\nwrong'
	assert_equal "${#lines[@]}" 4
	assert_equal "${lines[1]}" '*'
}

@test "run -N, run !: another status is a failure that says what it was" {
	local got

	old_bats_run -3 says_both
	old_bats_run ! says_both
	old_bats_run -0 -- true
	got=$(old_bats_run -0 says_both) && return 1
	[[ $got == *"status: 3, wanted 0"*'two words'* ]]
	got=$(old_bats_run ! true) && return 1
	[[ $got == *"status: 0, wanted another"* ]]
	got=$(old_bats_run -x true) && return 1
	[[ $got == *"no option '-x'"* ]]
}

@test "run --separate-stderr" {
	old_bats_run -3 --separate-stderr says_both
	assert_equal "$output" $'one\n\n*\ntwo words'
	assert_equal "$stderr" wrong
	assert_equal "${stderr_lines[0]}" wrong
	[ ! -e "$BATS_TEST_TMPDIR.stderr" ]
}

@test "a file's tests fail with its setup_file or teardown_file, and each has a directory of its own" {
	local dir=$BATS_TEST_TMPDIR file bad

	for bad in setup_file teardown_file setup teardown none; do
		file=$dir/$bad.bats
		printf '%s\n' ". '$TOP/tests/bats/old_bats.bash'" "$bad() { false; }" '@test "one" { : > "$BATS_TEST_TMPDIR/here"; }' \
			'@test "two" { [ ! -e "$BATS_TEST_TMPDIR/here" ] && [ -d "$BATS_FILE_TMPDIR" ]; }' > "$file"
		run env -u BATS_RUN_TMPDIR -u BATS_TMPDIR bats --tap "$file"
		case $bad in
		none) assert_success; assert_output 'ok 2 two' ;;
		*) assert_failure; assert_output 'not ok' ;;
		esac
	done
}
