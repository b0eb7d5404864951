/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whose a VM's hookscript is, for those who put ours there and take it away. */
#ifndef HOOKSCRIPT_H
#define HOOKSCRIPT_H

#include <stdbool.h>

#include "err.h"
#include "root.h"

enum hookscript {
	HOOKSCRIPT_NONE,
	HOOKSCRIPT_OURS,
	HOOKSCRIPT_LOST,	/* the link that `snippet install` makes, and the link is gone */
	HOOKSCRIPT_OTHER,
};

/*
 * Whose a VM's hookscript is, as far as this node can tell: a storage's path is
 * the same on every node. volid may be NULL. Returns 0, or -errno where storages
 * or files could not be read.
 */
int hookscript_whose(const struct root *r, unsigned int vmid, const char *volid, enum hookscript *whose,
		     struct err *e);

/*
 * Whether it is a copy of our program, byte for byte, as on a storage that has no
 * links: called after ours it would call itself, and the start would be refused.
 * Returns 0, one that is not there being none, or -errno where storages or files
 * could not be read.
 */
int hookscript_is_copy(const struct root *r, unsigned int vmid, const char *volid, bool *copy, struct err *e);

/*
 * Whether a hookscript can be called. Returns 0, or -ENOENT, -EACCES or -EINVAL where PVE
 * would refuse it, and why; or another -errno.
 * Source: pve-guest-common src/PVE/GuestHelpers.pm, check_hookscript()
 */
int hookscript_callable(const struct root *r, const char *volid, struct err *e);

/* The same of one that the VM has, with what mends it. */
int hookscript_check(const struct root *r, unsigned int vmid, const char *volid, struct err *e);

#endif
