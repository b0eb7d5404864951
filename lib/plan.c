/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

void plan_free(struct plan *p)
{
	for (size_t i = 0; i < p->nouts; i++)
		free(p->outs[i].why);
	free(take_ptr(p->outs));
	free(take_ptr(p->candidates));
	p->nouts = p->ncandidates = 0;
}

bool want_may_use(const struct want *w, const struct bdf *gpu)
{
	for (size_t i = 0; i < w->ngpus; i++)
		if (bdf_eq(&w->gpus[i], gpu))
			return true;
	return !w->ngpus;
}

/* Whether the VM has this parent for another device. */
static bool is_others(const struct want *w, const struct bdf *parent)
{
	for (size_t i = 0; i < w->nothers && !w->pinned; i++)
		if (bdf_eq(&w->others[i], parent))
			return true;
	return false;
}

/* Whether w may be on this parent, as far as it names parents. */
static bool is_named(const struct want *w, const struct bdf *parent)
{
	if (w->pinned && !bdf_eq(&w->parent, parent))
		return false;
	if (is_others(w, parent))
		return false;
	for (size_t i = 0; i < w->namong; i++)
		if (bdf_eq(&w->among[i], parent))
			return true;
	return !w->namong;
}

static bool any_is_named(const struct want *w, const struct gpu *g)
{
	for (size_t i = 0; i < g->nparents; i++)
		if (is_named(w, &g->parents[i]))
			return true;
	return false;
}

bool want_is_served_by(const struct want *w, const struct vgpu *v)
{
	if (!v->on_gpu || !want_may_use(w, &v->gpu) || !is_named(w, &v->parent) ||
	    (w->mdev_only && v->framework != FRAMEWORK_MDEV))
		return false;
	for (size_t i = 0; i < w->nchoices; i++)
		if (!strcmp(w->choices[i]->key, v->type))
			return true;
	return false;
}

static bool serves_vm(const struct inventory *inv, const struct bdf *parent, unsigned int vmid)
{
	for (size_t i = 0; vmid && i < inv->nvgpus; i++)
		if (inv->vgpus[i].vmid == vmid && inv->vgpus[i].on_gpu &&
		    bdf_eq(&inv->vgpus[i].parent, parent))
			return true;
	return false;
}

/* Who holds the GPU, or what of it is of type t unless that is NULL, for "full: 2 of 2 (vm 100, vm 101)". */
static char *holders(const struct inventory *inv, const struct gpu *g, const struct vgpu_type *t)
{
	char *text = NULL;
	size_t len, shown = 0, n = 0;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu *v = &inv->vgpus[i];

		if (!v->on_gpu || !bdf_eq(&v->gpu, &g->addr) ||
		    (t && (!v->type || strcmp(v->type, t->key) != 0)))
			continue;
		if (n++ >= 4)
			continue;
		fputs(shown++ ? ", " : " (", f);
		if (v->vmid)
			fprintf(f, "vm %u", v->vmid);
		else
			fputs(v->owner == OWNER_STANDALONE ? "standalone" : "foreign", f);
	}
	if (n > 4)
		fprintf(f, ", %zu more", n - 4);
	if (n)
		fputc(')', f);
	fclose(f);
	return text;
}

static const struct vgpu *vgpu_of_other_size(const struct inventory *inv, const struct gpu *g,
					     const struct vgpu_type *t)
{
	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu *v = &inv->vgpus[i];

		if (v->on_gpu && bdf_eq(&v->gpu, &g->addr) && v->framebuffer_mib &&
		    v->framebuffer_mib != t->framebuffer_mib)
			return v;
	}
	return NULL;
}

/* --- several sizes on one GPU --- */

static bool holds_mig(const struct inventory *inv, const struct gpu *g)
{
	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu *v = &inv->vgpus[i];

		for (size_t k = 0; k < g->noffers && v->on_gpu && v->type; k++)
			if (bdf_eq(&v->gpu, &g->addr) && !strcmp(g->offers[k].type->key, v->type) &&
			    vgpu_type_is_mig(g->offers[k].type))
				return true;
	}
	return false;
}

