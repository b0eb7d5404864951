/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "plan_asked.h"

#include "framework.h"
#include "mig.h"

/* A VF that somebody else holds gives way to the next one this often. */
#define MAX_ROUNDS	8

/* Whether anything is on the GPU by which its driver could tell the mode. */
static bool holds_any(const struct inventory *inv, const struct gpu *g)
{
	for (size_t i = 0; i < inv->nvgpus; i++)
		if ((inv->vgpus[i].exists || inv->vgpus[i].made) && inv->vgpus[i].on_gpu &&
		    bdf_eq(&inv->vgpus[i].gpu, &g->addr))
			return true;
	return false;
}

/*
 * One candidate of which the rules do not tell. True if that changes the plan:
 * the driver turns it down, or says whether sizes may differ there.
 */
static bool ask(const struct root *r, struct catalog *c, const struct inventory *inv,
		const struct candidate *k, struct refusal_list *refused)
{
	enum refused reach = REFUSED_GPU;
	int n;

	/* What is only claimed is about to be made: no place for this one yet. */
	if (k->doubt == DOUBT_CLAIM || (k->doubt && !holds_any(inv, k->gpu))) {
		size_answer_add(refused, &k->gpu->addr, k->type, false);
		return true;
	}
	if (!k->doubt && !mig_board(k->gpu))
		return false;
	n = framework_ops(k->gpu->framework)->room(r, c, k->gpu, &k->parent, k->type, &reach, NULL);
	if (k->doubt && n >= 0 && (n > 0 || reach == REFUSED_GPU)) {
		size_answer_add(refused, &k->gpu->addr, k->type, n > 0);
		return true;
	}
	if (n > 0)
		return false;
	refusal_add(refused, &k->gpu->addr, &k->parent, reach == REFUSED_GPU, k->type,
		    "the driver has no room for it");
	return true;
}

static bool ask_candidates(const struct root *r, struct catalog *c, const struct inventory *inv,
			   const struct plan *p, struct refusal_list *refused)
{
	bool any = false;

	for (size_t i = 0; i < p->ncandidates; i++)
		any |= ask(r, c, inv, &p->candidates[i], refused);
	return any;
}

void plan_asked(const struct root *r, struct catalog *c, const struct inventory *inv,
		const struct want *w, struct plan *out)
{
	AUTO_REFUSALS struct refusal_list refused = { 0 };
	struct want asking = *w;

	asking.ask = true;
	plan_want(inv, &asking, &refused, out);
	for (int i = 0; i < MAX_ROUNDS && ask_candidates(r, c, inv, out, &refused); i++) {
		plan_free(out);
		plan_want(inv, &asking, &refused, out);
	}
	/* Where the driver cannot be asked, what is in doubt is no place. */
	plan_free(out);
	plan_want(inv, w, &refused, out);
}
