# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# Where a command fails bats says the line, and the functions that led there. For that it notes the stack before each command of
# a test, in some forty commands of its own, which is most of what a test costs. Here the stack is noted once a command has failed:
# bash's ERR trap has the lines right from 5.0 on. A bats that goes about it in another way is left as it is.

# shellcheck source=tests/bats/old_bats.bash
. "${BASH_SOURCE[0]%/*}/old_bats.bash"

# Bats reads them.
# shellcheck disable=SC2034
if [ "${BASH_VERSINFO[0]}" -ge 5 ] && declare -F bats_debug_trap bats_error_trap bats_check_status_from_trap bats_capture_stack_trace > /dev/null; then
	bats_debug_trap() { trap - DEBUG; }
	# What was noted up to here is where this is loaded.
	BATS_DEBUG_LAST_STACK_TRACE=() BATS_DEBUG_LASTLAST_STACK_TRACE=()

	bats_error_trap() {
		# First, for it takes the failed command's status from $?.
		bats_check_status_from_trap
		[ -n "$BATS_DEBUG_LAST_STACK_TRACE_IS_VALID" ] || bats_capture_stack_trace
		BATS_DEBUG_LAST_STACK_TRACE_IS_VALID=1
	}
fi
