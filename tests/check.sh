#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Run all tests, or the files named, and end with one line "N passed, M failed".
# A skipped test counts as failed: what cannot run here has shown nothing.
#
#	check.sh [FILE…]
#
# JOBS files run at a time, as many as there are processors; what they say comes in the order in which they are named.
set -u
cd "$(dirname "$0")/.." || exit 1

# suite OUT FILE: run one, which prints TAP; what it says goes to OUT, its exit status behind it to OUT.status
suite() {
	case $2 in
	*.bats) bats --formatter tap --timing "$2" ;;
	*) "$2" ;;
	esac > "$1" 2>&1 < /dev/null
	echo $? > "$1.ended"
	mv "$1.ended" "$1.status"
	echo "$1"
}

# This script again, by run_all
if [ "${1-}" = --suite ]; then
	suite "$2" "$3"
	exit
fi

passed=0 failed=0
failures=()

# count NAME: read TAP, show it, count it
count() {
	local line

	while IFS= read -r line; do
		printf '%s\n' "$line"
		case $line in
		"ok "*"# skip"*|"not ok "*)
			failed=$((failed + 1))
			failures+=("$1: $line")
			;;
		"ok "*)
			passed=$((passed + 1))
			;;
		esac
	done
}

# show OUT NAME: one that has ended; one that fails without saying so is a failure too
show() {
	local out=$1 name=$2 before=$failed status

	printf '# %s\n' "$name"
	read -r status < "$out.status"
	count "$name" < "$out"
	if [ "$status" -ne 0 ] && [ "$failed" -eq "$before" ]; then
		failed=$((failed + 1))
		failures+=("$name: exit status $status, having said: $(grep -v -e '^ok ' -e '^1\.\.' "$out" | tail -n 5)")
	fi
}

# run_all FILE…: the name of each file's output as it ends
run_all() {
	local i

	for ((i = 1; i <= $#; i++)); do
		printf '%s\0%s\0' "$scratch/$i" "${!i}"
	done | xargs -r -0 -n 2 -P "${JOBS:-$(nproc)}" tests/check.sh --suite
}

# show_all FILE…: each in its turn, as soon as it and all before it have ended, and what it all comes to
show_all() {
	local name next=1

	while read -r _; do
		while [ "$next" -le $# ] && [ -e "$scratch/$next.status" ]; do
			name=${!next}
			show "$scratch/$next" "$name"
			next=$((next + 1))
		done
	done
	for ((; next <= $#; next++)); do
		failed=$((failed + 1))
		failures+=("${!next}: did not come to its end")
	done
	if [ "${#failures[@]}" -gt 0 ]; then
		echo "# failed:"
		printf '#   %s\n' "${failures[@]}"
	fi
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# A language that is asked for and not there would show nothing but programs' complaints about it.
# shellcheck source=tests/bats/locales.bash
. tests/bats/locales.bash
if [ -n "${LC_ALL:-}" ] && ! locale_known "$LC_ALL"; then
	make_locale "$scratch/locale" "$LC_ALL" || { echo "LC_ALL: '$LC_ALL' is no locale that this machine can make" >&2; exit 1; }
	# Behind it what this machine has, of which Debian 11 needs C.UTF-8.
	export LOCPATH=$scratch/locale:/usr/lib/locale
	echo "# $LC_ALL: made for these tests"
fi

if [ $# -gt 0 ]; then
	suites=("$@")
else
	suites=("${BUILD:-build}"/tests/unit/test_* tests/bats/*.bats tests/behaviour/*.bats tests/pve/*.bats \
		tests/wrapper/*.bats)
fi
programs=()
for suite in "${suites[@]}"; do
	case $suite in
	*.o|*.d) ;;
	*) programs+=("$suite") ;;
	esac
done
run_all "${programs[@]}" | show_all "${programs[@]}"
