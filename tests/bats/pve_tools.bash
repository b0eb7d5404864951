# SPDX-License-Identifier: AGPL-3.0-or-later
# qm and pvesh, as far as reconcile and mappings go: they write down their calls,
# know digests, and change the files below ROOT.

# The tests use what is set here:
# shellcheck disable=SC2154,SC2034

pve_stub() {
	local tool

	mkdir -p "$ROOT"/usr/{sbin,bin} "$ROOT/etc/pve/mapping"
	CALLS=$ROOT/calls
	: > "$CALLS"
	for tool in usr/sbin/qm usr/bin/pvesh; do
		sed "s|@ROOT@|$ROOT|" "$TOP/tests/bats/pve_stub.py" > "$ROOT/$tool"
		chmod +x "$ROOT/$tool"
	done
}

calls() {
	cat "$CALLS"
}
