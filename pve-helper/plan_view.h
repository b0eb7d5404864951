/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a phase would do, printed. Changes nothing. */
#ifndef PLAN_VIEW_H
#define PLAN_VIEW_H

#include "ctx.h"

/* The candidates of a start in order, and the reason against every other GPU. */
int plan_view(const struct ctx *c, unsigned int vmid, struct err *e);

/* What the VM's record holds and a stop would remove; other phases change nothing. */
int plan_view_release(const struct ctx *c, unsigned int vmid, const char *phase,
		      struct err *e);

#endif