static bool is_there(const struct vgpu *v, const struct gpu *g)
{
	return (v->exists || v->made) && v->framebuffer_mib && v->on_gpu &&
		bdf_eq(&v->gpu, &g->addr);
}

/* Two sizes that are there, and not only claimed, give the mode away. */
static bool is_mixed(const struct inventory *inv, const struct gpu *g)
{
	unsigned int size = 0;

	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu *v = &inv->vgpus[i];

		if (!is_there(v, g))
			continue;
		if (size && size != v->framebuffer_mib)
			return true;
		size = v->framebuffer_mib;
	}
	return false;
}

/* How many more fit by memory; 1 where that is not known. */
static unsigned int room_by_memory(const struct inventory *inv, const struct gpu *g,
				   const struct vgpu_type *t)
{
	unsigned int total = gpu_total_mib(g), used = gpu_used_mib(inv, g), room;
	size_t parents = gpu_free_parents(inv, g);

	if (!total || !t->framebuffer_mib)
		return 1;
	room = total > used ? (total - used) / t->framebuffer_mib : 0;
	return g->sriov && room > parents ? (unsigned int)parents : room;
}

/*
 * Whether the GPU is full by a number that nobody has told: without a
 * max_instance it comes from the sizes of the types, and the driver may know a
 * larger one.
 */
static bool full_by_guess(const struct inventory *inv, const struct gpu *g,
			  const struct vgpu_type *t)
{
	return !t->max_instance && gpu_limit(g, t) && gpu_count_against(inv, g, t) >= gpu_limit(g, t) &&
		gpu_free_parents(inv, g);
}

static bool made_to_limit(const struct inventory *inv, const struct want *w,
			  const struct gpu *g, const struct vgpu_type *t)
{
	size_t made = 0;

	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu *v = &inv->vgpus[i];

		made += v->on_gpu && bdf_eq(&v->gpu, &g->addr) &&
			(v->exists || v->made || (w->vmid && v->vmid == w->vmid));
	}
	return made >= gpu_limit(g, t);
}

static enum doubt doubt_of(const struct inventory *inv, const struct want *w, const struct gpu *g,
			   const struct vgpu_type *t)
{
	if (!gpu_holds_other_size(inv, g, t) && full_by_guess(inv, g, t))
		return DOUBT_MODE;
	if (!gpu_holds_other_size(inv, g, t) || is_mixed(inv, g))
		return DOUBT_NONE;
	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu *v = &inv->vgpus[i];

		/* Of a VM's own claims nothing more comes before all of them are made. */
		if (v->framebuffer_mib != t->framebuffer_mib &&
		    (is_there(v, g) || (w->vmid && v->vmid == w->vmid && v->on_gpu &&
					bdf_eq(&v->gpu, &g->addr))))
			return DOUBT_MODE;
	}
	return DOUBT_CLAIM;
}

/* The reason against t on a GPU that holds another size. */
static char *why_not_beside(const struct inventory *inv, const struct want *w,
			    const struct refusal_list *refused, const struct gpu *g,
			    const struct vgpu_type *t, bool *size)
{
	const struct vgpu *v = vgpu_of_other_size(inv, g, t);
	const struct size_answer *answer = size_answer_of(refused, g, t);
	bool fits = room_by_memory(inv, g, t) > 0, open;

	if (is_mixed(inv, g) && !holds_mig(inv, g)) {
		AUTO_FREE char *who = holders(inv, g, NULL);

		return fits ? NULL : xasprintf("full: %u of %u MiB%s", gpu_used_mib(inv, g),
					       gpu_total_mib(g), who);
	}
	open = fits && !holds_mig(inv, g) && !answer;
	if ((answer && answer->yes && fits) || (open && w->ask))
		return NULL;
	*size = true;
	return xasprintf("holds %s of %u MiB, and %s has %u MiB: the vGPUs on one GPU are of equal size%s",
			 v->name ? v->name : v->type, v->framebuffer_mib,
			 vgpu_type_name(t), t->framebuffer_mib,
			 open ? " (unless it is in mixed-size mode)" : "");
}

