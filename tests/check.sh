#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Run all tests, or the files named, and end with one line "N passed, M failed".
# A skipped test counts as failed: what cannot run here has shown nothing.
set -u
cd "$(dirname "$0")/.." || exit 1

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

# tap NAME COMMAND…: a program that prints TAP; one that fails without saying so is a failure too
tap() {
	local name=$1 before=$failed status

	shift
	printf '# %s\n' "$name"
	"$@" > "$out" 2>&1
	status=$?
	count "$name" < "$out"
	if [ "$status" -ne 0 ] && [ "$failed" -eq "$before" ]; then
		failed=$((failed + 1))
		failures+=("$name: exit status $status, having said: $(grep -v -e '^ok ' -e '^1\.\.' "$out" | tail -n 5)")
	fi
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
out=$scratch/out

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
for suite in "${suites[@]}"; do
	case $suite in
	*.o|*.d) ;;
	*.bats) tap "$suite" bats --formatter tap --timing "$suite" ;;
	*) tap "$suite" "$suite" ;;
	esac
done

if [ "${#failures[@]}" -gt 0 ]; then
	echo "# failed:"
	printf '#   %s\n' "${failures[@]}"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
