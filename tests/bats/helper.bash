# SPDX-License-Identifier: AGPL-3.0-or-later
# A node of its own for every test: a root directory with the simulated sysfs
# in it, and small words for what an admin, PVE and QEMU do to it.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

load own_mounts
# shellcheck source=tests/bats/stack.bash
. "${BASH_SOURCE[0]%/*}/stack.bash"
bats_require_minimum_version 1.5.0

TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
PVE_VGPU=${PVE_VGPU:-$TOP/pve-helper/pve-vgpu}
VGPU_SIM=${VGPU_SIM:-$TOP/tests/sim/vgpu-sim}

# node FILE: mount tests/nodes/FILE.json, or a file given by its path
node() {
	local file=$1

	[ -e "$file" ] || file=$TOP/tests/nodes/$1.json
	ROOT=${ROOT:-$BATS_TEST_TMPDIR/root}
	SYS=$ROOT/sys
	mkdir -p "$SYS" "$ROOT"/etc/pve/nodes/pve1/{qemu-server,lxc} "$ROOT"/run/qemu-server \
		"$ROOT"/run/lock/qemu-server "$ROOT"/var/lib "$ROOT"/proc
	ln -sfn /run/lock "$ROOT/var/lock"
	ln -sfn /run "$ROOT/var/run"
	# As pmxcfs shows it on node pve1.
	ln -sfn nodes/pve1 "$ROOT/etc/pve/local"
	ln -sfn nodes/pve1/qemu-server "$ROOT/etc/pve/qemu-server"
	: > "$ROOT/etc/pve/.version"
	"$VGPU_SIM" "$file" "$SYS"
	MOUNTED="${MOUNTED:-}$SYS"$'\n'
}

# Call it from teardown: whatever a test has left goes. PIDS are those of the programs
# themselves: pve_vgpu and hook in the background would be shells around one, and
# killing such a shell leaves the program to write where the test's files are removed.
# MOUNTED is a path a line, for a path may have blanks in it.
node_teardown() {
	local m pid

	for pid in ${PIDS:-}; do
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	while IFS= read -r m; do
		[ -z "$m" ] || fusermount3 -u "$m" 2>/dev/null || fusermount3 -uz "$m"
	done <<< "${MOUNTED:-}"
}

# vm VMID [CONFIG-LINE…]: the VM's configuration
vm() {
	local vmid=$1

	shift
	printf '%s\n' "name: vm$vmid" "$@" > "$ROOT/etc/pve/qemu-server/$vmid.conf"
}

# settings TEXT: the whole of /etc/pve/pve-vgpu.conf
settings() {
	printf '%s\n' "$@" > "$ROOT/etc/pve/pve-vgpu.conf"
}

# intent VMID CHOICES [INDEX]: one more [vm] section
intent() {
	printf '[vm %s]\nhostpci%s = %s\n' "$1" "${3:-0}" "$2" >> "$ROOT/etc/pve/pve-vgpu.conf"
}

pve_vgpu() {
	"$PVE_VGPU" --root "$ROOT" "$@"
}

# hook VMID PHASE: as PVE calls its hookscript
hook() {
	pve_vgpu "$@"
}

# uuid VMID [INDEX]: the UUID that qemu-server and we give that vGPU
uuid() {
	printf '%08d-0000-0000-0000-%012d' "${2:-0}" "$1"
}

mdevs() {
	ls "$SYS/bus/mdev/devices"
}

# current VF: the type set on a vendor VF
current() {
	cat "$SYS/bus/pci/devices/$1/nvidia/current_vgpu_type"
}

