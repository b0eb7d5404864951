# SPDX-License-Identifier: AGPL-3.0-or-later
# That the stand-ins for qm, pvesh and pvesm do and refuse what PVE's do.

load tools_helper

setup() {
	MOUNTED='' PIDS='' ROOT=''
}

refused() {
	run --separate-stderr tool "$@"
	[ "$status" -eq 255 ] || { echo "status $status of $*: $output $stderr"; return 1; }
	output=$stderr
}

# --- qm set -----------------------------------------------------------------------------

@test "qm set: says what it does, and the config is as PVE prints it" {
	tools_node mdev
	pve_vm 100 'vga: std' '#first: line' '#second'
	run tool qm set 100 --cores 8 --delete vga
	assert_success
	assert_equal "$output" 'update VM 100: -cores 8 -delete vga'
	assert_equal "$(conf 100 | head -n 4)" "$(printf '%s\n' '#first%3A line' '#second' 'boot: order=scsi0;net0' 'cores: 8')"
	refute_conf 100 vga
}

@test "qm set: sections keep their order" {
	tools_node mdev
	pve_vm 100 '[zzz]' 'cores: 1' 'snaptime: 5' '[special:fleecing]' 'fleecing-images: local:x' '[aaa]' 'cores: 2' \
		'[PENDING]' 'memory: 16' 'delete: vga'
	qemu 100
	tool qm set 100 --onboot 1
	assert_equal "$(conf 100 | grep '^\[' | paste -sd' ')" '[PENDING] [special:fleecing] [aaa] [zzz]'
	qemu_gone 100
}

@test "qm set: an option that PVE does not have is refused with the usage" {
	tools_node mdev
	pve_vm 100
	refused qm set 100 --vgpu A40-24A
	assert_output 'Unknown option: vgpu'
	assert_output '400 unable to parse option'
	assert_output 'qm set <vmid> [OPTIONS]'
	refused qm set 100 --meta ctime=1
	refused qm set 100 --delete nonsense
	assert_output "delete: unknown option 'nonsense'"
	refused qm set 100 --cores 1 --delete cores
	refused qm set 100
	assert_output 'no options specified'
	refused qm destroy 100
}

@test "qm set: values that do not fit are refused" {
	local value

	tools_node mdev
	pve_vm 100
	for value in 'host' '0000:E8:00.4' '0000:e8:00.4,mdev=a/b' '0000:e8:00.4,x-vga=maybe' '0000:e8:00.4,display=on' \
		'mapping=1x' '0000:e8:00.4,mapping='; do
		refused qm set 100 --hostpci0 "$value"
		assert_output '400 Parameter verification failed.'
		assert_output 'hostpci0'
	done
	refused qm set 100 --hostpci16 0000:e8:00.4
	assert_output 'Unknown option: hostpci16'
	refused qm set 100 --machine pc-9
	refused qm set 100 --lock mine
	# No one looks whether that mapping, or that device, is there.
	tool qm set 100 --hostpci0 mapping=nowhere,mdev=A40-24A --hostpci15 0000:01:00.0
}

@test "qm set: a hookscript has to be a snippet that is there and can be run" {
	tools_node mdev
	pve_vm 100
	refused qm set 100 --hookscript local:iso/x.iso
	assert_output "hookscript: 'local:iso/x.iso' is not in the snippets directory"
	refused qm set 100 --hookscript nowhere:snippets/x
	assert_output "storage 'nowhere' does not exist"
	refused qm set 100 --hookscript local-lvm:snippets/x
	refused qm set 100 --hookscript /etc/x
	assert_output "unable to parse volume ID '/etc/x'"
	refused qm set 100 --hookscript local:snippets/x
	assert_output "script 'local:snippets/x' does not exist"
	snippet x true
	chmod -x "$ROOT/var/lib/vz/snippets/x"
	refused qm set 100 --hookscript local:snippets/x
	assert_output "script 'local:snippets/x' is not executable"
	chmod +x "$ROOT/var/lib/vz/snippets/x"
	# Nor does PVE ask whether the storage is for snippets at all.
	tool qm set 100 --hookscript local:snippets/x
	ln -s /usr/bin/tool "$ROOT/var/lib/vz/snippets/y"
	refused qm set 100 --hookscript local:snippets/y
	printf '#!/bin/sh\n' > "$ROOT/usr/bin/tool"
	chmod +x "$ROOT/usr/bin/tool"
	tool qm set 100 --hookscript local:snippets/y
}

