#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# `pve-vgpu gc`: settings of VMs that are gone from the whole cluster.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load hook_helper

CONF=etc/pve/pve-vgpu.conf

cluster() {
	node a40x8-mdev
	mkdir -p "$ROOT"/etc/pve/nodes/pve2/{qemu-server,lxc}
}

# The whole of the settings, with a mark where the file ends
text() {
	cat "$ROOT/$CONF"
	echo .
}

@test "gc: takes out the settings of a VM that no node has, and tells them word for word" {
	cluster
	vm 100
	vm 101
	mv "$ROOT/etc/pve/qemu-server/101.conf" "$ROOT/etc/pve/nodes/pve2/qemu-server/"
	settings '# vGPUs' '[vm 100]' 'hostpci0 = A40-24A' '' '[vm 102]' 'hostpci0 = A40-12A, A40-8Q' 'identity = ctime:5' '' \
		'[vm 101]' 'hostpci0 = A40-4Q'
	run -0 pve_vgpu gc
	assert_equal "$output" \
		'vm 102: gone from the cluster: removed from /etc/pve/pve-vgpu.conf: hostpci0 = A40-12A, A40-8Q; identity = ctime:5'
	assert_equal "$(text)" "$(printf '%s\n' '# vGPUs' '[vm 100]' 'hostpci0 = A40-24A' '' '[vm 101]' 'hostpci0 = A40-4Q' .)"
	run -0 pve_vgpu gc
	assert_equal "$output" ''
}

@test "gc: --dry-run says so, and changes nothing" {
	local before

	cluster
	settings '[vm 102]' 'hostpci0 = A40-12A'
	before=$(tree)
	run -0 pve_vgpu gc --dry-run
	assert_equal "$output" 'vm 102: gone from the cluster: would be removed from /etc/pve/pve-vgpu.conf: hostpci0 = A40-12A'
	assert_equal "$(tree)" "$before"
}

@test "gc: comments stay, and are told of" {
	cluster
	settings '[vm 102]' '# for CAD' 'hostpci0 = A40-12A ; ask Bob' '[vm 103]' '; one' 'hostpci0 = A40-12A'
	run -0 pve_vgpu gc
	assert_output 'hostpci0 = A40-12A (its 2 lines of comments stay)'
	assert_output 'hostpci0 = A40-12A (its 1 line of comments stays)'
	assert_equal "$(text)" $'# for CAD\n; ask Bob\n; one\n.'
}

@test "gc: a container of that number is no VM" {
	cluster
	: > "$ROOT/etc/pve/nodes/pve2/lxc/102.conf"
	settings '[vm 102]' 'hostpci0 = A40-12A'
	run -0 pve_vgpu gc
	assert_output 'vm 102: gone from the cluster: removed'
	assert_equal "$(text)" .
}

@test "gc: a section with a fault is left, and the others are not" {
	cluster
	settings '[vm 102]' 'hostpci0 = A40-12A' 'bad' '[vm 103]' 'hostpci0 = A40-12A' '[vm 104]' '[vm 104]' 'gpu = A40'
	run -0 pve_vgpu gc
	assert_output "vm 102: gone from the cluster: its settings stay: section [vm 102] has a fault: /etc/pve/pve-vgpu.conf:3: 'bad' has no '='"
	assert_output 'vm 103: gone from the cluster: removed'
	assert_output 'vm 104: gone from the cluster: its settings stay: '
	assert_equal "$(text)" $'[vm 102]\nhostpci0 = A40-12A\nbad\n[vm 104]\n[vm 104]\ngpu = A40\n.'
}

@test "gc: without quorum, and where /etc/pve is not to be believed, nothing goes" {
	local before

	cluster
	settings '[vm 102]' 'hostpci0 = A40-12A'
	before=$(text)
	chmod 0555 "$ROOT/etc/pve/nodes"
	run -0 pve_vgpu gc
	chmod 0755 "$ROOT/etc/pve/nodes"
	assert_equal "$output" "vm 102: gone from the cluster: its settings stay: the cluster has no quorum ('pvecm status')"
	mv "$ROOT/etc/pve/nodes/pve1" "$ROOT/etc/pve/nodes/other"
	run -0 pve_vgpu gc
	assert_equal "$output" "settings of VMs that may be gone stay: there is no '/etc/pve/nodes/pve1/qemu-server', this node's own"
	rm "$ROOT/etc/pve/local"
	run -0 pve_vgpu gc
	assert_output "settings of VMs that may be gone stay: read link '/etc/pve/local'"
	assert_equal "$(text)" "$before"
}

