/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What /etc/pve tells of the cluster: its nodes, and which VM is where. Read
 * from the directories of pmxcfs alone.
 */
#ifndef CLUSTER_H
#define CLUSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "root.h"

/*
 * Whether pmxcfs is mounted. It always shows a few entries of its own, its bare
 * mount point none. Returns 0, -ENOENT, or -errno.
 */
int cluster_mounted(const struct root *r, struct err *e);

/*
 * Whether the cluster has quorum: without it pmxcfs takes the right to write
 * from the modes that it shows below /etc/pve, and every write gets EACCES.
 * Source: pve-cluster src/pmxcfs/cfs-plug-memdb.c, tree_entry_stat(), and
 * dcdb.c, dcdb_send_fuse_message()
 */
bool cluster_quorate(const struct root *r);

/* Say that what cannot be done without quorum, and nothing was. Returns -EACCES. */
int cluster_fail_quorum(const char *what, struct err *e);

/*
 * The name of this node, from the link /etc/pve/local. Returns 0 and *node,
 * which the caller frees; -EINVAL where the link names none; or -errno.
 * Source: pve-cluster src/pmxcfs/pmxcfs.c
 */
int cluster_local_node(const struct root *r, char **node, struct err *e);

/*
 * The node that has the VM. Returns 0 and *node, which the caller frees; -ENOENT:
 * there is no such VM in the cluster, and the message tells of a container of
 * that number; or -errno.
 */
int cluster_vm_node(const struct root *r, unsigned int vmid, char **node, struct err *e);

/* VMs and containers have their numbers from one range. */
struct cluster_guest {
	unsigned int vmid;
	char *node;
	bool container;
};

struct cluster_guests {
	struct cluster_guest *guests;	/* by ascending vmid */
	size_t n;
};

/* All of the cluster's. Returns 0 or -errno. Release with cluster_guests_free(). */
int cluster_guests(const struct root *r, struct cluster_guests *out, struct err *e);

/* The guest of this number, or NULL. */
const struct cluster_guest *cluster_guest(const struct cluster_guests *l, unsigned int vmid);

void cluster_guests_free(struct cluster_guests *l);

#define AUTO_CLUSTER_GUESTS __attribute__((cleanup(cluster_guests_free)))

#endif
