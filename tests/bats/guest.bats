# SPDX-License-Identifier: AGPL-3.0-or-later
# Cloud-init vendor data for guests.

load helper

setup() {
	node a40x8-mdev
	mkdir -p "$ROOT"/{usr/share/pve-vgpu,var/lib/vz}
	cp "$TOP/snippets/vgpu-guest.yaml.in" "$ROOT/usr/share/pve-vgpu/"
	FILE=$ROOT/var/lib/vz/snippets/vgpu-guest-100.yaml
	TOKEN=$BATS_TEST_TMPDIR/client.tok
	echo 'eyJhbGciOi.J9-x_Y' > "$TOKEN"
}

teardown() {
	node_teardown
}

# guest: its standard output
guest() {
	pve_vgpu guest "$@" 2> "$BATS_TEST_TMPDIR/stderr"
}

feature() {
	guest 100 | sed -n 's/^ *FeatureType=//p'
}

@test "the data begin as cloud-init wants it, and nothing of the template is left" {
	vm 100
	intent 100 A40-24Q
	run guest 100
	assert_success
	assert_equal "${lines[0]}" '#cloud-config'
	assert_output "for A40-24Q."
	refute_output '@'
	refute_output '##'
	refute_output SPDX
	assert_output $'write_files:\n  - path: /etc/nvidia/gridd.conf'
}

@test "FeatureType follows from the series of all that the VM may get" {
	vm 100
	settings '[vm 100]' 'hostpci0 = A40-24Q, A40-12Q'
	assert_equal "$(feature)" 2
	settings '[vm 100]' 'hostpci0 = A40-24C'
	assert_equal "$(feature)" 4
	settings '[vm 100]' 'hostpci0 = A40-24A'
	assert_equal "$(feature)" 1
	settings '[vm 100]' 'hostpci0 = A40-2B'
	assert_equal "$(feature)" 1
	settings '[vm 100]' 'hostpci0 = A40-24Q' 'hostpci1 = A40-24A'
	assert_equal "$(feature)" 1
}

@test "the type is known by any of its names, and one that is not here by what its name tells" {
	local id

	id=$(pve_vgpu types --json | jq -r 'map(select(.name == "A40-24Q"))[0].type')
	vm 100
	settings '[vm 100]' "hostpci0 = $id"
	assert_equal "$(feature)" 2
	guest 100 | grep -q 'for A40-24Q\.$'
	settings '[vm 100]' 'hostpci0 = L40S-48Q'
	assert_equal "$(feature)" 2
}

@test "a VM without intent counts by its own hostpci, and one without vGPU is refused" {
	local id

	id=$(pve_vgpu types --json | jq -r 'map(select(.name == "A40-24Q"))[0].type')
	vm 100 "hostpci0: 0000:67:00.4,mdev=$id"
	assert_equal "$(feature)" 2
	vm 100 'hostpci0: 0000:67:00.4'
	run pve_vgpu guest 100
	assert_failure
	assert_output "vm 100: guest: the VM has no vGPU"
}

@test "without a token its place is a comment, and that is said" {
	vm 100
	intent 100 A40-24Q
	run --separate-stderr pve_vgpu guest 100
	assert_success
	[[ $stderr == *"no client configuration token"*"--token-file"* ]]
	assert_equal "$(sed '/^#/d' <<< "$output" | grep -c ClientConfigToken)" 0
	grep -q '^#  - path: /etc/nvidia/ClientConfigToken/' <<< "$output"
}

@test "the token is taken as it is, and what is none is refused" {
	vm 100
	intent 100 A40-24Q
	run --separate-stderr pve_vgpu guest 100 --token-file "$TOKEN"
	assert_success
	assert_equal "$stderr" ''
	assert_output $'    content: |\n      eyJhbGciOi.J9-x_Y\nruncmd:'
	printf 'two\nlines: of yaml\n' > "$TOKEN"
	run pve_vgpu guest 100 --token-file "$TOKEN"
	assert_failure
	assert_output "is no client configuration token"
	run pve_vgpu guest 100 --token-file "$TOKEN.none"
	assert_failure
	assert_output "No such file"
}

