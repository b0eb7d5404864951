# SPDX-License-Identifier: AGPL-3.0-or-later
# `set` and `unset` where something is in the way: others at work on the same
# VM, tools that fail, a cluster without quorum, configs of another origin.

load set_helper

INJECT=${INJECT:-$TOP/build/tests/crash/inject}

UUID=00000000-0000-0000-0000-000000000100
SMBIOS=12345678-1234-4234-8234-000000000100
DEV0="-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$UUID,id=hostpci0,bus=pci.0,addr=0x10"

# refused_as_before VMID MESSAGE COMMAND…: it fails, says so, and nothing is changed
refused_as_before() {
	local vmid=$1 message=$2

	shift 2
	remember "$vmid"
	run "$@"
	assert_failure
	assert_output "$message"
	assert_as_before "$vmid"
}

# refused_where_reads_fail VMID PATTERN LEAST COMMAND…: it refuses, and nothing is changed, whichever of the reads that were noted in POINTS fails.
# PATTERN: the call and what it acts on, of LEAST reads or more
refused_where_reads_fail() {
	local vmid=$1 pattern=$2 least=$3 at points

	shift 3
	mapfile -t points < <(sed -n -E "s!^([0-9.]+) read ($pattern)/?\$!\\1!p" "$POINTS")
	[ ${#points[@]} -ge "$least" ]
	for at in "${points[@]}"; do
		refused_as_before "$vmid" 'Input/output error' "$INJECT" --reads --at "$at" --errno EIO -- "$PVE_VGPU" --root "$ROOT" "$@"
	done
}

# note_reads COMMAND…: done once, with its reads noted in POINTS
note_reads() {
	POINTS=$BATS_TEST_TMPDIR/points
	"$INJECT" --reads --points "$POINTS" -- "$PVE_VGPU" --root "$ROOT" "$@"
}

# --- others at work ---------------------------------------------------------------------

@test "the config is edited between our look and our change: both changes are there" {
	set_node mdev
	pve_vm 100 'args: -foo'
	edit_before '^qm set' 100 's/^args: .*/args: -bar/;s/^cores: .*/cores: 7/'
	set_ok 100 A40-24A --mode args
	assert_conf 100 "args: -bar $DEV0 -uuid $SMBIOS"
	assert_conf 100 'cores: 7'
	assert_equal "$(pve_calls '^qm set')" 2
	edit_before '^qm set' 100 's/^cores: .*/cores: 9/'
	unset_ok 100
	assert_conf 100 'args: -bar'
	assert_conf 100 'cores: 9'
	refute_conf 100 hookscript
}

@test "a line of the VM's own that comes in between is what unset brings back" {
	set_node mdev
	pve_vm 100 "hostpci0: ${VFS[1]},mdev=nvidia-573"
	edit_before '^qm set' 100 's/^hostpci0: .*/hostpci0: 0000:e9:00.5,mdev=nvidia-574/'
	set_ok 100 A40-24A
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	assert_setting 100 'was-hostpci0 = 0000:e9:00.5,mdev=nvidia-574'
	# and a device that comes in between is left alone, with no trace of the intent
	pve_vm 101
	edit_before '^qm set' 101 's/^cores: 4/cores: 4\nhostpci0: 0000:01:00.0/'
	run pve_vgpu set 101 A40-24A
	assert_failure
	assert_output "its config has hostpci0: '0000:01:00.0', which is no vGPU"
	assert_conf 101 'hostpci0: 0000:01:00.0'
	refute_conf 101 hookscript
	[[ $(section) != *'[vm 101]'* ]]
}

@test "something that keeps editing: said after a few tries, and the settings are put back" {
	set_node mdev
	pve_vm 100
	section > "$BATS_TEST_TMPDIR/before"
	for i in 1 2 3 4; do
		edit_before '^qm set' 100 "s/^cores: .*/cores: $i/"
	done
	run pve_vgpu set 100 A40-24A
	assert_failure
	assert_output "something keeps changing the VM's config"
	diff "$BATS_TEST_TMPDIR/before" <(section)
	refute_conf 100 hookscript
	assert_conf 100 'cores: 4'
}

@test "two nodes set two vGPUs of one VM at once: none is lost" {
	set_node mdev two
	pve_vm 100
	for i in 1 2 3; do
		"$PVE_VGPU" --root "$ROOT" set 100 A40-24A --mode args > "$BATS_TEST_TMPDIR/one" 2>&1 3>&- &
		one=$!
		"$PVE_VGPU" --root "$(root_of two)" set 100 A40-12A --index 1 --mode args > "$BATS_TEST_TMPDIR/two" 2>&1 3>&- &
		two=$!
		PIDS="$one $two"
		wait $one || { cat "$BATS_TEST_TMPDIR/one"; false; }
		wait $two || { cat "$BATS_TEST_TMPDIR/two"; false; }
		PIDS=''
		assert_setting 100 'hostpci0 = A40-24A'
		assert_setting 100 'hostpci1 = A40-12A'
		assert_conf 100 "args: $DEV0 -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000001-0000-0000-0000-000000000100,id=hostpci1,bus=pci.0,addr=0x11 -uuid $SMBIOS"
		unset_ok 100
		refute_conf 100 args
	done
}

@test "two nodes set two VMs at once: the mapping gets the devices of both" {
	set_node mdev two
	pve_vm 100
	NODE=two pve_vm 200
	for i in 1 2 3; do
		rm -f "$ROOT/etc/pve/mapping/pci.cfg"
		"$PVE_VGPU" --root "$ROOT" set 100 A40-24A > "$BATS_TEST_TMPDIR/one" 2>&1 3>&- &
		one=$!
		"$PVE_VGPU" --root "$(root_of two)" set 200 A40-24A > "$BATS_TEST_TMPDIR/two" 2>&1 3>&- &
		two=$!
		PIDS="$one $two"
		wait $one || { cat "$BATS_TEST_TMPDIR/one"; false; }
		wait $two || { cat "$BATS_TEST_TMPDIR/two"; false; }
		PIDS=''
		assert_setting 100 'hostpci0 = A40-24A'
		assert_setting 200 'hostpci0 = A40-24A'
		assert_equal "$(grep -c 'node=here' "$ROOT/etc/pve/mapping/pci.cfg")" 8
		assert_equal "$(grep -c 'node=two' "$ROOT/etc/pve/mapping/pci.cfg")" 8
		unset_ok 100
		unset_ok 200
	done
}

@test "another node makes the mapping while we do: it is extended" {
	set_node mdev
	pve_vm 100
	pve_fault 1 '^pvesh create' before "printf 'vgpu-A40\n\tmap id=10de:2235,iommugroup=4,node=two,path=0000:e8:00.4\n\tmdev 1\n\n' > '$ROOT/etc/pve/mapping/pci.cfg'"
	set_ok 100 A40-24A
	assert_equal "$(grep -c 'node=here' "$ROOT/etc/pve/mapping/pci.cfg")" 8
	assert_equal "$(grep -c 'node=two' "$ROOT/etc/pve/mapping/pci.cfg")" 1
}

# waits_for_lock: somebody asks for the lock of the settings
waits_for_lock() {
	cfs_writes | grep -q priv/lock/pve-vgpu
}

@test "two VMs are set at once and take one VF: set again gives one of them a place of its own, and so with a clone" {
	set_node nvidia-vfio
	pve_vm 100
	pve_vm 101
	pve_fault 1 '^qm set 100' before "'$PVE_VGPU' --root '$ROOT' set 101 A40-12A --params frame_rate_limiter=0"
	set_ok 100 A40-12A --params frame_rate_limiter=0
	set_ok 101 A40-12A
	assert_conf 100 'hostpci0: 0000:e8:00.4,mdev=nvidia-573'
	assert_conf 101 'hostpci0: 0000:e8:00.5,mdev=nvidia-573'
	no_change pve_vgpu set 101 A40-12A
	pve_vm 102 'hookscript: local:snippets/pve-vgpu' 'hostpci0: 0000:e8:00.4,mdev=nvidia-573'
	set_ok 102 A40-12A --params frame_rate_limiter=0
	assert_conf 102 'hostpci0: 0000:e8:00.6,mdev=nvidia-573'
}

@test "the section is changed by another node between look and write: looked at again" {
	set_node mdev
	pve_vm 100
	set_ok 100 A40-24A
	mkdir -p "$ROOT/etc/pve/priv/lock/pve-vgpu"
	cfs_writes_reset
	"$PVE_VGPU" --root "$ROOT" set 100 A40-12A --index 1 > "$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	PIDS=$!
	soon waits_for_lock
	settings '[vm 100]' 'hostpci0 = A40-24A' 'mode = args' 'identity = ctime:1700000100'
	rmdir "$ROOT/etc/pve/priv/lock/pve-vgpu"
	wait "$PIDS"
	PIDS=''
	assert_setting 100 'mode = args'
	assert_setting 100 'hostpci1 = A40-12A'
	assert_conf 100 "args: $DEV0 -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000001-0000-0000-0000-000000000100,id=hostpci1,bus=pci.0,addr=0x11 -uuid $SMBIOS"
	refute_conf 100 'hostpci[01]'
}

@test "the config is edited while set waits to write the settings, and nothing else was to change in it: looked at again" {
	set_node mdev
	pve_vm 100
	set_ok 100 A40-24A
	mkdir -p "$ROOT/etc/pve/priv/lock/pve-vgpu"
	cfs_writes_reset
	# The settings alone are to change.
	"$PVE_VGPU" --root "$ROOT" set 100 A40-24A --placement pack > "$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	PIDS=$!
	soon waits_for_lock
	admin_edits 100 /^hookscript:/d
	rmdir "$ROOT/etc/pve/priv/lock/pve-vgpu"
	wait "$PIDS"
	PIDS=''
	assert_setting 100 'placement = pack'
	assert_conf 100 'hookscript: local:snippets/pve-vgpu'
}

@test "reconcile while unset waits to take the intent out: the line that is back already is left as it is" {
	set_node mdev
	pve_vm 100 'hostpci0: 0000:e8:00.4,mdev=nvidia-575'
	set_ok 100 A40-12A --mode native
	mkdir -p "$ROOT/etc/pve/priv/lock/pve-vgpu"
	cfs_writes_reset
	"$PVE_VGPU" --root "$ROOT" unset 100 > "$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	PIDS=$!
	soon waits_for_lock
	run pve_vgpu reconcile
	assert_success
	assert_output "'0000:e8:00.4,mdev=nvidia-575' is what was there before"
	rmdir "$ROOT/etc/pve/priv/lock/pve-vgpu"
	wait "$PIDS"
	PIDS=''
	assert_conf 100 'hostpci0: 0000:e8:00.4,mdev=nvidia-575'
}

# --- what PVE's tools would change ------------------------------------------------------

@test "args with a character that is not ASCII: PVE's tools would spoil it, so set and unset refuse and change nothing" {
	set_node mdev
	pve_vm 100 'args: -smbios type=11,value=Büro'
	refused_as_before 100 'it has a character that is not ASCII' pve_vgpu set 100 A40-12A --mode args
	set_ok 100 A40-12A --mode native
	assert_conf 100 'args: -smbios type=11,value=Büro'
	unset_ok 100
	assert_conf 100 'args: -smbios type=11,value=Büro'
	admin_edits 100 /^args:/d
	set_ok 100 A40-12A --mode args
	admin_edits 100 's/^args: /args: -smbios type=11,value=Büro /'
	refused_as_before 100 'it has a character that is not ASCII' pve_vgpu unset 100
}

# --- tools that fail --------------------------------------------------------------------

@test "qm fails: its words are shown, and the settings are put back" {
	set_node mdev
	pve_vm 100
	pve_vgpu set 100 A40-12A > /dev/null
	pve_fault 1 '^qm set' fail 255 '400 Parameter verification failed.'
	refused_as_before 100 "'qm set 100' failed with status 255: '400 Parameter verification failed.'" \
		pve_vgpu set 100 A40-24A --gpu A40 --params frame_rate_limiter=0 --display on
	pve_fault 1 '^qm set' fail 255 'trying to acquire lock... got timeout'
	refused_as_before 100 'got timeout' pve_vgpu unset 100
}

@test "qm fails: comments and order are put back, too" {
	set_node mdev
	pve_vm 100 'machine: q35'
	set_ok 100 A40-12A --pcie --placement pack
	sed -i 's/^pcie = yes/& ; ticket 4711/; s/^placement = pack/& ; by order/' "$ROOT/etc/pve/pve-vgpu.conf"
	pve_fault 1 '^qm set' fail 255 no
	refused_as_before 100 "'no'" pve_vgpu set 100 A40-12A --no-pcie --placement '' --mode args
	# What it was for another VM
	settings '[vm 101]' 'hostpci0 = A40-12A' '' '[vm 100]' '# the drawing office' \
		'identity = ctime:1600000100, uuid:12345678-1234-4234-8234-000000000999' 'hostpci0 = A40-24A ; two of them' \
		'# never the first' 'gpu = 0000:e8:00.0'
	pve_fault 1 '^qm set' fail 255 no
	refused_as_before 100 "'no'" pve_vgpu set 100 A40-24A
}

@test "what others have written into the section since stays when the settings are put back" {
	set_node mdev
	pve_vm 100
	pve_fault 1 '^qm set' before "sed 's/^placement = .*/placement = pack/' '$ROOT/etc/pve/pve-vgpu.conf' > '$BATS_TEST_TMPDIR/s'; cat '$BATS_TEST_TMPDIR/s' > '$ROOT/etc/pve/pve-vgpu.conf'; exit 3"
	run pve_vgpu set 100 A40-24A --placement spread --gpu A40
	assert_failure
	assert_setting 100 'placement = pack'
	refute_setting 100 'hostpci0|gpu'
}

@test "qm that dies when it has done its work: that is seen" {
	set_node mdev
	pve_vm 100
	remember 100
	pve_fault 1 '^qm set' after-kill
	set_ok 100 A40-24A
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	assert_setting 100 'hostpci0 = A40-24A'
	pve_fault 1 '^qm set' after-fail 255 'connection lost'
	unset_ok 100
	assert_as_before 100
}

@test "qm that is not there is named" {
	set_node mdev
	pve_vm 100
	rm "$ROOT/usr/sbin/qm"
	refused_as_before 100 "run '/usr/sbin/qm': No such file or directory" pve_vgpu set 100 A40-24A
	assert_output 'is this one of its nodes?'
}

@test "pvesh fails: no mapping, no intent, no change" {
	set_node mdev
	pve_vm 100
	pve_fault 1 '^pvesh create' fail 2 'permission denied - no'
	refused_as_before 100 "permission denied - no" pve_vgpu set 100 A40-24A
	changed_nothing || assert_equal "$(pve_calls '^qm set')" 0
}

# kill_us WHEN PATTERN: the pve-vgpu that calls the tool dies there, with kill -9
kill_us() {
	pve_fault 1 "$2" "$1" "kill -9 \$(ps -o ppid= -p \$PPID); sleep 0.1; $3"
}

@test "kill -9 before and behind the change of the config: the same command again goes on" {
	set_node mdev
	pve_vm 100 "hostpci0: ${VFS[1]},mdev=nvidia-573"
	remember 100
	# the tool goes with it: nothing is done
	kill_us before '^qm set' 'kill -9 $PPID'
	run pve_vgpu set 100 A40-24A
	[ "$status" -ne 0 ]
	assert_setting 100 'hostpci0 = A40-24A'
	assert_conf 100 "hostpci0: ${VFS[1]},mdev=nvidia-573"
	set_ok 100 A40-24A
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	assert_setting 100 "was-hostpci0 = ${VFS[1]},mdev=nvidia-573"
	no_change pve_vgpu set 100 A40-24A
	kill_us before '^qm set' 'kill -9 $PPID'
	run pve_vgpu unset 100
	[ "$status" -ne 0 ]
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	unset_ok 100
	assert_as_before 100
	# it has done its work
	kill_us after '^qm set' true
	run pve_vgpu set 100 A40-24A
	[ "$status" -ne 0 ]
	no_change pve_vgpu set 100 A40-24A
	kill_us after '^qm set' true
	run pve_vgpu unset 100
	[ "$status" -ne 0 ]
	assert_conf 100 "hostpci0: ${VFS[1]},mdev=nvidia-573"
	assert_setting 100 'hostpci0 = A40-24A'
	unset_ok 100
	assert_as_before 100
}

# --- the cluster ------------------------------------------------------------------------

@test "a type that is named twice is one choice: refused, with the way to a second vGPU" {
	set_node mdev
	pve_vm 100
	remember 100
	refused_as_before 100 "'nvidia-575' is 'nvidia-575', which is named before it already" pve_vgpu set 100 A40-24A,nvidia-575
	assert_output 'hint: name it once; a second vGPU takes another slot, as --index 1'
	changed_nothing
}

@test "the settings are a directory, or have no room for more: said, with what can be done" {
	set_node mdev
	pve_vm 100
	rm "$ROOT/etc/pve/pve-vgpu.conf"
	mkdir "$ROOT/etc/pve/pve-vgpu.conf"
	run pve_vgpu set 100 A40-24A
	assert_failure 1
	assert_output "set vm 100: read '/etc/pve/pve-vgpu.conf': Is a directory"
	assert_output 'hint: it has to be a file: move away what is there'
	rmdir "$ROOT/etc/pve/pve-vgpu.conf"
	yes '# a comment' | head -c 1048576 > "$ROOT/etc/pve/pve-vgpu.conf"
	run pve_vgpu set 100 A40-24A
	assert_failure 1
	assert_output '/etc/pve takes files of at most 1048576'
	assert_output 'hint: take comments out of it'
	changed_nothing
}

@test "what a config has of a terminal's commands is shown as text" {
	set_node mdev
	pve_vm 100
	printf 'hookscript: local:snippets/\033[2Jx\n' >> "$(conf_file 100)"
	run pve_vgpu set 100 A40-24A
	assert_failure 1
	assert_output "there is no file '/var/lib/vz/snippets/\x1b[2Jx'"
	refute_output $'\033'
}

@test "a hookscript that is a copy of ours gives way: called by ours it would refuse each start" {
	set_node mdev
	cp "$ROOT/usr/bin/pve-vgpu" "$ROOT/var/lib/vz/snippets/copy"
	pve_vm 100 'hookscript: local:snippets/copy'
	set_ok 100 A40-24A --mode args
	assert_output "its hookscript 'local:snippets/copy' is a copy of pve-vgpu: local:snippets/pve-vgpu takes its place"
	refute_setting 100 next-hook
	assert_conf 100 'hookscript: local:snippets/pve-vgpu'
	run hook 100 pre-start
	assert_success
	run hook 100 post-stop
	assert_success
	unset_ok 100
	refute_conf 100 hookscript
}

@test "a hookscript that may be a copy of ours: one that cannot be looked at is not kept, and nothing is changed" {
	set_node mdev
	cp "$ROOT/usr/bin/pve-vgpu" "$ROOT/var/lib/vz/snippets/copy"
	pve_vm 100 'hookscript: local:snippets/copy'
	note_reads set 100 A40-24A --mode args
	unset_ok 100
	echo 'hookscript: local:snippets/copy' >> "$(conf_file 100)"
	# storages, the copy, and what the program has, each as often as it is looked at
	refused_where_reads_fail 100 '[a-z0-9]+ .*/(storage\.cfg|snippets/copy)|read .*/bin/pve-vgpu' 15 set 100 A40-24A --mode args
	set_ok 100 A40-24A --mode args
	refute_setting 100 next-hook
}

@test "a line that would be right but for what PVE cannot read in it: PVE leaves it out, and set writes it anew" {
	set_node mdev
	pve_vm 101
	set_ok 101 A40-24A
	pve_vm 100
	echo 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575,foo=bar' >> "$(conf_file 100)"
	set_ok 100 A40-24A
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	refute_setting 100 was-hostpci0
	assert_equal "$(pve_vgpu show 100 | grep -c ^wrong)" 0
	unset_ok 100
	refute_conf 100 hostpci0
	refute_conf 100 hookscript
}

@test "unset: what was there before and is no more: a hookscript is left out, and of a line it is said where it stands" {
	set_node mdev
	snippet own.sh ':'
	pve_vm 100 'hookscript: local:snippets/own.sh'
	set_ok 100 A40-24A
	rm "$ROOT/var/lib/vz/snippets/own.sh"
	unset_ok 100
	assert_output "the hookscript that was there before, 'local:snippets/own.sh', is not brought back: there is no file '/var/lib/vz/snippets/own.sh'"
	refute_conf 100 hookscript
	[[ $(section) != *'[vm 100]'* ]]
	snippet own.sh ':'
	pve_vm 100 'hookscript: local:snippets/own.sh'
	set_ok 100 A40-24A
	chmod a-x "$ROOT/var/lib/vz/snippets/own.sh"
	unset_ok 100
	assert_output "'local:snippets/own.sh', is not brought back: "
	refute_conf 100 hookscript
	settings '[vm 100]' 'hostpci0 = A40-24A' 'was-hostpci0 = mapping=a,foo=bar'
	pve_vm 100 "hostpci0: ${VFS[0]},mdev=nvidia-575"
	refused_as_before 100 'invalid key' pve_vgpu unset 100
	assert_output 'hint: what it is to bring back stands in [vm 100] of /etc/pve/pve-vgpu.conf, as was-hostpci<N> and next-hook'
}

@test "unset: a hookscript that cannot be looked at is not taken for another's, and nothing is changed" {
	set_node mdev
	pve_vm 100
	set_ok 100 A40-24A
	note_reads unset 100
	set_ok 100 A40-24A
	# storages, the snippet, and the program that it is to be
	refused_where_reads_fail 100 'openat2 .*/(storage\.cfg|snippets/pve-vgpu|bin/pve-vgpu)' 3 unset 100
	unset_ok 100
	refute_conf 100 hookscript
}

@test "unset: the hookscript before ours stays known where it cannot be looked at" {
	set_node mdev
	install -m 755 /dev/null "$ROOT/var/lib/vz/snippets/own.sh"
	pve_vm 100 'hookscript: local:snippets/own.sh'
	set_ok 100 A40-24A
	note_reads unset 100
	assert_conf 100 'hookscript: local:snippets/own.sh'
	set_ok 100 A40-24A
	refused_where_reads_fail 100 '[a-z0-9]+ .*/(storage\.cfg|snippets/own\.sh)' 4 unset 100
	unset_ok 100
	assert_conf 100 'hookscript: local:snippets/own.sh'
}

@test "unset: the hookscript before ours stays known where pvesm, which alone knows its storage, cannot be asked" {
	set_node mdev
	install -m 755 /dev/null "$ROOT/var/lib/vz/snippets/own.sh"
	printf 'odd: plugin\n\tserver x\n\n' >> "$ROOT/etc/pve/storage.cfg"
	mv "$ROOT/usr/sbin/pvesm" "$ROOT/usr/sbin/pvesm.real"
	printf '#!/bin/sh\necho /var/lib/vz/snippets/own.sh\n' > "$ROOT/usr/sbin/pvesm.path"
	printf '#!/no/such/program\n' > "$ROOT/usr/sbin/pvesm.none"
	chmod +x "$ROOT"/usr/sbin/pvesm.*
	ln -s pvesm.path "$ROOT/usr/sbin/pvesm"
	pve_vm 100 'hookscript: plugin:snippets/own.sh'
	set_ok 100 A40-24A
	ln -sfn pvesm.none "$ROOT/usr/sbin/pvesm"
	refused_as_before 100 "pvesm.none' could not be run: No such file or directory" pve_vgpu unset 100
	assert_setting 100 'next-hook = plugin:snippets/own.sh'
}

@test "unset: an index without an intent; storages that cannot be read; a hookscript of our name that is no link to us" {
	set_node mdev
	pve_vm 100
	set_ok 100 A40-24A
	remember 100
	refused_as_before 100 '[vm 100] in /etc/pve/pve-vgpu.conf has no hostpci3' pve_vgpu unset 100 --index 3
	assert_output 'hint: pve-vgpu show 100 tells what the VM is to get'
	mv "$ROOT/etc/pve/storage.cfg" "$ROOT/etc/pve/storage.old"
	mkdir "$ROOT/etc/pve/storage.cfg"
	refused_as_before 100 "unset vm 100: read '/etc/pve/storage.cfg': Is a directory" pve_vgpu unset 100
	rmdir "$ROOT/etc/pve/storage.cfg"
	mv "$ROOT/etc/pve/storage.old" "$ROOT/etc/pve/storage.cfg"
	rm "$ROOT/var/lib/vz/snippets/pve-vgpu"
	cp "$ROOT/usr/bin/pve-vgpu" "$ROOT/var/lib/vz/snippets/pve-vgpu"
	unset_ok 100
	assert_output "its hookscript 'local:snippets/pve-vgpu' stays: it is no link to /usr/bin/pve-vgpu of this node; to take it out: qm set 100 --delete hookscript"
	refute_conf 100 hostpci0
}

@test "without quorum: said, and nothing is done" {
	set_node mdev
	pve_vm 100
	pve_vgpu set 100 A40-24A > /dev/null
	quorum no
	pve_log_reset
	for cmd in "set 100 A40-12A" "unset 100"; do
		# shellcheck disable=SC2086 # words
		refused_as_before 100 'for the cluster has no quorum; nothing was changed' pve_vgpu $cmd
	done
	assert_equal "$(pve_log)" ''
	run pve_vgpu set 100 A40-12A --dry-run
	assert_success
}

@test "a VM of another node: through pvesh, by a mapping that has that node's devices" {
	set_node mdev two
	NODE=two pve_vm 200
	refused_as_before 200 "the VM is on node 'two', of which mapping 'vgpu-A40' has no devices" pve_vgpu set 200 A40-24A
	assert_output "run this on node 'two'"
	on two pve_vgpu set 200 A40-24A > /dev/null
	pve_log_reset
	unset_ok 200
	assert_equal "$(pve_calls '^pvesh set /nodes/two/qemu/200/config --digest')" 1
	set_ok 200 A40-24A
	assert_output "the VM is on node 'two': types and mode are those of this node"
	assert_conf 200 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	assert_equal "$(pve_calls '^qm ')" 0
	pve_version 7.4-1
	run pve_vgpu set 200 A40-24A --mode native
	assert_failure
	assert_output "its hostpci0 is to name an address there"
}

@test "a VM of another node: the hookscript before ours comes back, for that node has it" {
	set_node mdev two
	NODE=two pve_vm 200
	on two pve_vgpu set 200 A40-24A > /dev/null
	sed -i '/^\[vm 200\]/a next-hook = local:snippets/own.sh' "$ROOT/etc/pve/pve-vgpu.conf"
	run pve_vgpu unset 200 --dry-run
	assert_success
	assert_output '--hookscript local:snippets/own.sh'
}

@test "no such VM, a container, a template, a VM that PVE is at work on" {
	set_node mdev
	run pve_vgpu set 100 A40-24A
	assert_failure
	assert_output 'VM 100'
	mkdir -p "$ROOT/etc/pve/nodes/here/lxc"
	echo 'hostname: x' > "$ROOT/etc/pve/nodes/here/lxc/300.conf"
	run pve_vgpu set 300 A40-24A
	assert_failure
	assert_output container
	pve_vm 101 'template: 1'
	refused_as_before 101 'it is a template, and a template does not run' pve_vgpu set 101 A40-24A
	pve_vm 102 'lock: backup'
	refused_as_before 102 "its config is locked ('backup'): PVE is at work on it" pve_vgpu set 102 A40-24A
	settings '[vm 102]' 'hostpci0 = A40-24A'
	refused_as_before 102 "its config is locked ('backup'): PVE is at work on it" pve_vgpu unset 102
	changed_nothing
}

@test "a VM that is gone: unset takes its section out" {
	set_node mdev
	settings '[defaults]' 'cleanup-wait = 1' '' '# mine' '[vm 100]' 'hostpci0 = A40-24A'
	unset_ok 100
	assert_output 'the VM itself is gone'
	[[ $(section) != *'[vm 100]'* ]]
	[[ $(section) == *'# mine'* ]]
}

# --- settings, mappings, args that are not as they should be ----------------------------

@test "a fault in the settings: refused with file and line; comments and order survive what is done" {
	set_node mdev
	pve_vm 100
	settings '[vm 100]' 'hostpci0 = A40-24A' 'hostpci0 = A40-12A'
	refused_as_before 100 '/etc/pve/pve-vgpu.conf:3:' pve_vgpu set 100 A40-24A
	settings '[vm 100]' 'hostpci1 = A40-24A' 'colour = red'
	refused_as_before 100 '/etc/pve/pve-vgpu.conf:3:' pve_vgpu set 100 A40-24A
	changed_nothing
	settings '# ours' '[defaults]' 'placement = first ; so' '' '[vm 101]' 'hostpci0 = A40-1B' '' '# vm' '[vm 100]' '# why' 'gpu = A40 ; this'
	set_ok 100 A40-24A --placement pack
	assert_equal "$(section)" "$(printf '%s\n' '# ours' '[defaults]' 'placement = first ; so' '' '[vm 101]' 'hostpci0 = A40-1B' '' '# vm' \
		'[vm 100]' '# why' 'gpu = A40 ; this' 'placement = pack' 'hostpci0 = A40-24A' 'identity = ctime:1700000100, uuid:12345678-1234-4234-8234-000000000100')"
}

@test "a line that would be too long for the settings is refused, with its key" {
	set_node mdev
	pve_vm 100 "hostpci0: ${VFS[0]},mdev=nvidia-573,romfile=$(printf 'r%.0s' {1..200})"
	refused_as_before 100 was-hostpci0 pve_vgpu set 100 A40-24A
	changed_nothing
}

@test "a mapping of that name that is something else: refused, and the settings are put back" {
	set_node mdev
	pve_vm 100
	printf '%s\n' 'vgpu-A40' $'\tmap id=10de:2235,iommugroup=4,node=here,path=0000:e8:00.4' '' > "$ROOT/etc/pve/mapping/pci.cfg"
	refused_as_before 100 "mapping 'vgpu-A40' is something else: it is not marked for mediated devices" pve_vgpu set 100 A40-24A
	changed_nothing
}

@test "a mapping of the admin's own that serves is kept" {
	set_node mdev
	pve_vm 100 'hostpci0: mapping=mine,mdev=nvidia-573'
	printf '%s\n' 'mine' $'\tmap id=10de:2235,iommugroup=4,node=here,path=0000:e8:00.4,subsystem-id=10de:0000' $'\tmdev 1' '' > "$ROOT/etc/pve/mapping/pci.cfg"
	set_ok 100 A40-24A
	assert_conf 100 'hostpci0: mapping=mine,mdev=nvidia-575'
	assert_equal "$(pve_calls '^pvesh')" 0
}

@test "args with a quote that has no end: refused where they would have to be changed, else left alone" {
	set_node mdev
	pve_vm 100 "args: -foo 'bar"
	refused_as_before 100 "args" pve_vgpu set 100 A40-24A --mode args
	changed_nothing
	set_ok 100 A40-24A --mode native
	assert_conf 100 "args: -foo 'bar"
	unset_ok 100
	assert_conf 100 "args: -foo 'bar"
}

@test "a device for the vGPU in the admin's own words: refused in every mode" {
	set_node mdev
	wrapper_here
	pve_vm 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$UUID"
	for mode in native args wrapper; do
		refused_as_before 100 args pve_vgpu set 100 A40-24A --mode $mode
		assert_output 'qm set'
	done
	settings '[vm 100]' 'hostpci0 = A40-24A'
	unset_ok 100
	assert_output "args still name the vGPU of hostpci0, in words that are not pve-vgpu's"
	pve_vm 101 'args: -device vfio-pci,host=01:00.0,id=hostpci0,bus=pci.0,addr=0x10'
	refused_as_before 101 'args' pve_vgpu set 101 A40-24A --mode args
	changed_nothing
}

# --- VMs of another origin --------------------------------------------------------------

@test "a vmid that was given again: the old VM's section gives way, and nothing of it gets into the new VM" {
	set_node mdev
	settings '[vm 100]' 'hostpci0 = A40-12A' 'hostpci1 = A40-12A' 'gpu = 0000:e9:00.0' 'identity = ctime:42' \
		'next-hook = local:snippets/own.sh' 'was-hostpci0 = 0000:e8:00.5,mdev=nvidia-1'
	pve_vm 100
	set_ok 100 A40-24A
	assert_output 'the section [vm 100] was that of another VM (ctime:42): it is begun anew'
	assert_equal "$(section | grep .)" $'[vm 100]\nhostpci0 = A40-24A\nidentity = ctime:1700000100, uuid:12345678-1234-4234-8234-000000000100'
	settings '[vm 100]' 'hostpci0 = A40-12A' 'identity = ctime:42' 'next-hook = local:snippets/own.sh' \
		'was-hostpci0 = 0000:e8:00.5,mdev=nvidia-1'
	# What the old VM's could be put back, and must not be.
	snippet own.sh ':'
	tool qm set 100 --delete hostpci0
	unset_ok 100
	assert_output 'nothing of it is put back'
	refute_conf 100 hookscript
	refute_conf 100 hostpci0
	[[ $(section) != *'[vm 100]'* ]]
}

@test "a vmid that was given again: the new VM's own line is remembered, whatever the old section had there" {
	set_node mdev
	settings '[vm 100]' 'hostpci0 = A40-12A' 'identity = ctime:42'
	pve_vm 100 "hostpci0: ${VFS[2]},mdev=nvidia-574"
	set_ok 100 A40-24A
	assert_setting 100 "was-hostpci0 = ${VFS[2]},mdev=nvidia-574"
	unset_ok 100
	assert_conf 100 "hostpci0: ${VFS[2]},mdev=nvidia-574"
}

@test "a vmid that was given to another clone of the same template: nothing of the old one gets into it" {
	set_node mdev
	settings '[vm 100]' 'hostpci1 = A40-12A' 'identity = ctime:1700000100, uuid:00000000-1111-4222-8333-444444444444' \
		'was-hostpci1 = 0000:e8:00.5,mdev=nvidia-1'
	pve_vm 100
	assert_equal "$(pve_vgpu show 100 --json | jq -r '.[0].identity')" differs
	set_ok 100 A40-24A
	assert_output 'the section [vm 100] was that of another VM (ctime:1700000100, uuid:00000000-1111-4222-8333-444444444444): it is begun anew'
	refute_setting 100 hostpci1
	assert_equal "$(pve_vgpu show 100 --json | jq -r '.[0].identity')" matches
}

@test "a clone: the vGPU of the VM that it was made from is taken out of its args" {
	set_node mdev
	pve_vm 100 'args: -foo'
	set_ok 100 A40-24A --mode args
	pve_vm 101 "$(conf 100 | grep ^args)" 'hookscript: local:snippets/pve-vgpu'
	cp "$(conf_file 101)" "$BATS_TEST_TMPDIR/clone"
	set_ok 101 A40-24A --mode args
	assert_output 'args had the vGPU of vm 100, as a clone of it has: it is taken out'
	assert_conf 101 "args: -foo ${DEV0/000100/000101} -uuid ${SMBIOS/000100/000101}"
	unset_ok 101
	assert_conf 101 'args: -foo'
	cat "$BATS_TEST_TMPDIR/clone" > "$(conf_file 101)"
	unset_ok 101
	assert_conf 101 'args: -foo'
	refute_conf 101 hookscript
	assert_conf 100 "args: -foo $DEV0 -uuid $SMBIOS"
}

@test "a rollback that brings an older config back: set mends it" {
	set_node mdev
	pve_vm 100 "hostpci0: ${VFS[1]},mdev=nvidia-573"
	remember 100
	set_ok 100 A40-24A
	cat "$BATS_TEST_TMPDIR/conf.100" > "$(conf_file 100)"
	set_ok 100 A40-24A
	assert_conf 100 'hostpci0: mapping=vgpu-A40,mdev=nvidia-575'
	unset_ok 100
	assert_as_before 100
}
