/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "plan_asked.h"

#include "framework.h"
#include "mig.h"

/* A VF that somebody else holds gives way to the next one this often. */
#define MAX_ROUNDS	3

/* True if the driver turns down one of the candidates. */
static bool ask_candidates(const struct root *r, struct catalog *c, const struct plan *p,
			   struct refusal_list *refused)
{
	bool any = false;

	for (size_t i = 0; i < p->ncandidates; i++) {
		const struct candidate *k = &p->candidates[i];
		enum refused reach;

		if (!mig_board(k->gpu) ||
		    framework_ops(k->gpu->framework)->room(r, c, k->gpu, &k->parent, k->type,
							   &reach, NULL))
			continue;
		refusal_add(refused, &k->gpu->addr, &k->parent, reach == REFUSED_GPU, k->type,
			    "the driver has no room for it");
		any = true;
	}
	return any;
}

void plan_asked(const struct root *r, struct catalog *c, const struct inventory *inv,
		const struct want *w, struct plan *out)
{
	AUTO_REFUSALS struct refusal_list refused = { 0 };

	plan_want(inv, w, &refused, out);
	for (int i = 0; i < MAX_ROUNDS && ask_candidates(r, c, out, &refused); i++) {
		plan_free(out);
		plan_want(inv, w, &refused, out);
	}
}
