/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a VM has from before its start: taken over where it is what the VM is to
 * get, given back where it is not.
 */
#ifndef ADOPT_H
#define ADOPT_H

#include <stdint.h>
#include <sys/types.h>

#include "catalog.h"
#include "ctx.h"
#include "plan.h"
#include "runstate.h"
#include "settings.h"

/* All borrowed. */
struct adoption {
	const struct ctx *c;
	const struct settings *settings;
	const struct catalog *catalog;
	struct inventory *inv;		/* with GPUs and offers; gets what is taken */
	const struct want *wants;
	size_t nwants;
	unsigned int vmid;
	const char *who;
	const struct runstate *old;	/* what was on record for the VM */
	struct runstate *now;		/* what it has: gets what is taken over */
	pid_t qemu;			/* of the VM, where it runs */
	int64_t deadline;
};

/*
 * Fill a->now with what serves, remove what does not, and forget what the
 * record names and is not there any more. The caller holds the VM's lock.
 * Returns 0 or -errno.
 */
int adopt(struct adoption *a, struct err *e);

#endif
