# SPDX-License-Identifier: AGPL-3.0-or-later
# The hookscript as a snippet: where it is linked to, and where it is not.

load helper
load pve_tools

setup() {
	ROOT=$BATS_TEST_TMPDIR/root
	mkdir -p "$ROOT"/{etc/pve/nodes/pve1/qemu-server,usr/bin,usr/sbin,var/lib/vz}
	ln -s nodes/pve1 "$ROOT/etc/pve/local"
	ln -s nodes/pve1/qemu-server "$ROOT/etc/pve/qemu-server"
	cp "$PVE_VGPU" "$ROOT/usr/bin/pve-vgpu"
	LINK=$ROOT/var/lib/vz/snippets/pve-vgpu
	pve_tools
}

storages() {
	printf '%s\n' "$@" > "$ROOT/etc/pve/storage.cfg"
}

@test "install links the program into local, and a second time finds it there" {
	run pve_vgpu snippet install
	assert_success
	assert_output "link /var/lib/vz/snippets/pve-vgpu to /usr/bin/pve-vgpu"
	assert_output "qm set <vmid> --hookscript local:snippets/pve-vgpu"
	assert_equal "$(readlink "$LINK")" /usr/bin/pve-vgpu
	assert_equal "$(calls)" "pvesm status --storage local --content snippets"
	run pve_vgpu snippet install
	assert_success
	assert_output "local:snippets/pve-vgpu: is there"
	refute_output link
	assert_equal "$(calls | wc -l)" 1
}

@test "install --dry-run changes nothing" {
	run pve_vgpu snippet install --dry-run
	assert_success
	assert_output "would link /var/lib/vz/snippets/pve-vgpu"
	[ ! -L "$LINK" ]
}

@test "a storage that is changed while it is enabled: refused in PVE's words, and nothing of that change is lost" {
	printf 'dir: local\n\tpath /var/lib/vz\n\tcontent iso,backup\n' > "$ROOT/etc/pve/storage.cfg"
	meanwhile 1 '^pvesm set' "sed -i 's/iso,backup/iso,backup,images/' '$ROOT/etc/pve/storage.cfg'"
	run pve_vgpu snippet install --enable
	assert_failure
	assert_output 'detected modified configuration'
	grep -q 'content iso,backup,images$' "$ROOT/etc/pve/storage.cfg"
	run pve_vgpu snippet install --enable
	assert_success
	grep -q 'images' "$ROOT/etc/pve/storage.cfg"
}

@test "a storage that holds no snippets is enabled on request alone, and keeps what it holds" {
	storages 'dir: local' $'\tpath /var/lib/vz' $'\tcontent iso,backup' ''
	run pve_vgpu snippet install
	assert_failure
	assert_output "snippet install: storage 'local' holds no snippets"
	assert_output "pvesm set local --content iso,backup,snippets"
	assert_equal "$(calls)" ''
	run pve_vgpu snippet install --enable --dry-run
	assert_success
	assert_output "would let storage 'local' hold snippets"
	refute_output "holds no"
	grep -q 'content iso,backup$' "$ROOT/etc/pve/storage.cfg"
	run pve_vgpu snippet install --enable
	assert_success
	grep -q 'content backup,iso,snippets$' "$ROOT/etc/pve/storage.cfg"
	[ -L "$LINK" ]
	run pve_vgpu snippet install --enable
	assert_success
	assert_output "is there"
}

@test "without --storage one that holds snippets goes before local, which does not" {
	mkdir "$ROOT/own"
	storages 'dir: local' $'\tcontent iso' '' 'nfs: nas' $'\tpath /mnt/nas' $'\tcontent snippets' '' \
		'dir: own' $'\tpath /own' $'\tcontent snippets' $'\tcontent-dirs snippets=hooks' ''
	run pve_vgpu snippet install
	assert_success
	assert_equal "$(readlink "$ROOT/own/hooks/pve-vgpu")" /usr/bin/pve-vgpu
	run pve_vgpu snippet install
	assert_output "own:snippets/pve-vgpu: is there"
}

