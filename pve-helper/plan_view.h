/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a phase would do, printed. Changes nothing. */
#ifndef PLAN_VIEW_H
#define PLAN_VIEW_H

#include "ctx.h"

/*
 * The candidates of a start in order, and the reason against every other GPU.
 * need_intent: a VM that is to get nothing is a failure; to a start it is not.
 */
int plan_view(const struct ctx *c, unsigned int vmid, bool need_intent, struct err *e);

/* What the VM's record holds and a stop would remove; other phases change nothing. */
int plan_view_release(const struct ctx *c, unsigned int vmid, const char *phase,
		      struct err *e);

#endif
