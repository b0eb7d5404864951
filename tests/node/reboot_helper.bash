# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# A node that has the packages from apt, and goes through a boot with them: what the two files of tests around that boot share.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

load whole_helper

# What the first file of tests leaves to the second, on the node's disk
KEPT=/var/lib/node
# Where the stand-in for PVE's cluster has the files that are at /etc/pve when it is up
CLUSTER=/var/lib/pve-cluster
STANDALONE=11111111-aaaa-4bbb-8ccc-000000000001
# A vGPU with the UUID of a VM that does not run
LEFT_BEHIND=$(uuid 300)

numvfs() { cat "/sys/bus/pci/devices/$1/sriov_numvfs"; }

# files: all that is on the node's disk, what it is, and the content of /etc. Not what is the cluster's, and what apt and dpkg write
# of their own work.
files() {
	{
		find / -xdev \( -path "$KEPT" -o -path '/etc/pve/*' -o -path "$CLUSTER/*" -o -path '/var/cache/*' -o -path /var/log \
			-o -path /var/lib/apt -o -path /var/lib/dpkg/triggers -o -path '/var/lib/dpkg/*-old' -o -path '/var/lib/dpkg/lock*' \
			-o -path '/tmp/*' -o -path '/var/tmp/*' \) -prune -o -printf '%p %y %m %l\n'
		find /etc -xdev -path '/etc/pve/*' -prune -o -type f -exec sha256sum {} +
	} | LC_ALL=C sort
}

# apt COMMAND PACKAGE…: as an admin, on a node with no archive and no network
apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"; }