/* Full by a guess: the driver has said that it is not, or can still be asked. */
static bool may_ask_limit(const struct inventory *inv, const struct want *w,
			  const struct refusal_list *refused, const struct gpu *g,
			  const struct vgpu_type *t)
{
	const struct size_answer *answer = size_answer_of(refused, g, t);

	if (!full_by_guess(inv, g, t))
		return false;
	/* What others have claimed and not made is no matter for a question yet. */
	return answer ? answer->yes : w->ask && made_to_limit(inv, w, g, t);
}

/* The reason by the rules against one more of t on g; NULL: there is none. */
static char *why_not(const struct inventory *inv, const struct want *w,
		     const struct refusal_list *refused, const struct gpu *g,
		     const struct vgpu_type *t, bool *size)
{
	size_t count = gpu_count_against(inv, g, t);
	unsigned int limit = gpu_limit(g, t);

	if (!want_may_use(w, &g->addr))
		return xstrdup(w->vmid ? "left out by 'gpu ='" : "left out by --gpu");
	if (w->mdev_only && g->framework != FRAMEWORK_MDEV)
		return xstrdup("is on vendor VFIO, and args attach mdevs alone");
	if (w->namong && !any_is_named(w, g))
		return xstrdup("none of its VFs is in the mapping");
	if (g->unbound)
		return xstrdup("its VFs are not bound to a driver yet");
	if (!gpu_offer(g, t))
		return xasprintf("does not offer %s", vgpu_type_name(t));
	if (gpu_holds_other_size(inv, g, t)) {
		char *why = why_not_beside(inv, w, refused, g, t, size);

		if (why)
			return why;
	} else if (limit && count >= limit && !may_ask_limit(inv, w, refused, g, t)) {
		AUTO_FREE char *who = holders(inv, g, vgpu_type_is_mig(t) ? t : NULL);

		return xasprintf("full: %zu of %u%s", count, limit, who);
	}
	if (!gpu_free_parents(inv, g))
		return g->driverless ?
			xasprintf("full: none of its %zu VFs with a driver is free; %zu have none yet",
				  g->nparents - g->driverless, g->driverless) :
			xasprintf("full: none of its %zu VFs is free", g->nparents);
	return NULL;
}

/* What the parents of a GPU have refused, in one line; NULL: nothing. */
static char *refused_by_parents(const struct refusal_list *refused, const struct gpu *g,
				const struct vgpu_type *t)
{
	const struct refusal *last = refusal_last(refused, g, t), *first = NULL;
	size_t nothing = 0, alike = 0;

	for (size_t i = 0; i < refused->n; i++) {
		const struct refusal *r = &refused->r[i];

		if (r->type != t || !bdf_eq(&r->gpu, &g->addr))
			continue;
		nothing += r->nothing;
		alike += r->rc && r->rc == last->rc;
		if (r->rc == last->rc && !first)
			first = r;
	}
	if (nothing > 1)
		return xasprintf("%zu of its %zu VFs took the create and made nothing, the last one %s",
				 nothing, g->nparents, BDF_STR(&last->parent));
	if (alike > 1)
		return xasprintf("%s refused: %s (and so did %zu VFs before it, the first one %s)",
				 BDF_STR(&last->parent), last->why, alike - 1, BDF_STR(&first->parent));
	return last ? xasprintf("%s refused: %s", BDF_STR(&last->parent), last->why) : NULL;
}

