# SPDX-License-Identifier: AGPL-3.0-or-later
# Nodes of a cluster with PVE's own programs on them (tests/pve/tools) and with
# pmxcfs below /etc/pve (tests/pmxcfs), and small words for what an admin does
# there. ROOT is the root directory of the node `here`; root_of names the others'.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

load_pve_helper() {
	local BATS_TEST_DIRNAME=$BATS_TEST_DIRNAME/../pve

	load pve_helper
}
load_pve_helper

TOOLS=$TOP/tests/pve/tools
PMXCFS_SIM=${PMXCFS_SIM:-$TOP/tests/pmxcfs/pmxcfs-sim}

# root_of NODE: its root directory
root_of() {
	case $1 in
	here) echo "$BATS_TEST_TMPDIR/root" ;;
	*) echo "$BATS_TEST_TMPDIR/node-$1" ;;
	esac
}

# tools_node mdev|nvidia-vfio [NODE…]: this node with two GPUs, and the other nodes of its
# cluster, each with GPUs of its own of the same kind
tools_node() {
	local name

	pve_node "$1"
	shift
	for name; do
		other_root "$name"
	done
	mount_pmxcfs here "$@"
	for name in here "$@"; do
		put_tools "$name" here "$@"
		pve_version 9.2.6 "$name"
	done
	storages <<- 'END'
	dir: local
	path /var/lib/vz
	content backup,iso,vztmpl

	lvmthin: local-lvm
	thinpool data
	vgname pve
	content images,rootdir

	END
	settings '[defaults]' 'cleanup-wait = 1'
}

other_root() {
	local root

	root=$(root_of "$1")
	mkdir -p "$root"/etc/pve "$root"/run/lock/qemu-server "$root"/run/qemu-server "$root"/var/lib/vz/snippets \
		"$root"/proc "$root"/sys
	ln -sfn /run/lock "$root/var/lock"
	ln -sfn /run "$root/var/run"
	"$VGPU_SIM" "$BATS_TEST_TMPDIR/node.json" "$root/sys"
	MOUNTED="$MOUNTED$root/sys"$'\n'
}

# mount_pmxcfs NODE…: one cluster file system, and each node's sight of it
mount_pmxcfs() {
	local name mounts=()

	for name; do
		mounts+=("$name=$(root_of "$name")/etc/pve")
	done
	"$PMXCFS_SIM" "${mounts[@]}"
	for name; do
		MOUNTED="$(root_of "$name")/etc/pve"$'\n'"$MOUNTED"
	done
}

# put_tools NODE ALL-NODES…: qm, pvesh and pvesm where PVE has them
put_tools() {
	local name=$1 root other

	shift
	root=$(root_of "$name")
	# Out of the way of what looks whether anything below ROOT has changed
	mkdir -p "$root/usr/sbin" "$root/usr/bin" "$root/var/lib/dpkg" "$BATS_TEST_TMPDIR/pve-$name"
	ln -sfn "$BATS_TEST_TMPDIR/pve-$name" "$root/.pve"
	cp "$TOOLS/qm" "$TOOLS/pvesm" "$root/usr/sbin"
	cp "$TOOLS/pvesh" "$root/usr/bin"
	ln -sfn "$TOP/tests/pve" "$root/.pve/lib"
	: > "$root/.pve/log"
	for other; do
		[ "$other" = "$name" ] || echo "$other $(root_of "$other")"
	done > "$root/.pve/nodes"
}

# on NODE COMMAND…: with that node's root directory for ROOT
on() {
	local ROOT SYS

	ROOT=$(root_of "$1")
	SYS=$ROOT/sys
	shift
	"$@"
}

# offline NODE: it cannot be reached from here
offline() {
	sed -i "s|^$1 .*|$1 offline|" "$ROOT/.pve/nodes"
}

# pve_version VERSION [NODE]: of qemu-server, as dpkg has it, "7.4-1" or "9.2.6"
pve_version() {
	local root

	root=$(root_of "${2:-here}")
	printf 'Package: %s\nStatus: install ok installed\nVersion: %s\n\n' qemu-server "$1" \
		pve-manager "$1" > "$root/var/lib/dpkg/status"
	echo "$1" > "$root/.pve/version"
	PVE=$1
}

# storages: the whole of storage.cfg, from standard input. What stands below a header gets its tab here.
storages() {
	sed -E '/^[a-z]+: /!s/^(.+)$/\t\1/' > "$ROOT/etc/pve/storage.cfg"
}

# tool NAME ARG…: PVE's program of that name, as an admin calls it
tool() {
	local name=$1

	shift
	"$(tool_path "$name")" "$@" 3>&-
}

tool_path() {
	case $1 in
	pvesh) echo "$ROOT/usr/bin/pvesh" ;;
	*) echo "$ROOT/usr/sbin/$1" ;;
	esac
}

# --- configs of VMs ---------------------------------------------------------------------

