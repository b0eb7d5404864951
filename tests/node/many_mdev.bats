#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# Many VMs on the kernel's mdev bus: eight at once, and fifty starts and stops on one boot.

# bats sets some of these, and the helpers use what is set here:
# shellcheck disable=SC2154,SC2034

load whole_helper

setup_file() { node_with mdev; }

teardown() { clean_node; }

@test "eight VMs at once: each has its own, and all end" {
	local v

	settings '[defaults]' 'cleanup-wait = 20'
	# Post-stop gives a driver four fifths of that to do it by itself, and this one does: else each of the eight would wait so long.
	echo 200 > "/sys/module/$DRIVER/parameters/selfclean_ms"
	for v in {100..107}; do
		by_args "$v" A40-12A
	done
	eight_at_once
}

@test "fifty starts and stops on one boot: all pass, and nothing grows" {
	local v

	for v in {100..104}; do
		by_args "$v" A40-24A
	done
	fifty 1000
}
