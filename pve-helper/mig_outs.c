/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mig_outs.h"

#include <stdlib.h>

/* What the want leaves out, and a GPU that is not set up, have reasons of their own. */
static bool may_be_mig(const struct plan_out *o, const struct want *w, const struct gpu *g)
{
	return o->gpu == g && mig_board(g) && !g->unbound && gpu_offer(g, o->type) &&
		want_may_use(w, &g->addr);
}

bool mig_outs_concern(const struct plan *p, const struct want *w, const struct gpu *g)
{
	for (size_t i = 0; i < p->nouts; i++)
		if (may_be_mig(&p->outs[i], w, g))
			return true;
	return false;
}

bool mig_outs_need_instances(const struct plan *p, const struct want *w, const struct gpu *g,
			     const struct mig *m)
{
	for (size_t i = 0; i < p->nouts; i++)
		if (m->mode == MIG_ON && p->outs[i].refused && may_be_mig(&p->outs[i], w, g) &&
		    vgpu_type_is_mig(p->outs[i].type))
			return true;
	return false;
}

void mig_outs_explain(struct plan *p, const struct want *w, const struct gpu *g,
		      const struct mig *m)
{
	for (size_t i = 0; i < p->nouts; i++) {
		struct plan_out *o = &p->outs[i];
		char *why;

		if (!may_be_mig(o, w, g) ||
		    /* In the right mode the driver's no alone leaves something to tell. */
		    (vgpu_type_is_mig(o->type) && m->mode == MIG_ON && !o->refused))
			continue;
		why = mig_reason(m, g, o->type);
		if (!why)
			continue;
		free(o->why);
		o->why = why;
	}
}
