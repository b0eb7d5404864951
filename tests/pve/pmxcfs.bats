# SPDX-License-Identifier: AGPL-3.0-or-later
# That tests/pmxcfs refuses what pmxcfs refuses, and gives what it gives.

# shellcheck source=tests/bats/stack.bash
. "$BATS_TEST_DIRNAME/../bats/stack.bash"

PMXCFS_SIM=${PMXCFS_SIM:-$BATS_TEST_DIRNAME/../pmxcfs/pmxcfs-sim}

setup() {
	A=$BATS_TEST_TMPDIR/a B=$BATS_TEST_TMPDIR/b
	mkdir -p "$A" "$B"
	"$PMXCFS_SIM" "here=$A" "there=$B"
}

teardown() {
	fusermount3 -u "$A" || fusermount3 -uz "$A"
	fusermount3 -u "$B" || fusermount3 -uz "$B"
}

# fails ERRNO-NAME CALL…: that system call, as perl makes it
fails() {
	local name=$1

	shift
	run perl -MErrno -MPOSIX -e 'my $want = shift; my $done = eval shift; my $got = $!;
		die "no failure\n" if $done; die "failed: $got\n" if !$got{$want} && $got != Errno->can($want)->();' "$name" "$@"
	[ "$status" -eq 0 ] || { echo "$*: $output"; return 1; }
}

@test "pmxcfs: what one node writes the other reads" {
	echo hello > "$A/x"
	[ "$(cat "$B/x")" = hello ]
	echo more >> "$B/x"
	[ "$(cat "$A/x")" = "$(printf 'hello\nmore')" ]
}

@test "pmxcfs: files are 0640, below priv 0600, and no other mode can be had" {
	(umask 0; : > "$A/x"; : > "$A/priv/y"; : > "$A/nodes/here/priv/z")
	[ "$(stat -c %a "$A/x" "$A/priv/y" "$A/nodes/here/priv/z" | paste -sd' ')" = '640 600 600' ]
	chmod 0640 "$A/x"
	chmod 0600 "$A/priv/y"
	fails EPERM "chmod(0644, '$A/x')"
	fails EPERM "chmod(0600, '$A/x')"
	fails EPERM "chmod(0640, '$A/priv/y')"
}

@test "pmxcfs: the owner can be what it is, and no other" {
	: > "$A/x"
	chown "$(stat -c %u:%g "$A/x")" "$A/x"
	fails EPERM "chown(12345, -1, '$A/x')"
	fails EPERM "chown(-1, 12345, '$A/x')"
}

@test "pmxcfs: no links, and no special files" {
	: > "$A/x"
	# ENOSYS up to Linux 6.14, EPERM since
	run ln "$A/x" "$A/y"
	[ "$status" -ne 0 ]
	[ ! -e "$A/y" ]
	fails ENOSYS "symlink('x', '$A/y')"
	fails ENOSYS "POSIX::mkfifo('$A/y', 0600)"
}

@test "pmxcfs: its own links lead to the directories of the node that looks" {
	[ "$(readlink "$A/local")" = nodes/here ]
	[ "$(readlink "$B/local")" = nodes/there ]
	[ "$(readlink "$B/qemu-server")" = nodes/there/qemu-server ]
	echo 'name: x' > "$B/qemu-server/100.conf"
	[ "$(cat "$A/nodes/there/qemu-server/100.conf")" = 'name: x' ]
	run rm "$A/local"
	[ "$status" -ne 0 ]
}

@test "pmxcfs: a rename replaces, with no flags" {
	echo old > "$A/x"
	echo new > "$A/x.tmp"
	mv "$A/x.tmp" "$A/x"
	[ "$(cat "$B/x")" = new ]
	[ ! -e "$A/x.tmp" ]
	: > "$A/y"
	# renameat2 with RENAME_NOREPLACE
	fails EINVAL "my (\$y, \$z) = ('$A/y', '$A/z'); syscall(316, -100, \$y, -100, \$z, 1) == 0"
}

@test "pmxcfs: a file has 1 MiB at most" {
	head -c 1048576 /dev/zero > "$A/x"
	fails EFBIG "open(\$f, '>>', '$A/x') && syswrite(\$f, 'x')"
	fails EFBIG "truncate('$A/x', 1048577)"
}