# All vendor VFs that hold a type, "VF TYPE" a line
vendor_vgpus() {
	local f t

	for f in "$SYS"/bus/pci/devices/*/nvidia/current_vgpu_type; do
		t=$(cat "$f")
		[ "$t" = 0 ] || echo "$(basename "$(dirname "$(dirname "$f")")") $t"
	done
}

# Names below /dev/vfio that QEMU would have open for the device at this path of sysfs
vfio_names() {
	basename "$(readlink "$SYS/$1/iommu_group")"
	if [ -d "$SYS/$1/vfio-dev" ]; then
		ls "$SYS/$1/vfio-dev" | sed 's|^|devices/|'
	fi
}

# device UUID-OR-BDF: its path in sysfs
device() {
	case $1 in
	*:*) echo "bus/pci/devices/$1" ;;
	*) echo "bus/mdev/devices/$1" ;;
	esac
}

# qemu VMID [UUID-OR-BDF…]: a QEMU of that VM as PVE sees it, with these vGPUs open.
# The pid is that of no real process: all of it is in ROOT/proc.
qemu() {
	local vmid=$1 pid=$((400000 + $1)) fd=20 dev name

	shift
	mkdir -p "$ROOT/proc/$pid/fd"
	printf '%s\0' /usr/bin/kvm -id "$vmid" -pidfile "/var/run/qemu-server/$vmid.pid" -daemonize \
		> "$ROOT/proc/$pid/cmdline"
	echo "$pid" > "$ROOT/run/qemu-server/$vmid.pid"
	for dev; do
		echo "$dev yes" > "$SYS/.sim/open"
		for name in $(vfio_names "$(device "$dev")"); do
			ln -s "/dev/vfio/$name" "$ROOT/proc/$pid/fd/$((fd++))"
		done
		echo "$dev" >> "$ROOT/proc/$pid/devices"
	done
}

# qemu_gone VMID: that QEMU has ended, however
qemu_gone() {
	local pid=$((400000 + $1)) dev

	for dev in $(cat "$ROOT/proc/$pid/devices" 2>/dev/null); do
		echo "$dev no" > "$SYS/.sim/open" || true
	done
	rm -rf "${ROOT:?}/proc/$pid" "$ROOT/run/qemu-server/$1.pid"
}

# pve_lock VMID: hold PVE's lock of the VM's config, as through a whole start; pve_unlock ends it
pve_lock() {
	exec {PVE_LOCK_FD}> "$ROOT/run/lock/qemu-server/lock-$1.conf"
	flock "$PVE_LOCK_FD"
}

pve_unlock() {
	exec {PVE_LOCK_FD}>&-
}

# ops: operations on attributes since ops_reset
ops_reset() { echo > "$SYS/.sim/ops"; }
ops() { jq .total "$SYS/.sim/ops"; }

# age VMID SECONDS: make the VM's claim that much older
age() {
	local f=$ROOT/run/pve-vgpu/$1.json

	jq --argjson s "$2" '.claimed_ms -= $s * 1000 | .claimed_ms |= if . < 0 then 0 else . end' "$f" > "$f.new"
	mv "$f.new" "$f"
}

# fault OP PATTERN ERRNO [COUNT], delay PATTERN MS
fault() { echo "$*" > "$SYS/.sim/fault"; }
delay() { echo "$*" > "$SYS/.sim/delay"; }

assert_success() {
	[ "$status" -eq 0 ] || { echo "status $status, wanted 0"; echo "$output"; return 1; }
}

# assert_failure [STATUS]
assert_failure() {
	[ "$status" -eq "${1:-1}" ] || { echo "status $status, wanted ${1:-1}"; echo "$output"; return 1; }
}

# assert_output TEXT: it stands in the output; nothing stands in each
assert_output() {
	[ -n "$1" ] && [[ $output == *"$1"* ]] || { echo "no '$1' in:"; echo "$output"; return 1; }
}

refute_output() {
	[[ $output != *"$1"* ]] || { echo "'$1' in:"; echo "$output"; return 1; }
}

assert_equal() {
	[ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }
}

# node_json: mount the node described on standard input
node_json() {
	cat > "$BATS_TEST_TMPDIR/node.json"
	node "$BATS_TEST_TMPDIR/node.json"
}

# a40 [MEMBERS] [VGPUS]: one A40 at 0000:e8:00.0 with these members more, and vGPUs at the start
a40() {
	node_json <<< "{\"gpus\":[{\"bdf\":\"0000:e8:00.0\"${1:+,$1}}]${2:+,\"vgpus\":[$2]}}"
}

# available [GPU]: {"A40-24A": 2, …}, as `types --json` has it
available() {
	pve_vgpu types --json |
		jq -c --arg g "${1:-}" '[.[] | select($g == "" or .gpu == $g) | {(.name): .available}] | add'
}

# on_tty COMMAND…: its output on a terminal
on_tty() {
	TERM=xterm script -qec "$(printf '%q ' "$@")" /dev/null | tr -d '\r'
}

# junk COUNT: so many bytes of all kinds, the same ones each time
junk() {
	perl -e '$x = 1; print chr(($x = ($x * 1103515245 + 12345) % 2 ** 31) >> 16 & 255) for 1 .. $ARGV[0]' "$1"
}

# tree: every file that pve-vgpu could change, with its contents
tree() {
	find "$ROOT" -path "$SYS" -prune -o -printf '%p %y %m %l\n' -type f -exec sha256sum {} + | sort
}