@test "never into a shared storage, one of other nodes, or one that is none" {
	storages 'nfs: nas' $'\tpath /mnt/nas' $'\tcontent snippets' '' \
		'dir: all' $'\tpath /mnt/all' $'\tcontent snippets' $'\tshared 1' '' \
		'dir: far' $'\tpath /far' $'\tcontent snippets' $'\tnodes pve2,pve3' '' \
		'dir: off' $'\tpath /off' $'\tcontent snippets' $'\tdisable 1' '' \
		'zfspool: zfs' $'\tpool rpool/data' ''
	for s in nas all; do
		run pve_vgpu snippet install --storage $s
		assert_failure
		assert_output "storage '$s' is shared: the link would be there for every node"
		assert_output "hint: take a storage of this node's own"
	done
	run pve_vgpu snippet install --storage far
	assert_failure
	assert_output "storage 'far' is not on this node
hint: take a storage of this node's own"
	run pve_vgpu snippet install --storage off
	assert_output "storage 'off' is disabled
hint: take a storage of this node's own"
	run pve_vgpu snippet install --storage zfs
	assert_output "storage 'zfs' has no directory for snippets
hint: take a storage of this node's own"
	run pve_vgpu snippet install --storage nope
	assert_output "storage 'nope' is not in /etc/pve/storage.cfg"
	assert_output "hint: 'pvesm status' lists the storages"
	assert_equal "$(calls)" ''
	[ ! -e "$ROOT/far" ] && [ ! -e "$ROOT/mnt" ]
}

@test "a file that is there under that name stays, and so does a link to elsewhere" {
	mkdir -p "$ROOT/var/lib/vz/snippets"
	echo mine > "$LINK"
	run pve_vgpu snippet install
	assert_failure
	assert_output "'/var/lib/vz/snippets/pve-vgpu' is something else, and is left alone"
	assert_equal "$(cat "$LINK")" mine
	ln -sf /nowhere "$LINK"
	run pve_vgpu snippet install
	assert_failure
	assert_equal "$(readlink "$LINK")" /nowhere
	run pve_vgpu snippet remove
	assert_success
	[ -L "$LINK" ]
}

@test "a storage that PVE finds inactive gets nothing" {
	rmdir "$ROOT/var/lib/vz"
	run pve_vgpu snippet install
	assert_failure
	assert_output "storage 'local' is inactive"
	[ ! -e "$ROOT/var/lib/vz" ]
}

@test "pvesm that fails, or is not there, is told with its own words" {
	tool_fails '^pvesm status' 5 'no quorum!'
	run pve_vgpu snippet install
	assert_failure
	assert_output "'pvesm status --storage' failed with status 5: 'no quorum!'"
	rm "$ROOT/usr/sbin/pvesm"
	run pve_vgpu snippet install
	assert_failure
	assert_output "run '/usr/sbin/pvesm': No such file or directory"
}

@test "without the program there is nothing to link to" {
	rm "$ROOT/usr/bin/pve-vgpu"
	run pve_vgpu snippet install
	assert_failure
	assert_output "there is no /usr/bin/pve-vgpu to link to"
}

@test "status shows where it is, who has it, and whose is not there" {
	storages 'dir: local' $'\tcontent iso,snippets' '' 'nfs: nas' $'\tpath /mnt/nas' $'\tcontent snippets' '' \
		'dir: own' $'\tpath /own' $'\tcontent iso' ''
	run pve_vgpu snippet status
	assert_failure
	assert_output "the hookscript is in no local storage of this node"
	assert_output "pve-vgpu snippet install"
	pve_vgpu snippet install
	vm 101 'hookscript: local:snippets/pve-vgpu'
	vm 100 'hookscript: local:snippets/pve-vgpu'
	vm 102 'hookscript: own:snippets/pve-vgpu'
	vm 103 'hookscript: local:snippets/other.sh'
	run --separate-stderr pve_vgpu snippet status
	assert_success
	assert_equal "$output" "$(printf '%s\n' $'local\tdir\tlocal:snippets/pve-vgpu\t100,101' \
		$'nas\tnfs\tshared: not for the hookscript' $'own\tdir\tholds no snippets')"
	assert_equal "$stderr" "pve-vgpu: vm 102: its hookscript 'own:snippets/pve-vgpu' is not there on this node"
	run --separate-stderr pve_vgpu snippet status --json
	assert_success
	assert_equal "$(jq -c '.[0]' <<< "$output")" \
		'{"storage":"local","kind":"dir","local":true,"snippets":true,"volume":"local:snippets/pve-vgpu","path":"/var/lib/vz/snippets/pve-vgpu","link":"ours","vms":[100,101]}'
}

