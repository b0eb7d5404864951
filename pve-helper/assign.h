/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Find a place for each vGPU that is wanted, claim it, make it: plan under the
 * node lock, create under the GPU's, on to the next candidate where a driver
 * refuses.
 */
#ifndef ASSIGN_H
#define ASSIGN_H

#include "catalog.h"
#include "ctx.h"
#include "plan.h"
#include "runstate.h"
#include "settings.h"

struct assignment {
	const struct ctx *c;
	const struct settings *settings;
	struct catalog *catalog;
	struct inventory *inv;		/* with GPUs and offers */
	const struct want *wants;
	size_t nwants;
	const char *who;
	int64_t deadline;		/* clock_ms(), for all waits together */
	const char *uuid;		/* for a standalone mdev; NULL: qemu-server's pattern */
};

/* For how long a vendor VF is reserved with PVE until QEMU runs. */
int64_t reservation_seconds(const struct settings *s);

/*
 * Make every vGPU of a->wants that s does not hold yet and add it to s, whose
 * file is written before the first create. On failure what this call has made
 * is removed again, and s is as it was before.
 * Returns 0; -ENOSPC when no candidate is left; or -errno.
 */
int assign(struct assignment *a, struct runstate *s, struct err *e);

#endif
