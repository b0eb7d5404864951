/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Clear what dead VMs have left. */
#ifndef GC_H
#define GC_H

#include <stddef.h>

#include "ctx.h"
#include "settings.h"
#include "strlist.h"

struct gc_report {
	struct strlist removed;		/* finished lines: what went (or would go) */
	struct strlist kept;		/* finished lines: what stays, and why */
	size_t failed;			/* how many could not be removed although dead, or not be looked at */
};

void gc_report_free(struct gc_report *rep);
#define AUTO_GC_REPORT __attribute__((cleanup(gc_report_free)))

/*
 * Remove what is ours and dead, by the rule of alive.h; not_vmid's things are
 * left out (a start does not collect its own VM). With c->dry_run only says so.
 * Standalone vGPUs are never taken.
 */
int gc_collect(const struct ctx *c, const struct settings *settings, unsigned int not_vmid,
	       const char *who, struct gc_report *rep, struct err *e);

#endif
