#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Many VMs on NVIDIA's vendor VFIO files: eight at once, and fifty starts and stops on one boot.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load whole_helper

setup_file() { node_with vendor; }

teardown() { clean_node; }

@test "vendor VFIO: eight VMs at once" {
	local v=100 vf

	settings '[defaults]' 'cleanup-wait = 10'
	for vf in $(head -n 4 <<< "$VFS"; head -n 4 <<< "$VFS2"); do
		native "$((v++))" "$vf" nvidia-573 A40-12A
	done
	eight_at_once
}

@test "vendor VFIO: fifty starts and stops on one boot: all pass, and nothing grows" {
	local v

	for v in {100..104}; do
		native "$v" "$VF" nvidia-575 A40-24A
	done
	fifty 1000
}
