/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What every command gets: the root and the options that all commands share. */
#ifndef CTX_H
#define CTX_H

#include <stdbool.h>

#include "err.h"
#include "root.h"
#include "surroundings.h"

struct ctx {
	struct root root;
	bool json;
	bool dry_run;
	struct surroundings before;	/* as we were given them */
	const char *migrated_from;	/* PVE_MIGRATED_FROM, as PVE sets it for a hookscript */
};

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/* Return this from a command for wrong usage: main adds how to get help. */
#define RC_USAGE (-1000)

#endif
