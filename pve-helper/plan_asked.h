/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * plan_want() for those who only look. Where the rules cannot tell what fits the
 * driver is asked, one attribute for each candidate, without its lock: on boards
 * with MIG-backed types, for the rules know neither the mode nor the instances,
 * and on a GPU that holds another size, which may be in mixed-size mode. What the
 * driver turns down counts as refused, as in a start.
 */
#ifndef PLAN_ASKED_H
#define PLAN_ASKED_H

#include "catalog.h"
#include "plan.h"
#include "root.h"

void plan_asked(const struct root *r, struct catalog *c, const struct inventory *inv,
		const struct want *w, struct plan *out);

#endif
