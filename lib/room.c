/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "room.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "framework.h"
#include "xalloc.h"

struct asking {
	const struct root *r;
	struct catalog *c;
	struct inventory *inv;
	struct gpu *g;
	const struct bdf *parent;	/* a free one */
};

static const struct bdf *free_parent(const struct inventory *inv, const struct gpu *g)
{
	for (size_t i = 0; i < g->nparents; i++)
		if (parent_is_free(inv, g, &g->parents[i]))
			return &g->parents[i];
	return NULL;
}

static void set(struct offer *o, unsigned int available)
{
	o->known = true;
	o->available = available;
}

static void all_full(struct gpu *g)
{
	for (size_t i = 0; i < g->noffers; i++)
		set(&g->offers[i], 0);
}

/*
 * What a VF's "one more" means for the whole GPU: as many as the type's limit
 * and the memory that is left allow. A GPU in mixed-size mode is counted right
 * by this too, but for its placement rules.
 */
static unsigned int room_by_memory(const struct inventory *inv, const struct gpu *g,
				   const struct vgpu_type *t)
{
	unsigned int limit = gpu_limit(g, t), total = gpu_total_mib(g);
	unsigned int used = gpu_used_mib(inv, g), room;
	size_t count = gpu_count(inv, g), parents = gpu_free_parents(inv, g);

	room = limit > count ? limit - (unsigned int)count : 1;
	if (t->framebuffer_mib && total > used && room > (total - used) / t->framebuffer_mib)
		room = (total - used) / t->framebuffer_mib;
	if (room > parents)
		room = (unsigned int)parents;
	return room ? room : 1;
}

static int ask(const struct asking *a, const struct vgpu_type *t, struct err *e)
{
	enum refused reach;

	return framework_ops(a->g->framework)->room(a->r, a->c, a->g, a->parent, t, &reach, e);
}

static void problem(const struct asking *a, const struct vgpu_type *t, const struct err *why)
{
	strlist_take(&a->inv->problems, xasprintf("GPU %s: room for %s is not known: %s",
		     BDF_STR(&a->g->addr), vgpu_type_name(t), why->msg));
}

static void ask_each(const struct asking *a)
{
	for (size_t i = 0; i < a->g->noffers; i++) {
		struct offer *o = &a->g->offers[i];
		AUTO_ERR struct err why = { 0 };
		int n = ask(a, o->type, &why);

		if (n < 0)
			problem(a, o->type, &why);
		else if (n == 0 || !a->g->sriov)
			set(o, (unsigned int)n);
		else
			set(o, room_by_memory(a->inv, a->g, o->type));
	}
}

static bool is_running(const struct asking *a, const struct vgpu_type *t)
{
	for (size_t i = 0; i < a->inv->nvgpus; i++)
		if (a->inv->vgpus[i].on_gpu && bdf_eq(&a->inv->vgpus[i].gpu, &a->g->addr) &&
		    a->inv->vgpus[i].type && !strcmp(a->inv->vgpus[i].type, t->key))
			return true;
	return false;
}

/* A type that the rules say fits (or does not), one that does not run already if there is one. */
static const struct vgpu_type *probe(const struct asking *a, bool fits)
{
	const struct vgpu_type *found = NULL;

	for (size_t i = 0; i < a->g->noffers; i++) {
		const struct vgpu_type *t = a->g->offers[i].type;

		if ((gpu_room_by_rule(a->inv, a->g, t) > 0) != fits)
			continue;
		if (!is_running(a, t))
			return t;
		if (!found)
			found = t;
	}
	return found;
}

/* Whether the driver says of t what the rules say. */
static bool confirmed(const struct asking *a, const struct vgpu_type *t)
{
	unsigned int rule = t ? gpu_room_by_rule(a->inv, a->g, t) : 0;
	int n = t ? ask(a, t, NULL) : 0;

	return n >= 0 && (a->g->sriov ? (n > 0) == (rule > 0) : (unsigned int)n == rule);
}

static bool rules_apply(const struct gpu *g)
{
	for (size_t i = 0; i < g->noffers; i++) {
		const struct vgpu_type *t = g->offers[i].type;

		if (!t->number || !t->framebuffer_mib || !t->max_instance || vgpu_type_is_mig(t))
			return false;
	}
	return true;
}

static void ask_mdev(const struct asking *a)
{
	if (!rules_apply(a->g) || !confirmed(a, probe(a, true)) || !confirmed(a, probe(a, false))) {
		ask_each(a);
		return;
	}
	for (size_t i = 0; i < a->g->noffers; i++)
		set(&a->g->offers[i], gpu_room_by_rule(a->inv, a->g, a->g->offers[i].type));
}

/* The list tells which types fit one more time; how often, the sizes. */
static void ask_list(const struct asking *a)
{
	AUTO_ERR struct err why = { 0 };
	const struct vgpu_type **types;
	size_t n;
	int rc = nvidia_vfio_listing(a->r, a->c, a->g, a->parent, &types, &n, &why);

	if (rc < 0) {
		strlist_take(&a->inv->problems, xasprintf("GPU %s: what fits is not known: %s",
			     BDF_STR(&a->g->addr), why.msg));
		return;
	}
	a->g->seen = true;
	all_full(a->g);
	for (size_t i = 0; i < n; i++)
		gpu_add_offer(a->g, types[i]);
	/* In a round of its own: the largest type tells the memory. */
	for (size_t i = 0; i < n; i++)
		set(gpu_offer(a->g, types[i]), room_by_memory(a->inv, a->g, types[i]));
	free(types);
}

void room_ask(const struct root *r, struct catalog *c, struct inventory *inv, struct gpu *g)
{
	struct asking a = { r, c, inv, g, free_parent(inv, g) };

	if (!a.parent)
		all_full(g);
	else if (g->framework == FRAMEWORK_NVIDIA_VFIO)
		ask_list(&a);
	else
		ask_mdev(&a);
}