@test "remove is refused while a VM of this node has it, then takes the link" {
	pve_vgpu snippet install
	vm 100 'hookscript: local:snippets/pve-vgpu'
	vm 101 'hookscript: local:snippets/pve-vgpu'
	run pve_vgpu snippet remove
	assert_failure
	assert_output "local:snippets/pve-vgpu is the hookscript of vms 100, 101"
	assert_output "qm set <vmid> --delete hookscript"
	[ -L "$LINK" ]
	vm 100
	vm 101
	run pve_vgpu snippet remove --dry-run
	assert_success
	assert_output "would remove /var/lib/vz/snippets/pve-vgpu"
	[ -L "$LINK" ]
	run pve_vgpu snippet remove
	assert_success
	[ ! -L "$LINK" ] && [ -e "$ROOT/usr/bin/pve-vgpu" ]
	run pve_vgpu snippet remove
	assert_success
	assert_output "in no local storage"
}

@test "remove names every VM of this node that has it, through whatever storage" {
	local list='local:snippets/pve-vgpu is the hookscript of vms 100, 103; '
	list+='nas:snippets/gpu is the hookscript of vm 101; off:snippets/pve-vgpu is the hookscript of vm 102'

	mkdir -p "$ROOT"/mnt/nas/snippets "$ROOT"/off/snippets "$ROOT/etc/pve/nodes/pve2/qemu-server"
	storages 'dir: local' $'\tcontent snippets' '' 'nfs: nas' $'\tpath /mnt/nas' $'\tcontent snippets' '' \
		'dir: off' $'\tpath /off' $'\tdisable 1' ''
	pve_vgpu snippet install
	ln -s /usr/bin/pve-vgpu "$ROOT/mnt/nas/snippets/gpu"
	ln -s /usr/bin/pve-vgpu "$ROOT/off/snippets/pve-vgpu"
	vm 100 'hookscript: local:snippets/pve-vgpu'
	vm 101 'hookscript: nas:snippets/gpu'
	# PVE calls the hookscript of a storage that is disabled, too.
	vm 102 'hookscript: off:snippets/pve-vgpu'
	vm 103 'hookscript: local:snippets/pve-vgpu'
	# Another's, one of another node, one that is only in a snapshot
	vm 104 'hookscript: local:snippets/other.sh'
	echo 'hookscript: local:snippets/pve-vgpu' > "$ROOT/etc/pve/nodes/pve2/qemu-server/105.conf"
	vm 106 '' '[before]' 'hookscript: local:snippets/pve-vgpu'
	run pve_vgpu snippet remove
	assert_failure
	assert_output "pve-vgpu: snippet remove: $list"
	assert_output 'hint: for each of them: pve-vgpu unset <vmid>, or qm set <vmid> --delete hookscript'
	[ -L "$LINK" ]
	# One storage's link is the business of that storage's VMs.
	vm 100
	vm 103
	run pve_vgpu snippet remove --storage local --dry-run
	assert_success
	run pve_vgpu snippet remove --dry-run
	assert_failure
	assert_output 'remove: nas:snippets/gpu is the hookscript of vm 101; off:snippets/pve-vgpu is the hookscript of vm 102'
	vm 101
	vm 102
	run pve_vgpu snippet remove
	assert_success
	[ ! -L "$LINK" ]
}

@test "remove: a config that cannot be read may have it" {
	pve_vgpu snippet install
	vm 100 'cores: 2'
	mkdir "$ROOT/etc/pve/qemu-server/101.conf"
	run pve_vgpu snippet remove
	assert_failure
	assert_output 'snippet remove: vm 101: '
	assert_output 'hint: whether pve-vgpu is its hookscript is not known'
	run --separate-stderr pve_vgpu snippet status
	assert_success
	[[ $stderr == 'pve-vgpu: vm 101: '* ]]
	[ -L "$LINK" ]
}

@test "remove: where PVE is and /etc/pve is not mounted nobody knows; where PVE is not there are no VMs" {
	pve_vgpu snippet install
	rm -r "$ROOT/etc/pve"
	mkdir "$ROOT/etc/pve"
	: > "$ROOT/usr/bin/pmxcfs"
	run pve_vgpu snippet remove
	assert_failure
	assert_output 'snippet remove: /etc/pve is not mounted'
	assert_output 'hint: systemctl status pve-cluster'
	[ -L "$LINK" ]
	rm "$ROOT/usr/bin/pmxcfs"
	run pve_vgpu snippet remove
	assert_success
	[ ! -L "$LINK" ]
	rmdir "$ROOT/etc/pve"
	run pve_vgpu snippet remove
	assert_success
	assert_output 'in no local storage'
}

@test "wrong usage" {
	for words in '' 'nonsense' 'install status' 'status --enable' 'status --storage local' 'status --dry-run' \
		'remove --enable' 'install --json'; do
		# shellcheck disable=SC2086 # words
		run pve_vgpu snippet $words
		assert_failure 2
	done
}
