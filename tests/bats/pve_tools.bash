# SPDX-License-Identifier: AGPL-3.0-or-later
# The stand-ins for PVE's tools (tests/pve/tools) below the ROOT of one node, with
# a plain directory for /etc/pve.

# The tests use what is set here:
# shellcheck disable=SC2154,SC2034

# pve_tools: after node() or for any ROOT that has etc/pve/local
pve_tools() {
	local state=$BATS_TEST_TMPDIR/pve-${ROOT##*/}

	mkdir -p "$ROOT"/usr/{sbin,bin} "$ROOT"/var/lib/{dpkg,vz} "$ROOT/etc/pve/mapping" "$state"
	cp "$TOP/tests/pve/tools/qm" "$TOP/tests/pve/tools/pvesm" "$ROOT/usr/sbin"
	cp "$TOP/tests/pve/tools/pvesh" "$ROOT/usr/bin"
	# Out of the way of what looks whether anything below ROOT has changed
	ln -sfn "$state" "$ROOT/.pve"
	ln -sfn "$TOP/tests/pve" "$state/lib"
	: > "$state/log"
	echo 9.2.6 > "$state/version"
	printf 'Package: qemu-server\nStatus: install ok installed\nVersion: 9.2.6\n\n' > "$ROOT/var/lib/dpkg/status"
}

# calls: of PVE's tools so far, one a line
calls() {
	jq -r '[.tool] + .argv | join(" ")' "$ROOT/.pve/log"
}

# meanwhile COUNT PATTERN COMMAND: somebody runs that just before a call that matches does its work
meanwhile() {
	printf '%s\t%s\tbefore\t%s\n' "$1" "$2" "$3" >> "$ROOT/.pve/faults"
}

# tool_fails PATTERN STATUS TEXT
tool_fails() {
	printf '1\t%s\tfail\t%s\t%s\n' "$1" "$2" "$3" >> "$ROOT/.pve/faults"
}
