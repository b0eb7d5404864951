#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# What pve-vgpu and its peers cost on a real kernel: the jobs of tests/bench, as lines `# bench RECORD` for tests/bench/node.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load whole_helper

setup_file() {
	mkdir -p /etc/mdevctl.d/scripts.d/{callouts,notifiers}
}

teardown_file() {
	rm -rf /etc/mdevctl.d
}

setup() {
	BENCH=$BATS_TEST_DIRNAME/../bench
	# shellcheck source=tests/bench/measure.bash
	. "$BENCH/measure.bash"
	# shellcheck source=tests/bench/jobs.bash
	. "$BENCH/jobs.bash"
	HERE=$BENCH SCRATCH=$BATS_TEST_TMPDIR SYSFS=/sys COST=/payload/bin/cost PATH=/payload/bin:$PATH
	OURS=(pve-vgpu) NAME=A40-24A TYPE=nvidia-575 MAPPING=$SCRATCH/mapping
	RECORD_PREFIX=$'# bench\t' RECORDS=3 QUICK=1 PART=1
	GPUS=2 VFS=32 TYPES=22
	# shellcheck source=/dev/null
	BENCH_BED=$(. /etc/os-release && echo "$VERSION_CODENAME")
	fifos
}

teardown() {
	clean_node
}

bench_ops_reset() { echo reset > "$OPS"; }
bench_ops() { cat "$OPS"; }

qemu_up() {
	local device=/sys/bus/mdev/devices/$2

	[ -e "$device" ] || device=/sys/bus/pci/devices/$2
	holds "$1" "$device"
}
qemu_down() { dies "$1"; }

# bench_framework mdev|nvidia-vfio: all jobs, but for mdevctl's where there is none
bench_framework() {
	local tools=$TOOLS

	# Bats looks at each command, which costs more than the command.
	trap - DEBUG
	type -P mdevctl > /dev/null || tools=${tools/mdevctl/}
	FRAMEWORK=$1 PARENT=$VF FIRST_VFS=("$VF" "$VF2")
	# shellcheck disable=SC2086 # words between blanks
	mapping_of $VFS_OF_ALL > "$MAPPING"
	# shellcheck disable=SC2086
	all_jobs $tools
}

@test "mdev: what each job takes" {
	node_with mdev
	VFS_OF_ALL="$VFS $VFS2" VFS=32
	by_args 100 A40-24A
	printf '# bench\t#kernel\t%s\t%s\n' "$BENCH_BED" "Debian's Linux $(uname -r | sed 's/-.*//')" >&3
	pve-vgpu types > "$SCRATCH/types"
	(bench_framework mdev)
}

@test "vendor VFIO: what each job takes" {
	node_with vendor
	VFS_OF_ALL="$VFS $VFS2" VFS=32
	vm 100
	intent 100 A40-24A
	pve-vgpu types > "$SCRATCH/types"
	(bench_framework nvidia-vfio)
}
