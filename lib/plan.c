/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

void refusal_add(struct refusal_list *l, const struct bdf *gpu, const struct bdf *parent,
		 bool whole_gpu, const struct vgpu_type *type, const char *why)
{
	struct refusal *r = GROW(l->r, l->n);

	*r = (struct refusal){ *gpu, *parent, whole_gpu, type, xstrdup(why) };
}

void refusal_list_free(struct refusal_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->r[i].why);
	free(take_ptr(l->r));
	l->n = 0;
}

void plan_free(struct plan *p)
{
	for (size_t i = 0; i < p->nouts; i++)
		free(p->outs[i].why);
	free(take_ptr(p->outs));
	free(take_ptr(p->candidates));
	p->nouts = p->ncandidates = 0;
}

static const struct refusal *refused_gpu(const struct refusal_list *l, const struct gpu *g,
					 const struct vgpu_type *t)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->r[i].whole_gpu && l->r[i].type == t && bdf_eq(&l->r[i].gpu, &g->addr))
			return &l->r[i];
	return NULL;
}

static const struct refusal *refused_parent(const struct refusal_list *l,
					    const struct bdf *parent, const struct vgpu_type *t)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->r[i].whole_gpu && l->r[i].type == t && bdf_eq(&l->r[i].parent, parent))
			return &l->r[i];
	return NULL;
}

/* The last thing that a parent of this GPU has refused. */
static const struct refusal *refused_on(const struct refusal_list *l, const struct gpu *g,
					const struct vgpu_type *t)
{
	const struct refusal *last = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (l->r[i].type == t && bdf_eq(&l->r[i].gpu, &g->addr))
			last = &l->r[i];
	return last;
}

static bool allowed(const struct want *w, const struct bdf *gpu)
{
	for (size_t i = 0; i < w->ngpus; i++)
		if (bdf_eq(&w->gpus[i], gpu))
			return true;
	return !w->ngpus;
}

bool want_is_served_by(const struct want *w, const struct vgpu *v)
{
	if (!v->on_gpu || !allowed(w, &v->gpu) || (w->pinned && !bdf_eq(&w->parent, &v->parent)))
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

/* Who holds the GPU, for "full: 2 of 2 (vm 100, vm 101)". */
static char *holders(const struct inventory *inv, const struct gpu *g)
{
	char *text = NULL;
	size_t len, shown = 0, n = 0;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu *v = &inv->vgpus[i];

		if (!v->on_gpu || !bdf_eq(&v->gpu, &g->addr))
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

/* The reason by the rules against one more of t on g; NULL: there is none. */
static char *why_not(const struct inventory *inv, const struct want *w, const struct gpu *g,
		     const struct vgpu_type *t)
{
	size_t count = gpu_count(inv, g);
	unsigned int limit = gpu_limit(g, t);

	if (!allowed(w, &g->addr))
		return xstrdup(w->vmid ? "left out by 'gpu ='" : "left out by --gpu");
	if (!gpu_offer(g, t))
		return xasprintf("does not offer %s", vgpu_type_name(t));
	if (gpu_holds_other_size(inv, g, t)) {
		const struct vgpu *v = vgpu_of_other_size(inv, g, t);

		return xasprintf("holds %s of %u MiB, and %s has %u MiB: the vGPUs on one GPU are of equal size",
				 v->name ? v->name : v->type, v->framebuffer_mib,
				 vgpu_type_name(t), t->framebuffer_mib);
	}
	if (limit && count >= limit) {
		AUTO_FREE char *who = holders(inv, g);

		return xasprintf("full: %zu of %u%s", count, limit, who);
	}
	if (!gpu_free_parents(inv, g))
		return xasprintf("full: none of its %zu VFs is free", g->nparents);
	return NULL;
}

/* The first parent that can be tried; on failure the reason. */
static char *pick_parent(const struct inventory *inv, const struct want *w,
			 const struct refusal_list *refused, const struct gpu *g,
			 const struct vgpu_type *t, struct bdf *out)
{
	bool own = false;

	for (size_t i = 0; i < g->nparents; i++) {
		const struct bdf *parent = &g->parents[i];

		if ((w->pinned && !bdf_eq(parent, &w->parent)) ||
		    !parent_is_free(inv, g, parent) || refused_parent(refused, parent, t))
			continue;
		/* Two vGPUs on one parent is what NVIDIA refuses for one VM (nova bug 1758086). */
		if (serves_vm(inv, parent, w->vmid)) {
			own = true;
			continue;
		}
		*out = *parent;
		return NULL;
	}
	if (own)
		return xasprintf("gives vm %u a vGPU already, and two vGPUs of one VM must be on different parents",
				 w->vmid);

	const struct refusal *last = refused_on(refused, g, t);

	if (last)
		return xasprintf("%s refused: %s", BDF_STR(&last->parent), last->why);
	return xasprintf("%s is taken", BDF_STR(&w->parent));
}

static void add_out(struct plan *p, const struct gpu *g, const struct vgpu_type *t, char *why)
{
	struct plan_out *o = GROW(p->outs, p->nouts);

	*o = (struct plan_out){ .type = t, .gpu = g, .why = why };
}

static void consider(const struct inventory *inv, const struct want *w,
		     const struct refusal_list *refused, const struct gpu *g,
		     const struct vgpu_type *t, struct plan *p)
{
	const struct refusal *whole = refused_gpu(refused, g, t);
	struct bdf parent = w->parent;
	char *why = why_not(inv, w, g, t);

	if (!why && whole)
		why = xasprintf("refused: %s", whole->why);
	if (!why)
		why = pick_parent(inv, w, refused, g, t, &parent);
	if (why) {
		add_out(p, g, t, why);
		return;
	}

	struct candidate *c = GROW(p->candidates, p->ncandidates);

	*c = (struct candidate){ t, g, parent, gpu_room_by_rule(inv, g, t) };
}

struct order {
	struct candidate c;
	bool tried;		/* a parent of this GPU has refused already */
	bool empty;
	unsigned int left_mib;
	enum placement placement;
};

static int by_placement(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->tried != y->tried)
		return x->tried - y->tried;
	if (x->placement == PLACEMENT_PACK && x->empty != y->empty)
		return x->empty - y->empty;
	if (x->placement != PLACEMENT_FIRST && x->left_mib != y->left_mib) {
		int less = x->left_mib < y->left_mib ? -1 : 1;

		return x->placement == PLACEMENT_PACK ? less : -less;
	}
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
			.tried = refused_on(refused, c->gpu, c->type),
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