# conf_file VMID: wherever in the cluster it lies
conf_file() {
	echo "$ROOT"/etc/pve/nodes/*/qemu-server/"$1".conf
}

conf() {
	cat "$(conf_file "$1")"
}

# as_pve_writes: a config from standard input, as PVE prints it
as_pve_writes() {
	perl -I"$TOP/tests/pve" -MPve::Tool::VmConfig -e 'undef $/;
		print Pve::Tool::VmConfig::print_config(Pve::Tool::VmConfig::parse(<STDIN>))'
}

# pve_vm VMID [LINE…]: a VM as the GUI makes it, with these lines more. Where NODE is set, there.
pve_vm() {
	local vmid=$1

	shift
	as_pve_writes > "$ROOT/etc/pve/nodes/${NODE:-here}/qemu-server/$vmid.conf" <<- END
	boot: order=scsi0;net0
	cores: 4
	memory: 8192
	meta: creation-qemu=9.2.0,ctime=$((1700000000 + vmid))
	name: vm$vmid
	net0: virtio=BC:24:11:00:00:$(printf '%02X' $((vmid % 256))),bridge=vmbr0,firewall=1
	numa: 0
	ostype: l26
	scsi0: local-lvm:vm-$vmid-disk-0,iothread=1,size=32G
	scsihw: virtio-scsi-single
	smbios1: uuid=$(printf '12345678-1234-4234-8234-%012d' "$vmid")
	sockets: 1
	vmgenid: $(printf '87654321-4321-4321-8321-%012d' "$vmid")
	$(printf '%s\n' "$@")
	END
}

# admin_edits VMID SED-EXPRESSION…: with an editor, as some do
admin_edits() {
	local file text

	file=$(conf_file "$1")
	shift
	text=$(sed "${@/#/-e}" "$file"; echo .)
	printf '%s' "${text%.}" > "$file"
}

# assert_conf VMID LINE: it stands in the config before the first section
assert_conf() {
	conf "$1" | sed '/^\[/,$d' | grep -qxF -- "$2" || { echo "no '$2' in:"; conf "$1"; return 1; }
}

# refute_conf VMID KEY: nor there nor in [PENDING]
refute_conf() {
	! conf "$1" | sed '/^\[[^P]/,$d' | grep -E "^$2:" || { echo "'$2' in:"; conf "$1"; return 1; }
}

# pending VMID: what waits for the next start, a setting a line
pending() {
	conf "$1" | sed -n '/^\[PENDING\]/,/^\[[^P]/{/^[^[]/p}'
}

digest() {
	sha1sum < "$(conf_file "$1")" | cut -d' ' -f1
}

# --- what was called --------------------------------------------------------------------

# pve_log: a call a line, "qm set 100 --hookscript …"
pve_log() {
	jq -r '[.tool] + .argv | join(" ")' "$ROOT/.pve/log"
}

pve_log_reset() {
	: > "$ROOT/.pve/log"
}

# pve_calls PATTERN: how many of the calls match
pve_calls() {
	pve_log | grep -cE -- "$1" || true
}

# changed_nothing: no call that changes anything
changed_nothing() {
	assert_equal "$(pve_calls '^(qm set|pvesm set|pvesh (set|create|delete))')" 0
}

# pve_fault COUNT PATTERN WHAT [MORE…]: as tests/pve/Pve/Tool/Call.pm has it
pve_fault() {
	local IFS=$'\t'

	echo "$*" >> "$ROOT/.pve/faults"
}

# edit_before PATTERN VMID SED-EXPRESSION: somebody edits the config just before the next call
# that matches does its work; edit_after: just behind it
edit_before() {
	pve_fault 1 "$1" before "sed '$3' '$(conf_file "$2")' > '$BATS_TEST_TMPDIR/edit' && cat '$BATS_TEST_TMPDIR/edit' > '$(conf_file "$2")'"
}

edit_after() {
	pve_fault 1 "$1" after "sed '$3' '$(conf_file "$2")' > '$BATS_TEST_TMPDIR/edit' && cat '$BATS_TEST_TMPDIR/edit' > '$(conf_file "$2")'"
}

# lock_seconds N: how long PVE's programs wait for a lock; 10 as long as nothing is said
lock_seconds() {
	echo "$1" > "$ROOT/.pve/lock-seconds"
}

# --- the cluster ------------------------------------------------------------------------

# quorum yes|no
quorum() {
	case $1 in
	yes) echo 1 ;;
	no) echo 0 ;;
	esac > "$ROOT/etc/pve/.sim/quorum"
}

# age_lock NAME SECONDS: that cluster-wide lock was taken so much earlier
age_lock() {
	echo "priv/lock/$1 $2" > "$ROOT/etc/pve/.sim/age"
}

# cfs_writes: what was done to files in /etc/pve since cfs_writes_reset, "NODE OPERATION PATH" a line
cfs_writes() {
	cat "$ROOT/etc/pve/.sim/log"
}

cfs_writes_reset() {
	echo > "$ROOT/etc/pve/.sim/log"
}