/* The first parent that can be tried, of those that are shunned or not. */
static bool first_parent(const struct inventory *inv, const struct want *w,
			 const struct refusal_list *refused, const struct gpu *g,
			 const struct vgpu_type *t, bool shunned, bool *own, struct bdf *out)
{
	for (size_t i = 0; i < g->nparents; i++) {
		const struct bdf *parent = &g->parents[i];

		if (refusal_is_shunned(refused, parent) != shunned ||
		    !is_named(w, parent) || !parent_is_free(inv, g, parent) || refusal_of_parent(refused, parent, t))
			continue;
		/* Two vGPUs on one parent is what NVIDIA refuses for one VM (nova bug 1758086). */
		if (serves_vm(inv, parent, w->vmid)) {
			*own = true;
			continue;
		}
		*out = *parent;
		return true;
	}
	return false;
}

/* The parent to be tried first; on failure the reason. */
static char *pick_parent(const struct inventory *inv, const struct want *w,
			 const struct refusal_list *refused, const struct gpu *g,
			 const struct vgpu_type *t, struct bdf *out)
{
	bool own = false;
	char *why;

	if (first_parent(inv, w, refused, g, t, false, &own, out) ||
	    first_parent(inv, w, refused, g, t, true, &own, out))
		return NULL;
	if (own)
		return xasprintf("gives vm %u a vGPU already, and two vGPUs of one VM must be on different parents",
				 w->vmid);
	if (w->pinned && !parent_has_driver(g, &w->parent))
		return xasprintf("%s is not bound to a driver yet", BDF_STR(&w->parent));
	why = refused_by_parents(refused, g, t);
	if (why)
		return why;
	if (w->pinned)
		return xasprintf("%s is taken", BDF_STR(&w->parent));
	return xstrdup(w->namong ? "none of its VFs that are in the mapping is free" :
		       "what is free of it the VM's config gives to another hostpci<N>");
}

static void add_out(struct plan *p, const struct gpu *g, const struct vgpu_type *t, char *why,
		    bool size)
{
	struct plan_out *o = GROW(p->outs, p->nouts);

	*o = (struct plan_out){ .type = t, .gpu = g, .why = why, .size = size };
}

static void consider(const struct inventory *inv, const struct want *w,
		     const struct refusal_list *refused, const struct gpu *g,
		     const struct vgpu_type *t, struct plan *p)
{
	const struct refusal *whole = refusal_of_gpu(refused, g, t);
	const struct size_answer *answer = size_answer_of(refused, g, t);
	struct bdf parent = w->parent;
	bool size = false;
	char *why = why_not(inv, w, refused, g, t, &size);

	bool refused_it = !why && whole;

	if (refused_it)
		why = xasprintf("refused: %s", whole->why);
	if (!why)
		why = pick_parent(inv, w, refused, g, t, &parent);
	if (why) {
		add_out(p, g, t, why, size);
		p->outs[p->nouts - 1].refused = refused_it;
		return;
	}

	struct candidate *c = GROW(p->candidates, p->ncandidates);

	*c = (struct candidate){
		.type = t, .gpu = g, .parent = parent,
		.room = gpu_holds_other_size(inv, g, t) ? room_by_memory(inv, g, t) :
			full_by_guess(inv, g, t) ? 1 : gpu_room_by_rule(inv, g, t),
		.doubt = answer ? DOUBT_NONE : doubt_of(inv, w, g, t),
	};
}

struct order {
	struct candidate c;
	bool doubtful;
	bool shunned;		/* nothing but parents that are shunned is left on it */
	bool tried;		/* a parent of this GPU has refused already */
	bool empty;
	unsigned int left_mib;
	enum placement placement;
};

static int by_placement(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->doubtful != y->doubtful)
		return x->doubtful - y->doubtful;
	if (x->shunned != y->shunned)
		return x->shunned - y->shunned;
	if (x->tried != y->tried)
		return x->tried - y->tried;
	if (x->placement == PLACEMENT_PACK && x->empty != y->empty)
		return x->empty - y->empty;
	if (x->placement != PLACEMENT_FIRST && x->left_mib != y->left_mib) {
		int less = x->left_mib < y->left_mib ? -1 : 1;

		return x->placement == PLACEMENT_PACK ? less : -less;
	}
	if (x->c.gpu->distance != y->c.gpu->distance)
		return x->c.gpu->distance < y->c.gpu->distance ? -1 : 1;
	return bdf_cmp(&x->c.gpu->addr, &y->c.gpu->addr);
}