@test "qm set: a config that has changed since is left alone" {
	local before

	tools_node mdev
	pve_vm 100
	before=$(digest 100)
	admin_edits 100 's/^cores: 4/cores: 6/'
	refused qm set 100 --cores 8 --digest "$before"
	assert_output 'checksum mismatch (file change by other user?)'
	assert_conf 100 'cores: 6'
	tool qm set 100 --cores 8 --digest "$(digest 100)"
	assert_conf 100 'cores: 8'
}

@test "qm set: what a running VM cannot take over waits, and hookscript does not" {
	tools_node mdev
	pve_vm 100 'vga: std' 'args: -foo'
	snippet x true
	qemu 100
	tool qm set 100 --hookscript local:snippets/x --hostpci0 0000:e8:00.4,mdev=nvidia-575 --args '-bar "b c"' --delete vga
	assert_conf 100 'hookscript: local:snippets/x'
	assert_conf 100 'args: -foo'
	assert_conf 100 'vga: std'
	assert_equal "$(pending 100)" "$(printf '%s\n' 'args: -bar "b c"' 'delete: vga' 'hostpci0: 0000:e8:00.4,mdev=nvidia-575')"
	run tool qm config 100
	assert_output 'args: -bar "b c"'
	refute_output 'vga:'
	run tool qm config 100 --current
	assert_output 'args: -foo'
	refute_output 'hostpci0'
	run tool qm pending 100
	assert_output 'cur args: -foo'
	assert_output 'new args: -bar "b c"'
	assert_output 'del vga: std'
	assert_output 'new hostpci0: 0000:e8:00.4,mdev=nvidia-575'
	tool qm set 100 --revert args,vga,hostpci0
	assert_equal "$(pending 100)" ''
	assert_conf 100 'args: -foo'
	tool qm set 100 --delete hookscript
	refute_conf 100 hookscript
	qemu_gone 100
}

@test "qm set: of a VM that does not run all that waited is taken over" {
	tools_node mdev
	pve_vm 100 'vga: std' '[PENDING]' 'cores: 2' 'delete: vga'
	tool qm set 100 --onboot 1
	assert_conf 100 'cores: 2'
	refute_conf 100 vga
	assert_equal "$(pending 100)" ''
}

@test "qm set: what is there already stays as it is, to the byte" {
	local before

	tools_node mdev
	pve_vm 100
	before=$(conf 100)
	tool qm set 100 --cores 4
	assert_equal "$(conf 100)" "$before"
	run --separate-stderr tool qm set 100 --delete vga
	assert_success
	[[ $stderr == *"cannot delete 'vga' - not set in current configuration!"* ]]
	assert_equal "$(conf 100)" "$before"
}

@test "qm set: takes the quotation marks away that stand around the whole of args" {
	tools_node mdev
	pve_vm 100
	tool qm set 100 --args '"-foo" "bar"'
	assert_conf 100 'args: -foo" "bar'
}

@test "qm set: refuses a VM that is locked, one that is elsewhere, and one that is not" {
	tools_node mdev there
	pve_vm 100 'lock: backup'
	refused qm set 100 --cores 1
	assert_output 'VM is locked (backup)'
	NODE=there pve_vm 101
	refused qm set 101 --cores 1
	assert_output "Configuration file 'nodes/here/qemu-server/101.conf' does not exist"
	refused qm set 102 --cores 1
	refused qm set one --cores 1
	on there tool qm set 101 --cores 1
	assert_conf 101 'cores: 1'
}

