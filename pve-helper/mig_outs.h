/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The reasons of a plan where MIG is the reason: the mode, or the instances, and
 * not a rule of sizes or the driver's bare no.
 */
#ifndef MIG_OUTS_H
#define MIG_OUTS_H

#include "mig.h"
#include "plan.h"

/* Whether MIG can be the reason that a type of the plan has no place on g. */
bool mig_outs_concern(const struct plan *p, const struct want *w, const struct gpu *g);

/* Whether the instances of g matter for it: a MIG-backed type was refused, and MIG is on. */
bool mig_outs_need_instances(const struct plan *p, const struct want *w, const struct gpu *g,
			     const struct mig *m);

/* Put that reason in place of the other. */
void mig_outs_explain(struct plan *p, const struct want *w, const struct gpu *g,
		      const struct mig *m);

#endif
