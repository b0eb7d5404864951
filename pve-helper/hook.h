/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The phases of PVE's hookscript. */
#ifndef HOOK_H
#define HOOK_H

#include "ctx.h"

/* 0, or -EINVAL for a name that is none of the four. */
int hook_check_phase(const char *phase);

/* Act on one phase. Returns 0 or -errno; only pre-start's failure stops PVE. */
int hook_run(const struct ctx *c, unsigned int vmid, const char *phase, struct err *e);

#endif