@test "qm set: waits for the lock of the VM's config, and not for ever" {
	tools_node mdev
	pve_vm 100
	lock_seconds 1
	pve_lock 100
	refused qm set 100 --cores 1
	assert_output 'trying to acquire lock...'
	assert_output "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"
	assert_conf 100 'cores: 4'
	pve_unlock
	tool qm set 100 --cores 1
}

@test "qm set: a call from inside a hook is found out" {
	tools_node mdev
	pve_vm 100 'hookscript: local:snippets/x'
	snippet x "exec '$ROOT/usr/sbin/qm' set \$1 --cores 1"
	run qm start 100
	assert_failure 3
	assert_output 'TEST FAILED'
}

@test "qm set: without quorum nothing is changed" {
	tools_node mdev there
	pve_vm 100
	quorum no
	refused qm set 100 --cores 1
	assert_output 'Permission denied'
	quorum yes
	assert_conf 100 'cores: 4'
}

@test "qm: list and status" {
	tools_node mdev there
	pve_vm 100
	NODE=there pve_vm 101
	qemu 100
	run tool qm status 100
	assert_equal "$output" 'status: running'
	run tool qm list
	assert_output '100 vm100'
	refute_output vm101
	qemu_gone 100
}

# --- pvesh ------------------------------------------------------------------------------

@test "pvesh: a VM's config on any node" {
	local d

	tools_node mdev there
	NODE=there pve_vm 101
	run tool pvesh get /nodes/there/qemu/101/config --output-format json
	assert_success
	assert_equal "$(jq -c '[.cores, .memory, .digest]' <<< "$output")" "[4,\"8192\",\"$(digest 101)\"]"
	d=$(digest 101)
	run tool pvesh set /nodes/there/qemu/101/config --hostpci0 mapping=a40,mdev=nvidia-575 --digest "$d"
	assert_success
	assert_output 'update VM 101: -hostpci0 mapping=a40,mdev=nvidia-575'
	assert_conf 101 'hostpci0: mapping=a40,mdev=nvidia-575'
	refused pvesh set /nodes/there/qemu/101/config --cores 1 --digest "$d"
	refused pvesh set /nodes/here/qemu/101/config --cores 1
	refused pvesh set /nodes/nowhere/qemu/101/config --cores 1
	run tool pvesh create /nodes/there/qemu/101/config --cores 2 --output-format json
	assert_output '"UPID:there:'
	run tool pvesh get /nodes/there/qemu/101/pending --output-format json
	assert_equal "$(jq -r '.[] | select(.key == "cores").value' <<< "$output")" 2
}

@test "pvesh: a VM that runs elsewhere keeps what waits" {
	tools_node mdev there
	NODE=there pve_vm 101
	on there qemu 101
	tool pvesh set /nodes/there/qemu/101/config --hostpci0 mapping=a40
	assert_equal "$(pending 101)" 'hostpci0: mapping=a40'
	on there qemu_gone 101
}

@test "pvesh: a node that is off" {
	tools_node mdev there
	NODE=there pve_vm 101
	offline there
	refused pvesh set /nodes/there/qemu/101/config --cores 1
	assert_output 'No route to host'
	run tool pvesh get /nodes --output-format json
	assert_equal "$(jq -c 'map([.node, .status])' <<< "$output")" '[["here","online"],["there","offline"]]'
}

@test "pvesh: a path that PVE does not have" {
	tools_node mdev
	run tool pvesh get /nodes/here/vgpu
	assert_failure 1
	assert_output "No 'get' handler defined for '/nodes/here/vgpu'"
}