/* Put the candidates from `from` on in order: those of one choice. */
static void sort(const struct inventory *inv, const struct want *w,
		 const struct refusal_list *refused, struct plan *p, size_t from)
{
	size_t n = p->ncandidates - from;
	AUTO_FREE struct order *o = xcalloc(n, sizeof(*o));

	for (size_t i = 0; i < n; i++) {
		const struct candidate *c = &p->candidates[from + i];
		unsigned int total = gpu_total_mib(c->gpu), used = gpu_used_mib(inv, c->gpu);

		o[i] = (struct order){
			.c = *c,
			.doubtful = doubt_of(inv, w, c->gpu, c->type),
			.shunned = refusal_is_shunned(refused, &c->parent),
			.tried = refusal_last(refused, c->gpu, c->type),
			.empty = !gpu_count(inv, c->gpu),
			.left_mib = total > used ? total - used : 0,
			.placement = w->placement,
		};
	}
	qsort(o, n, sizeof(*o), by_placement);
	for (size_t i = 0; i < n; i++)
		p->candidates[from + i] = o[i].c;
}

static bool has_parent(const struct gpu *g, const struct bdf *parent)
{
	for (size_t i = 0; i < g->nparents; i++)
		if (bdf_eq(&g->parents[i], parent))
			return true;
	return false;
}

void plan_want(const struct inventory *inv, const struct want *w,
	       const struct refusal_list *refused, struct plan *out)
{
	*out = (struct plan){ 0 };
	for (size_t k = 0; k < w->nchoices; k++) {
		size_t from = out->ncandidates;

		for (size_t i = 0; i < inv->ngpus; i++)
			if (!w->pinned || has_parent(&inv->gpus[i], &w->parent))
				consider(inv, w, refused, &inv->gpus[i], w->choices[k], out);
		sort(inv, w, refused, out, from);
	}
}

char *plan_reasons(const struct plan *p, const char *indent)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);
	AUTO_FREE bool *done = xcalloc(p->nouts, sizeof(*done));

	for (size_t i = 0; i < p->nouts; i++) {
		const struct plan_out *o = &p->outs[i];

		if (done[i])
			continue;
		fprintf(f, "%s%s%s on %s", ftell(f) ? "\n" : "", indent, vgpu_type_name(o->type),
			BDF_STR(&o->gpu->addr));
		for (size_t k = i + 1; k < p->nouts; k++) {
			if (p->outs[k].type != o->type || strcmp(p->outs[k].why, o->why))
				continue;
			fprintf(f, ", %s", BDF_STR(&p->outs[k].gpu->addr));
			done[k] = true;
		}
		fprintf(f, ": %s", o->why);
	}
	fclose(f);
	return text;
}

void plan_vgpu(const struct candidate *c, const struct want *w, struct vgpu *out)
{
	*out = (struct vgpu){
		.framework = c->gpu->framework, .on_gpu = true, .gpu = c->gpu->addr,
		.parent = c->parent, .number = c->type->number,
		.framebuffer_mib = c->type->framebuffer_mib,
		.owner = w->vmid ? OWNER_VM : OWNER_STANDALONE,
		.vmid = w->vmid, .index = w->index,
	};
	out->parent_name = xstrdup(BDF_STR(&c->parent));
	out->type = xstrdup(c->type->key);
	out->name = xstrdup(vgpu_type_name(c->type));
	if (w->vmid && c->gpu->framework == FRAMEWORK_MDEV)
		vgpu_pve_uuid(w->vmid, w->index, out->uuid);
}