@test "gc: the settings stay until what the VM has left is removed" {
	cluster
	vm 100
	intent 100 A40-24A
	hook 100 pre-start
	rm "$ROOT/etc/pve/qemu-server/100.conf"
	# Its start is younger than start-grace.
	run -0 pve_vgpu gc
	assert_output 'vm 100: A40-24A on'
	assert_output 'vm 100: gone from the cluster: its settings stay: what the VM has on this node is to be removed first'
	age 100 400
	run -0 pve_vgpu gc
	assert_output ': removed'
	assert_output 'vm 100: gone from the cluster: removed from /etc/pve/pve-vgpu.conf: hostpci0 = A40-24A'
	assert_equal "$(mdevs)" ''
	assert_equal "$(text)" .
}

@test "gc: the settings stay while PVE holds the lock of the VM's config" {
	cluster
	settings '[vm 102]' 'hostpci0 = A40-12A'
	pve_lock 102
	run -0 pve_vgpu gc
	pve_unlock
	assert_equal "$output" 'vm 102: gone from the cluster: its settings stay: PVE holds the lock of its config'
	make "$(uuid 102)" "$VF1" nvidia-575
	run -0 pve_vgpu gc --dry-run
	assert_output 'vm 102: gone from the cluster: its settings stay: it would go once what the VM has on this node is removed'
	run -0 pve_vgpu gc
	assert_output "vm 102: A40-24A on $VF1: removed"
	assert_output 'vm 102: gone from the cluster: removed from'
	assert_equal "$(mdevs)" ''
}

@test "gc: a lock that another has is waited for, and the removal is no success without it" {
	cluster
	settings '[defaults]' 'lock-wait = 1' '[vm 102]' 'hostpci0 = A40-12A'
	mkdir -p "$ROOT/etc/pve/priv/lock/pve-vgpu"
	run -1 pve_vgpu gc
	assert_output "'/etc/pve/priv/lock/pve-vgpu' is held by another process of the cluster"
	rmdir "$ROOT/etc/pve/priv/lock/pve-vgpu"
	run -0 pve_vgpu gc
	assert_output 'vm 102: gone from the cluster: removed'
}

@test "gc: takes no lock where no VM is gone" {
	cluster
	vm 100
	intent 100 A40-24A
	mkdir -p "$ROOT/etc/pve/priv/lock/pve-vgpu"
	run -0 pve_vgpu gc
	assert_equal "$output" ''
}

@test "gc: a start's own collecting leaves the settings alone" {
	cluster
	vm 100
	settings '[vm 100]' 'hostpci0 = A40-24A' '[vm 102]' 'hostpci0 = A40-12A'
	hook 100 pre-start
	assert_equal "$(text)" $'[vm 100]\nhostpci0 = A40-24A\n[vm 102]\nhostpci0 = A40-12A\n.'
}

@test "gc: /etc/pve is changed by what pmxcfs knows alone" {
	local trace=$BATS_TEST_TMPDIR/trace

	cluster
	settings '[vm 102]' 'hostpci0 = A40-12A'
	# LeakSanitizer does not work where strace looks on.
	ASAN_OPTIONS=detect_leaks=0 strace -f -o "$trace" "$PVE_VGPU" --root "$ROOT" gc > /dev/null
	# from the lock on
	sed -n '/mkdirat(.*"pve-vgpu", 0700)/,$p' "$trace" > "$trace.locked"
	assert_equal "$(grep -cE '^[0-9]+ +(f?chmod|fchmodat|f?chown|fchownat|link|linkat|symlinkat|flock|f?truncate|fallocate)\(' "$trace.locked")" 0
	assert_equal "$(grep -c O_TMPFILE "$trace.locked")" 0
	assert_equal "$(grep -E 'O_CREAT' "$trace.locked" | grep -c '"\.pve-vgpu\.conf\.[0-9a-f]*\.tmp", O_WRONLY|O_CREAT|O_EXCL.*, 0640)')" 1
	assert_equal "$(grep -c O_CREAT "$trace.locked")" 1
	# written through before it takes the file's place, and the lock goes last
	assert_equal "$(grep -oE '(fsync|renameat|unlinkat)\(' "$trace.locked" | tr -d '\n')" 'fsync(renameat(unlinkat('
	assert_equal "$(stat -c %a "$ROOT/$CONF")" 640
}
