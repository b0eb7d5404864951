# SPDX-License-Identifier: AGPL-3.0-or-later
# A node that is as it should be, for `doctor`, and small words for its answers.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

load pve_tools
load sriov_helper

PF=0000:e8:00.0
UNITDIR=usr/lib/systemd/system

setup() {
	MOUNTED='' PIDS='' ROOT='' SYS=''
	unset ROOT
}

teardown() {
	node_teardown
}

# ready [FRAMEWORK [KERNEL]]: all of it is there, and one VM has an intent that the node can serve
ready() {
	a40 "\"framework\": \"${1:-mdev}\""
	well "${2:-$([ "${1:-mdev}" = mdev ] && echo 5.15.158-2-pve || echo 6.8.12-4-pve)}"
	vm 100 'meta: creation-qemu=9.0.2,ctime=1690000000' 'hookscript: local:snippets/pve-vgpu' \
		"hostpci0: mapping=vgpu-A40,mdev=nvidia-575"
	settings '[vm 100]' 'hostpci0 = A40-24A' 'identity = ctime:1690000000'
	map_vgpus
}

# well KERNEL: all but GPUs, VMs and settings
well() {
	pve_tools
	mkdir -p "$ROOT/proc/sys/kernel" "$ROOT/proc/500" "$ROOT/var/lib/vz/snippets" "$ROOT/$UNITDIR" \
		"$ROOT"/etc/systemd/system/{multi-user,timers}.target.wants "$ROOT/usr/lib/udev/rules.d"
	echo "$1" > "$ROOT/proc/sys/kernel/osrelease"
	echo 'BOOT_IMAGE=/vmlinuz root=/dev/mapper/pve-root ro quiet intel_iommu=on' > "$ROOT/proc/cmdline"
	echo nvidia-vgpu-mgr > "$ROOT/proc/500/comm"
	printf '#!/bin/sh\nexit 0\n' > "$ROOT/usr/bin/pve-vgpu"
	chmod 755 "$ROOT/usr/bin/pve-vgpu"
	ln -sfn /usr/bin/pve-vgpu "$ROOT/var/lib/vz/snippets/pve-vgpu"
	printf '%s\n' 'dir: local' $'\tpath /var/lib/vz' $'\tcontent iso,snippets' '' > "$ROOT/etc/pve/storage.cfg"
	cp "$TOP"/systemd/* "$ROOT/$UNITDIR"
	cp "$TOP"/udev/*.rules "$ROOT/usr/lib/udev/rules.d"
	for unit in nvidia-vgpud.service nvidia-vgpu-mgr.service; do
		printf '[Unit]\nDescription=NVIDIA\n' > "$ROOT/$UNITDIR/$unit"
	done
	enable nvidia-vgpud.service nvidia-vgpu-mgr.service pve-vgpu-gc.service pve-vgpu-standalone.service pve-vgpu-gc.timer
	node_conf '[defaults]' 'sriov = yes'
}

# enable UNIT…, disable UNIT: the link that systemctl makes and takes away
enable() {
	local unit dir

	for unit; do
		dir=multi-user
		[[ $unit == *.timer ]] && dir=timers
		ln -sfn "/$UNITDIR/$unit" "$ROOT/etc/systemd/system/$dir.target.wants/$unit"
	done
}

disable() {
	rm "$ROOT"/etc/systemd/system/*.wants/"$1"
}

# map_vgpus: a mapping of the first two VFs as they are
map_vgpus() {
	local vf id

	{
		printf 'vgpu-A40\n\tmdev 1\n'
		for vf in 0000:e8:00.4 0000:e8:00.5; do
			id=$(ids_of "$vf")
			printf '\tmap id=%s,iommugroup=%s,node=pve1,path=%s,subsystem-id=%s\n' "${id% *}" \
				"$(basename "$(readlink "$SYS/bus/pci/devices/$vf/iommu_group")")" "$vf" "${id#* }"
		done
	} > "$ROOT/etc/pve/mapping/pci.cfg"
}

ids_of() {
	(cd "$SYS/bus/pci/devices/$1" && echo "$(sed 's/^0x//' vendor):$(sed 's/^0x//' device) $(sed 's/^0x//' subsystem_vendor):$(sed 's/^0x//' subsystem_device)")
}

# answer CHECK: yes, no or n/a
answer() {
	{ pve_vgpu doctor --json 2> /dev/null || true; } | jq -r --arg c "$1" '.[] | select(.check == $c) | .answer'
}

# says CHECK ANSWER [TEXT]: that is the check's answer, and the text is in its note
says() {
	local all

	all=$({ pve_vgpu doctor --json || true; } 2> "$BATS_TEST_TMPDIR/stderr" | jq -c --arg c "$1" '.[] | select(.check == $c)')
	assert_equal "$(jq -r .answer <<< "$all")" "$2" || { echo "$all"; return 1; }
	[ $# -lt 3 ] || [[ $(jq -r .note <<< "$all") == *"$3"* ]] || { echo "no '$3' in: $all"; return 1; }
}

# no CHECK blocks|advice WHAT MEND: the check says no, and one thing is that
no() {
	local all found

	run pve_vgpu doctor --json
	[ "$2" = advice ] || [ "$status" -eq 1 ] || { echo "status $status"; return 1; }
	all=$({ pve_vgpu doctor --json 2> /dev/null || true; } | jq -c --arg c "$1" '.[] | select(.check == $c)')
	assert_equal "$(jq -r .answer <<< "$all")" no || { echo "$all"; return 1; }
	assert_equal "$(jq -c '[.problems[] | select(.mend == null)]' <<< "$all")" '[]'
	found=$(jq -c --arg w "$3" --arg m "$4" --argjson b "$([ "$2" = blocks ] && echo true || echo false)" \
		'[.problems[] | select((.what | contains($w)) and ((.mend // "") | contains($m)) and .blocks == $b)] | length' <<< "$all")
	[ "$found" -ge 1 ] || { echo "no such thing ($2: '$3', '$4') in: $all"; return 1; }
}