@test "pmxcfs: a flock ends at its node" {
	: > "$A/x"
	exec 7> "$A/x"
	flock -n 7
	run flock -n "$A/x" true
	[ "$status" -ne 0 ]
	flock -n "$B/x" true
	exec 7>&-
}

@test "pmxcfs: fsync is no error" {
	echo x > "$A/x"
	sync "$A/x"
}

@test "pmxcfs: without quorum everything can be read and nothing changed" {
	echo x > "$A/x"
	mkdir "$A/priv/lock"
	echo 0 > "$A/.sim/quorum"
	[ "$(cat "$A/x")" = x ]
	grep -q '"quorate": 0' "$B/.members"
	fails EACCES "open(\$f, '>', '$A/y')"
	fails EACCES "open(\$f, '>>', '$A/x') && syswrite(\$f, 'x')"
	fails EACCES "rename('$A/x', '$A/y')"
	fails EACCES "unlink('$A/x')"
	fails EACCES "mkdir('$B/priv/lock/z')"
	echo 1 > "$A/.sim/quorum"
	mkdir "$B/priv/lock/z"
}

@test "pmxcfs: a lock is a directory, and one node has it" {
	mkdir "$A/priv/lock" "$A/priv/lock/x"
	fails EEXIST "mkdir('$B/priv/lock/x')"
	rmdir "$A/priv/lock/x"
	mkdir "$B/priv/lock/x"
}

@test "pmxcfs: who asks for the end of a lock has it after 120 s, and not before" {
	mkdir "$A/priv/lock" "$A/priv/lock/x"
	fails EACCES "utime(0, 0, '$B/priv/lock/x')"
	echo 'priv/lock/x 119' > "$A/.sim/age"
	fails EACCES "utime(0, 0, '$B/priv/lock/x')"
	echo 'priv/lock/x 2' > "$A/.sim/age"
	# It goes, and then there is nothing whose time could be set.
	fails ENOENT "utime(0, 0, '$B/priv/lock/x')"
	mkdir "$B/priv/lock/x"
}

@test "pmxcfs: time alone ends no lock" {
	mkdir "$A/priv/lock" "$A/priv/lock/x"
	echo 'priv/lock/x 1000' > "$A/.sim/age"
	fails EEXIST "mkdir('$B/priv/lock/x')"
}

@test "pmxcfs: its holder can prolong a lock, another node cannot, and nobody renames it" {
	mkdir "$A/priv/lock" "$A/priv/lock/x"
	echo 'priv/lock/x 119' > "$A/.sim/age"
	fails EACCES "utime(undef, undef, '$B/priv/lock/x')"
	touch "$A/priv/lock/x"
	echo 'priv/lock/x 100' > "$A/.sim/age"
	fails EACCES "utime(0, 0, '$B/priv/lock/x')"
	fails EACCES "rename('$A/priv/lock/x', '$A/priv/lock/y')"
}

@test "pmxcfs: a guest's number is taken in the whole cluster, and the guest can move" {
	echo 'name: x' > "$A/qemu-server/100.conf"
	fails EEXIST "open(\$f, '>', '$B/qemu-server/100.conf')"
	fails EEXIST "open(\$f, '>', '$A/lxc/100.conf')"
	: > "$A/other"
	fails EEXIST "rename('$A/other', '$A/nodes/there/qemu-server/100.conf')"
	mv "$A/qemu-server/100.conf" "$A/nodes/there/qemu-server/100.conf"
	grep -q '"100": { "node": "there", "type": "qemu"' "$B/.vmlist"
}

@test "pmxcfs: only empty directories can be renamed" {
	mkdir "$A/d"
	: > "$A/d/x"
	fails ENOTEMPTY "rename('$A/d', '$A/e')"
	rm "$A/d/x"
	mv "$A/d" "$A/e"
}

@test "pmxcfs: what was changed is logged, faults can be laid, and no listing shows where" {
	echo > "$A/.sim/log"
	echo x > "$B/x"
	[ "$(cat "$A/.sim/log")" = "$(printf 'there create x\nthere write x')" ]
	echo 'rename y EIO 1' > "$A/.sim/fault"
	fails EIO "rename('$A/x', '$A/y')"
	mv "$A/x" "$A/y"
	run ls -A "$A"
	[[ $output != *.sim* ]]
}
