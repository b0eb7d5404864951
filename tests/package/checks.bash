# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# What the tests of packages share: TAP, and words for a Debian of their own at ROOT. WORK is an empty directory.

NUMBER=0 FAILED=0
LOG=$WORK/log
: > "$LOG"

say() { printf '# %s\n' "$*"; }

# in_root COMMAND…: on that Debian; what it says is in LOG
in_root() {
	DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$ROOT" "$@" > "$LOG" 2>&1
}

# check SENTENCE COMMAND…
check() {
	local sentence=$1

	shift
	NUMBER=$((NUMBER + 1))
	if "$@"; then
		echo "ok $NUMBER - $sentence"
	else
		echo "not ok $NUMBER - $sentence"
		sed 's/^/#   /' "$LOG"
		FAILED=$((FAILED + 1))
	fi
}

# summary: the plan, and whether all went well
summary() {
	echo "1..$NUMBER"
	[ "$FAILED" -eq 0 ]
}

says() { grep -qF -- "$1" "$LOG"; }
says_not() { ! says "$1"; }
fails() { ! "$@"; }

# later DEB OUT [together]: the same package, one version later; together with such a one of pve-vgpu's
later() {
	rm -rf "$WORK/later"
	dpkg-deb -R "$1" "$WORK/later"
	sed -i 's/^Version: .*/&+later/' "$WORK/later/DEBIAN/control"
	[ -z "${3:-}" ] || sed -i 's/\(pve-vgpu (= [^)]*\))/\1+later)/' "$WORK/later/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$WORK/later" "$2" > /dev/null
}
