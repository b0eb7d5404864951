/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A refusal with its reasons: which GPUs of the node could serve and do not, and
 * what cures that.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "catalog.h"
#include "ctx.h"
#include "inventory.h"
#include "plan.h"

/* What was refused. All borrowed. */
struct explain {
	struct catalog *catalog;
	struct inventory *inv;		/* its vGPUs are scanned anew */
	const struct want *wants;	/* none where a name is not known here */
	size_t nwants;
	const struct strlist *asked;	/* the names as they were written; may be NULL */
	const struct bdf *gpu;		/* on this GPU alone, or NULL */
	bool by_board;			/* a board was asked for, and of a sick GPU it is not known */
	unsigned int vmid;		/* 0: for no VM */
};

/*
 * Append to the message of a failure for want of a type or of room (rc: -ENOENT,
 * -ENODEV, -ENOSPC; any other is left as it is) a line for each GPU that is sick
 * or in the wrong MIG mode. Where no other GPU could serve, the hint becomes what
 * cures them. Asks the drivers, without locks. Returns rc.
 */
int explain_refusal(const struct ctx *c, const struct explain *x, int rc, struct err *e);

#endif
