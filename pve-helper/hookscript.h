/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whose a VM's hookscript is, for those who put ours there and take it away. */
#ifndef HOOKSCRIPT_H
#define HOOKSCRIPT_H

#include <stdbool.h>

#include "err.h"
#include "root.h"

/* Whether the storages can be read, without which the two below say no of any volume. Returns 0 or -errno. */
int hookscript_can_tell(const struct root *r, struct err *e);

/*
 * Whether the volume is our hookscript, as far as this node can tell: a
 * storage's path is the same on every node. volid may be NULL.
 */
bool hookscript_is_ours(const struct root *r, const char *volid);

/*
 * Whether it is a copy of our program, byte for byte, as on a storage that has no
 * links: called after ours it would call itself, and the start would be refused.
 */
bool hookscript_is_copy(const struct root *r, const char *volid);

/* Whether it is the link that `snippet install` makes, and the link is gone. */
bool hookscript_is_lost(const struct root *r, const char *volid);

/*
 * Whether a hookscript can be called. Returns 0, or -ENOENT or -EACCES where PVE
 * would refuse it, and why; or another -errno.
 * Source: pve-guest-common src/PVE/GuestHelpers.pm, check_hookscript()
 */
int hookscript_callable(const struct root *r, const char *volid, struct err *e);

/* The same of one that the VM has, with what mends it. */
int hookscript_check(const struct root *r, unsigned int vmid, const char *volid, struct err *e);

#endif
