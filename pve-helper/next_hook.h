/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The hookscript that a VM had before ours (`next-hook =`): called as PVE would
 * call it, after ours on the way up and before ours on the way down.
 */
#ifndef NEXT_HOOK_H
#define NEXT_HOOK_H

#include "phase.h"

/* Its volume, borrowed from p's settings; NULL where the VM has none. */
const char *next_hook_volume(const struct phase *p);

/*
 * The file that a hookscript's volume is, from the root, which the caller
 * frees: by storage.cfg, or where that does not tell by `pvesm path`. Returns 0
 * or -errno.
 */
int next_hook_path(const struct root *r, const char *volume, char **path, struct err *e);

/*
 * Call it; nothing is done where the VM has none, or its section is another
 * VM's. No lock of ours may be held. Returns 0 where its exit status was 0,
 * else -errno with the reason.
 */
int next_hook_call(const struct phase *p, const char *phase, struct err *e);

#endif