@test "in a storage's snippets, with the command that gives it to the VM; twice is once" {
	vm 100 'ide2: local:100/vm-100-cloudinit.qcow2,media=cdrom'
	intent 100 A40-24Q
	run pve_vgpu guest 100 --storage local --dry-run
	assert_success
	assert_output "would write /var/lib/vz/snippets/vgpu-guest-100.yaml"
	[ ! -e "$FILE" ]
	run --separate-stderr pve_vgpu guest 100 --storage local --token-file "$TOKEN"
	assert_success
	assert_equal "$output" "$(printf '%s\n' 'wrote /var/lib/vz/snippets/vgpu-guest-100.yaml' \
		'give it to the VM with: qm set 100 --cicustom vendor=local:snippets/vgpu-guest-100.yaml')"
	assert_equal "$stderr" ''
	assert_equal "$(stat -c %a "$FILE")" 600
	cmp "$FILE" <(guest 100 --token-file "$TOKEN")
	run pve_vgpu guest 100 --storage local --token-file "$TOKEN"
	assert_output "is up to date: /var/lib/vz/snippets/vgpu-guest-100.yaml"
}

@test "what writers that were killed have left, a token in it, goes with the next write of that file" {
	local left=${FILE%/*}/.vgpu-guest-100.yaml gone

	vm 100
	intent 100 A40-24Q
	mkdir -p "${FILE%/*}"
	sh -c ':' & gone=$!
	wait $gone
	touch -d '2 minutes ago' "$left.$gone.tmp" "$left.$$.tmp" "${FILE%/*}/.vgpu-guest-101.yaml.$gone.tmp"
	run pve_vgpu guest 100 --storage local --dry-run
	assert_success
	[ -e "$left.$gone.tmp" ]
	run pve_vgpu guest 100 --storage local
	assert_success
	assert_equal "$(find "${FILE%/*}" -name '*.tmp' -printf '%f\n' | sort)" ".vgpu-guest-100.yaml.$$.tmp"$'\n.vgpu-guest-101.yaml.'"$gone.tmp"
	# On a shared storage another node may be at work, whose processes do not show here.
	touch "$left.$gone.tmp"
	run pve_vgpu guest 100 --storage local
	assert_success
	[ -e "$left.$gone.tmp" ]
}

@test "what cicustom has besides is kept, and other vendor data are warned of" {
	vm 100 'cicustom: user=local:snippets/u.yaml,vendor=local:snippets/v.yaml'
	intent 100 A40-24Q
	run pve_vgpu guest 100 --storage local
	assert_success
	assert_output "qm set 100 --cicustom user=local:snippets/u.yaml,vendor=local:snippets/vgpu-guest-100.yaml"
	assert_output "has other vendor data, which this takes the place of: 'local:snippets/v.yaml'"
	assert_output "has no drive for cloud-init's data"
	vm 100 'cicustom: vendor=local:snippets/vgpu-guest-100.yaml'
	run pve_vgpu guest 100 --storage local
	assert_output "qm cloudinit update 100"
	refute_output "qm set 100 --cicustom"
}

@test "a file that is not ours stays, and so does a token" {
	vm 100
	intent 100 A40-24Q
	mkdir -p "${FILE%/*}"
	echo '#cloud-config' > "$FILE"
	run pve_vgpu guest 100 --storage local
	assert_failure
	assert_output "is there, and not written by pve-vgpu"
	assert_equal "$(cat "$FILE")" '#cloud-config'
	rm "$FILE"
	pve_vgpu guest 100 --storage local --token-file "$TOKEN"
	settings '[vm 100]' 'hostpci0 = A40-24A'
	run pve_vgpu guest 100 --storage local
	assert_failure
	assert_output "has a client configuration token, which would be lost"
	grep -q eyJ "$FILE"
	run pve_vgpu guest 100 --storage local --token-file "$TOKEN"
	assert_success
	grep -q 'FeatureType=1' "$FILE"
}

@test "storages without snippets, of other nodes, not mounted" {
	vm 100
	intent 100 A40-24Q
	printf 'dir: local\n\tcontent iso\n\nnfs: nas\n\tpath /mnt/nas\n\tcontent snippets\n\n' > "$ROOT/etc/pve/storage.cfg"
	run pve_vgpu guest 100 --storage local
	assert_failure
	assert_output "pvesm set local --content iso,snippets"
	run pve_vgpu guest 100 --storage nas
	assert_failure
	assert_output "the directory '/mnt/nas' of storage 'nas' is not there"
	run pve_vgpu guest 100 --storage none
	assert_failure
	assert_output "storage 'none' is not in /etc/pve/storage.cfg"
	mkdir -p "$ROOT/mnt/nas"
	run pve_vgpu guest 100 --storage nas
	assert_success
	[ -e "$ROOT/mnt/nas/snippets/vgpu-guest-100.yaml" ]
}

@test "in a file of one's choice" {
	vm 100
	intent 100 A40-24Q
	cd "$BATS_TEST_TMPDIR"
	run pve_vgpu guest 100 --output here.yaml
	assert_success
	assert_output "wrote here.yaml"
	[ -s here.yaml ]
	run pve_vgpu guest 100 --output no/such.yaml
	assert_failure
	assert_output "No such file"
	run pve_vgpu guest 100 --output x --storage local
	assert_failure 2
	run pve_vgpu guest 100 --output ''
	assert_failure 2
	assert_output "--output is empty: it is the name of a file"
}

@test "--output: a link, a device or a directory never gives way to the file" {
	local at

	vm 100
	intent 100 A40-24Q
	cd "$BATS_TEST_TMPDIR"
	# As /dev/stdout is, which leads nowhere below /dev
	ln -s /proc/self/fd/1 stdout
	mkfifo pipe
	mkdir dir
	for at in stdout pipe dir; do
		run timeout 20 "$PVE_VGPU" --root "$ROOT" guest 100 --output "$PWD/$at"
		assert_failure 1
		assert_output "vm 100: guest: write '$PWD/$at': it is there, and no plain file"
		assert_output "hint: name another file with --output; without it the data are printed"
	done
	[ "$(readlink stdout)" = /proc/self/fd/1 ]
	[ -p pipe ]
	[ -d dir ]
	run pve_vgpu guest 100 --output no/such.yaml
	assert_output "vm 100: guest: write 'no/such.yaml': open its directory: No such file or directory"
}

@test "the template is asked for where it is not there" {
	vm 100
	intent 100 A40-24Q
	rm "$ROOT/usr/share/pve-vgpu/vgpu-guest.yaml.in"
	run pve_vgpu guest 100
	assert_failure
	assert_output "read '/usr/share/pve-vgpu/vgpu-guest.yaml.in'"
}

@test "a VM of another node, a container: said where it is" {
	mkdir -p "$ROOT"/etc/pve/nodes/pve2/{qemu-server,lxc}
	: > "$ROOT/etc/pve/nodes/pve2/qemu-server/200.conf"
	: > "$ROOT/etc/pve/nodes/pve2/lxc/201.conf"
	run pve_vgpu guest 200
	assert_failure 1
	assert_output "VM 200 has no configuration at '/etc/pve/qemu-server/200.conf'"
	assert_output "hint: the VM is on node 'pve2': run this there"
	run pve_vgpu plan 201
	assert_failure 1
	assert_output "hint: 201 is no VM but a container, on node 'pve2'"
	run pve_vgpu plan 202
	assert_failure 1
	assert_output "hint: 'qm list' shows the VMs of this node"
}
