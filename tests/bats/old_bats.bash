# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# What the tests use of bats 1.5 and Debian 11's 1.2 does not have: `run -N`, `run !`, `run --separate-stderr`, a directory for each test
# and for each file, setup_file and teardown_file. With 1.2 each test has a file's set-up of its own.

# The tests read these:
# shellcheck disable=SC2034

# run [-STATUS|!] [--separate-stderr] [--] COMMAND…
old_bats_run() {
	local wanted='' apart='' before=$- errors

	while :; do
		case ${1:-} in
		-[0-9]*) wanted=${1#-} ;;
		!) wanted=! ;;
		--separate-stderr) apart=1 ;;
		--) shift; break ;;
		-*) echo "run: no option '$1'"; return 1 ;;
		*) break ;;
		esac
		shift
	done
	BATS_RUN_COMMAND="$*"
	errors=$BATS_TEST_TMPDIR.stderr
	set +eET
	if [ -n "$apart" ]; then
		output=$("$@" 2> "$errors")
	else
		output=$("$@" 2>&1)
	fi
	status=$?
	set "-$before"
	old_bats_lines lines "$output"
	if [ -n "$apart" ]; then
		stderr=$(< "$errors")
		rm -f "$errors"
		old_bats_lines stderr_lines "$stderr"
	fi
	old_bats_status
}

# old_bats_lines ARRAY TEXT: its lines that are not empty
old_bats_lines() {
	local IFS=$'\n'
	local -

	set -f
	# shellcheck disable=SC2206
	local -a split=($2)
	eval "$1=(\"\${split[@]}\")"
}

# The status that old_bats_run's caller wanted: -N that one, ! any but 0
old_bats_status() {
	case $wanted in
	''|"$status") return 0 ;;
	!) [ "$status" -eq 0 ] || return 0 ;;
	esac
	printf '%s\n' "command: $BATS_RUN_COMMAND" "status: $status, wanted ${wanted/#!/another}" "output:" "$output"
	[ -z "$apart" ] || printf '%s\n' "stderr:" "$stderr"
	return 1
}

# Begins a test, called by what bats makes of its first line
old_bats_begin() {
	BATS_TEST_DESCRIPTION=$1
	if declare -F teardown_file > /dev/null; then
		eval "old_bats_$(declare -f teardown)"
		teardown() {
			local status=0

			old_bats_teardown || status=$?
			teardown_file || status=$?
			return "$status"
		}
	fi
	if declare -F setup_file > /dev/null; then
		setup_file
	fi
	setup
}

if ! declare -F bats_require_minimum_version > /dev/null; then
	bats_require_minimum_version() { [ "$1" = 1.5.0 ]; }
	run() { old_bats_run "$@"; }
	bats_test_begin() { old_bats_begin "$@"; }
	# One process for each test: bats removes all of it.
	BATS_TEST_TMPDIR=$BATS_RUN_TMPDIR/test/$$ BATS_FILE_TMPDIR=$BATS_RUN_TMPDIR/file/$$
	mkdir -p "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR"
fi