@test "pvesh: mappings are written as PVE writes them" {
	local m='id=10de:2235,iommugroup=42,node=here,path=0000:e8:00.4,subsystem-id=10de:145a'

	tools_node mdev
	tool pvesh create /cluster/mapping/pci --id a40-24a --mdev 1 --map "$m" --map "${m//.4/.5}"
	assert_equal "$(cat "$ROOT/etc/pve/mapping/pci.cfg"; echo .)" \
		"$(printf 'a40-24a\n\tmap %s\n\tmap %s\n\tmdev 1\n\n.' "$m" "${m//.4/.5}")"
	refused pvesh create /cluster/mapping/pci --id a40-24a --map "$m"
	assert_output "create hardware mapping failed: pci ID 'a40-24a' already defined"
	refused pvesh create /cluster/mapping/pci --id a40-48a
	assert_output "missing value for required option 'map'"
	refused pvesh create /cluster/mapping/pci --id x --map "$m"
	assert_output "invalid configuration ID 'x'"
	refused pvesh create /cluster/mapping/pci --id other --map "${m/path=/way=}"
	refused pvesh create /cluster/mapping/pci --id other --map "id=10de:2235,path=0000:e8:00.4"
	assert_output 'node: property is missing and it is not optional'
	run tool pvesh get /cluster/mapping/pci/a40-24a --output-format json
	assert_equal "$(jq -c '[.mdev, (.map | length)]' <<< "$output")" '[1,2]'
	refused pvesh set /cluster/mapping/pci/a40-24a --map "$m" --digest "$(sha1sum < /dev/null | cut -d' ' -f1)"
	assert_output 'detected modified configuration'
	run tool pvesh get /cluster/mapping/pci --output-format json
	assert_equal "$(jq -c 'map([.id, (.map | length)])' <<< "$output")" '[["a40-24a",2]]'
	tool pvesh set /cluster/mapping/pci/a40-24a --map "$m" --digest "$(jq -r '.[0].digest' <<< "$output")"
	assert_equal "$(grep -c 'map id' "$ROOT/etc/pve/mapping/pci.cfg")" 1
	# The list is needed, although it is there.
	refused pvesh set /cluster/mapping/pci/a40-24a --mdev 0
	tool pvesh delete /cluster/mapping/pci/a40-24a
	assert_equal "$(cat "$ROOT/etc/pve/mapping/pci.cfg")" ''
}

@test "pvesh: PVE before 8.0 has no mappings" {
	tools_node mdev
	pve_version 7.4-3
	run tool pvesh get /cluster/mapping/pci
	assert_failure 1
	run tool pvesh get /version --output-format json
	assert_equal "$(jq -r .version <<< "$output")" 7.4-3
}

@test "pvesh: mappings are changed under the cluster's lock" {
	local m='id=10de:2235,node=here,path=0000:e8:00.4'

	tools_node mdev there
	mkdir -p "$ROOT/etc/pve/priv/lock/file-mapping_pci_cfg"
	lock_seconds 1
	refused pvesh create /cluster/mapping/pci --id a40 --map "$m"
	assert_output "create hardware mapping failed: cfs-lock 'file-mapping_pci_cfg' error: got lock request timeout"
	age_lock file-mapping_pci_cfg 121
	tool pvesh create /cluster/mapping/pci --id a40 --map "$m"
	quorum no
	refused pvesh delete /cluster/mapping/pci/a40
	assert_output 'no quorum!'
}

@test "pvesh: the cluster's VMs" {
	tools_node mdev there
	pve_vm 100
	NODE=there pve_vm 101
	run tool pvesh get /cluster/resources --type vm --output-format json
	assert_equal "$(jq -c 'map([.vmid, .node, .status])' <<< "$output")" '[[100,"here","stopped"],[101,"there","stopped"]]'
}

# --- pvesm ------------------------------------------------------------------------------

@test "pvesm: which storages can hold snippets, and one that is made to" {
	tools_node mdev
	rm -r "$ROOT/var/lib/vz/snippets"
	run tool pvesm status --content snippets
	assert_success
	refute_output local
	tool pvesm set local --content backup,iso,vztmpl,snippets
	# The directory comes with the next look at the storage.
	[ ! -d "$ROOT/var/lib/vz/snippets" ]
	run tool pvesm status --content snippets
	assert_output local
	[ -d "$ROOT/var/lib/vz/snippets" ]
	assert_equal "$(head -n 3 "$ROOT/etc/pve/storage.cfg")" "$(printf 'dir: local\n\tpath /var/lib/vz\n\tcontent backup,iso,snippets,vztmpl')"
	refused pvesm set local-lvm --content snippets
	assert_output "storage does not support content type 'snippets'"
	refused pvesm set nowhere --content snippets
	assert_output "storage 'nowhere' does not exist"
}

@test "pvesm: nodes, disabled and shared storages" {
	tools_node mdev there
	storages <<- 'END'
	dir: fast
	path /fast
	content snippets
	nodes there

	dir: off
	disable
	path /off
	content snippets

	nfs: share
	export /x
	path /mnt/pve/share
	server 192.0.2.1
	content snippets

	END
	mkdir -p "$ROOT/mnt/pve/share" "$(root_of there)/fast"
	run tool pvesm status --content snippets
	assert_equal "$(awk 'NR > 1 { print $1, $3 }' <<< "$output" | paste -sd,)" 'local active,share active'
	run on there tool pvesm status --content snippets
	assert_output 'fast'
	run tool pvesh get /storage --output-format json
	assert_equal "$(jq -c 'map([.storage, .shared])' <<< "$output")" '[["fast",null],["local",null],["off",null],["share",1]]'
}

@test "pvesm: the path of a volume, and what lies in a storage" {
	tools_node mdev
	assert_equal "$(tool pvesm path local:snippets/x)" /var/lib/vz/snippets/x
	refused pvesm path local:nothing/x
	refused pvesm path x
	tool pvesm set local --content snippets
	run tool pvesm list local
	assert_output local:snippets/pve-vgpu
}

# --- what tests see and do --------------------------------------------------------------

@test "log: each call with its arguments, directory and environment's names" {
	tools_node mdev
	pve_vm 100
	(cd / && env -i LC_ALL=C PATH=/bin "$ROOT/usr/sbin/qm" set 100 --args 'a "b"')
	assert_equal "$(jq -c '[.tool, .argv, .cwd, .env]' "$ROOT/.pve/log")" '["qm",["set","100","--args","a \"b\""],"/",["LC_ALL","PATH"]]'
	assert_equal "$(pve_calls '^qm set 100 ')" 1
}

@test "faults: a call fails, before or after it has acted, and the next one does not" {
	tools_node mdev
	pve_vm 100
	pve_fault 1 '^qm set' fail 7 'out of order'
	run tool qm set 100 --cores 1
	assert_failure 7
	assert_output 'out of order'
	assert_conf 100 'cores: 4'
	tool qm set 100 --cores 1
	pve_fault 1 '^qm set' after-fail 255 'too late'
	run tool qm set 100 --cores 2
	assert_failure 255
	assert_conf 100 'cores: 2'
}

@test "faults: a call hangs, or is killed" {
	tools_node mdev
	pve_vm 100
	pve_fault 1 '^qm set' hang
	run timeout 1 "$ROOT/usr/sbin/qm" set 100 --cores 1
	assert_failure 124
	pve_fault 1 '^qm set' kill
	run tool qm set 100 --cores 1
	assert_failure 137
	assert_conf 100 'cores: 4'
}

@test "faults: somebody edits the config just before, or just behind" {
	local d

	tools_node mdev
	pve_vm 100
	d=$(digest 100)
	edit_before '^qm set' 100 's/^memory: .*/memory: 512/'
	refused qm set 100 --cores 1 --digest "$d"
	assert_conf 100 'memory: 512'
	edit_after '^qm set' 100 's/^memory: .*/memory: 1024/'
	tool qm set 100 --cores 1
	assert_conf 100 'cores: 1'
	assert_conf 100 'memory: 1024'
}
