/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Fill an inventory from the node: every framework, claims, PVE's reservations. */
#ifndef SCAN_H
#define SCAN_H

#include <stdint.h>

#include "catalog.h"
#include "inventory.h"
#include "root.h"

/* GPUs, parents and offers of all frameworks. inv must be empty. */
int scan_gpus(const struct root *r, struct catalog *c, struct inventory *inv, struct err *e);

/*
 * The vGPUs as a start sees them, without asking a driver: those on the mdev
 * bus, what run states claim, and what PVE has reserved for VMs other than vmid
 * (0: for any). Replaces the vGPUs that inv had.
 */
int scan_taken(const struct root *r, const struct catalog *c, unsigned int vmid,
	       struct inventory *inv, struct err *e);

/* The same, and one attribute for each VF of vendor VFIO. */
int scan_all(const struct root *r, const struct catalog *c, struct inventory *inv,
	     struct err *e);

/* Ask the GPUs of which no type is known, without their locks, for those who only look. */
void scan_unseen(const struct root *r, struct catalog *c, struct inventory *inv);

/* The same under each GPU's lock, as scan_resolve(). Whether there was one to ask. */
bool scan_learn(const struct root *r, struct catalog *c, struct inventory *inv, const char *who,
		int64_t deadline);

/* Give the vGPUs their names and sizes, where the catalog knows more by now. */
void scan_name_vgpus(const struct catalog *c, struct inventory *inv);

/*
 * The type that a name means on this node. Where no GPU is known to offer it,
 * those whose list this run has not read are asked, one after the other, each
 * under its lock (who and deadline as for lock_gpu(); who NULL: without, for
 * those who only look). A list from before may be that of another board.
 *
 * Returns as name_resolve(). Where a GPU shows nothing at all, the message says
 * that the type may be one of its.
 */
int scan_resolve(const struct root *r, struct catalog *c, struct inventory *inv,
		 const char *asked, const char *who, int64_t deadline,
		 const struct vgpu_type **out, struct err *e);

#endif
