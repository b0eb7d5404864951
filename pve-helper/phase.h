/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One call of the hook: what its parts share. */
#ifndef PHASE_H
#define PHASE_H

#include "ctx.h"
#include "lock.h"
#include "settings.h"

struct phase {
	const struct ctx *c;
	unsigned int vmid;
	char *who;			/* "vm 100 pre-start" */
	struct settings settings;
	struct lock lock;		/* this VM's */
};

/* A line for the task log. */
void phase_say(const struct phase *p, const char *text);

#endif
