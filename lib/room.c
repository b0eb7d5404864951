/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "room.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "framework.h"
#include "scan.h"
#include "xalloc.h"

/* Parents that are tried for one GPU, where the first ones cannot be read. */
#define MAX_PARENTS	3

struct asking {
	const struct root *r;
	struct catalog *c;
	struct inventory *inv;
	struct gpu *g;
	const struct bdf *parent;	/* a free one */
	struct inventory real;		/* inv without what is only claimed: what the driver sees */
	size_t claims;			/* on this GPU */
	bool mixed;			/* the driver takes several sizes side by side */
};

static bool is_on(const struct vgpu *v, const struct gpu *g)
{
	return v->on_gpu && bdf_eq(&v->gpu, &g->addr);
}

/* Borrows the strings of inv's vGPUs; release with free(a->real.vgpus). */
static void keep_real(struct asking *a)
{
	free(a->real.vgpus);
	a->claims = 0;
	a->real = *a->inv;
	a->real.vgpus = xcalloc(a->inv->nvgpus, sizeof(*a->real.vgpus));
	a->real.nvgpus = 0;
	for (size_t i = 0; i < a->inv->nvgpus; i++) {
		const struct vgpu *v = &a->inv->vgpus[i];

		if (v->exists)
			a->real.vgpus[a->real.nvgpus++] = *v;
		else
			a->claims += is_on(v, a->g);
	}
}

static const struct bdf *free_parent(const struct inventory *inv, const struct gpu *g, size_t n)
{
	for (size_t i = 0; i < g->nparents; i++)
		if (parent_is_free(inv, g, &g->parents[i]) && !n--)
			return &g->parents[i];
	return NULL;
}

static void set(struct offer *o, unsigned int available)
{
	o->known = true;
	o->available = available;
	o->yes = o->at_least = false;
}

static void all_full(struct gpu *g)
{
	for (size_t i = 0; i < g->noffers; i++)
		set(&g->offers[i], 0);
}

static unsigned int least(unsigned int a, size_t b)
{
	return a < b ? a : (unsigned int)b;
}

/* What fits by size and by the number of parents, as far as sizes are known. */
static unsigned int by_memory(const struct inventory *inv, const struct gpu *g,
			      const struct vgpu_type *t)
{
	unsigned int total = gpu_total_mib(g), used = gpu_used_mib(inv, g);
	unsigned int left = total > used ? total - used : 0;

	if (!total || !t->framebuffer_mib)
		return 1;
	return least(left / t->framebuffer_mib, gpu_free_parents(inv, g));
}

/*
 * What a VF's "one more" means for the whole GPU. Of MIG-backed types as many
 * fit as instances are free, and how many those are no VF tells: one is sure.
 */
static unsigned int room_of_yes(const struct asking *a, const struct inventory *inv,
				const struct vgpu_type *t)
{
	unsigned int limit = gpu_limit(a->g, t);

	if (vgpu_type_is_mig(t))
		return 1;
	if (a->mixed || !limit)
		return by_memory(inv, a->g, t);
	return gpu_room_by_rule(inv, a->g, t);
}

/* The driver takes one more of t: how many it will take, less what is claimed. */
static unsigned int count_yes(const struct asking *a, const struct vgpu_type *t)
{
	unsigned int real = room_of_yes(a, &a->real, t), room;

	if (!real)
		real = 1;
	if (!a->claims)
		return real;
	if (vgpu_type_is_mig(t))
		return real > a->claims ? real - (unsigned int)a->claims : 0;
	room = room_of_yes(a, a->inv, t);
	return room < real ? room : real;
}

/* Without SR-IOV the driver counts itself. */
static unsigned int count_given(const struct asking *a, const struct vgpu_type *t, unsigned int n)
{
	if (!a->claims)
		return n;
	if (t->number && !a->mixed)
		return least(n, gpu_room_by_rule(a->inv, a->g, t));
	return n > a->claims ? n - (unsigned int)a->claims : 0;
}

static void set_answer(const struct asking *a, struct offer *o, unsigned int n)
{
	if (!n)
		set(o, 0);
	else
		set(o, a->g->sriov ? count_yes(a, o->type) : count_given(a, o->type, n));
	o->yes = n;
	o->at_least = n && vgpu_type_is_mig(o->type);
}

/* A yes to a size that is not the one on the GPU gives the mode away. */
static void note_mixed(struct asking *a, const struct vgpu_type *t)
{
	a->mixed = a->mixed || gpu_holds_other_size(&a->real, a->g, t);
}

static int ask(const struct asking *a, const struct vgpu_type *t, struct err *e)
{
	enum refused reach;

	return framework_ops(a->g->framework)->room(a->r, a->c, a->g, a->parent, t, &reach, e);
}

static void problem(const struct asking *a, const struct err *why)
{
	strlist_take(&a->inv->problems, xasprintf("GPU %s: room is not known for all types: %s",
						  BDF_STR(&a->g->addr), why->msg));
}

/* From one parent or, where that cannot be read, from the next. -errno: from none. */
static int ask_around(struct asking *a, const struct vgpu_type *t, size_t *at, struct err *e)
{
	int n = ask(a, t, e);

	while (n < 0 && *at + 1 < MAX_PARENTS) {
		const struct bdf *next = free_parent(a->inv, a->g, *at + 1);

		if (!next)
			break;
		a->parent = next;
		(*at)++;
		n = ask(a, t, e);
	}
	return n;
}

static bool is_running(const struct asking *a, const struct vgpu_type *t)
{
	for (size_t i = 0; i < a->real.nvgpus; i++)
		if (is_on(&a->real.vgpus[i], a->g) && a->real.vgpus[i].type &&
		    !strcmp(a->real.vgpus[i].type, t->key))
			return true;
	return false;
}

/*
 * What runs was made in the MIG mode that the GPU is in, and the types of the
 * other mode have no room: the driver need not be asked for them.
 */
static bool is_of_other_mode(const struct asking *a, const struct vgpu_type *t)
{
	for (size_t i = 0; i < a->g->noffers; i++) {
		const struct vgpu_type *other = a->g->offers[i].type;

		if (other->number && vgpu_type_is_mig(other) != vgpu_type_is_mig(t) &&
		    is_running(a, other))
			return true;
	}
	return false;
}

static void ask_each(struct asking *a)
{
	AUTO_FREE int *answer = xcalloc(a->g->noffers, sizeof(*answer));
	AUTO_ERR struct err first = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < a->g->noffers; i++) {
		AUTO_ERR struct err why = { 0 };

		if (is_of_other_mode(a, a->g->offers[i].type))
			continue;
		answer[i] = ask_around(a, a->g->offers[i].type, &at, &why);
		if (answer[i] > 0)
			note_mixed(a, a->g->offers[i].type);
		if (answer[i] < 0 && !first.msg)
			err_move(&first, &why, answer[i]);
	}
	/* In a round of its own: one answer can tell how to read the others. */
	for (size_t i = 0; i < a->g->noffers; i++)
		if (answer[i] >= 0)
			set_answer(a, &a->g->offers[i], (unsigned int)answer[i]);
	if (first.msg)
		problem(a, &first);
}

/*
 * A type that the rules say fits (or does not): one that does not run already
 * if there is one, and the smallest, which fits first where other rules hold.
 */
static const struct vgpu_type *probe(const struct asking *a, bool fits)
{
	const struct vgpu_type *found = NULL;
	bool found_runs = true;

	for (size_t i = 0; i < a->g->noffers; i++) {
		const struct vgpu_type *t = a->g->offers[i].type;
		bool runs = is_running(a, t);

		if ((gpu_room_by_rule(&a->real, a->g, t) > 0) != fits)
			continue;
		if (found && (runs > found_runs || (runs == found_runs &&
						    t->framebuffer_mib >= found->framebuffer_mib)))
			continue;
		found = t;
		found_runs = runs;
	}
	return found;
}

/* Whether the driver says of t what the rules say. */
static bool confirmed(const struct asking *a, const struct vgpu_type *t)
{
	unsigned int rule = t ? gpu_room_by_rule(&a->real, a->g, t) : 0;
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

static void ask_mdev(struct asking *a)
{
	if (!rules_apply(a->g) || !confirmed(a, probe(a, true)) || !confirmed(a, probe(a, false))) {
		ask_each(a);
		return;
	}
	for (size_t i = 0; i < a->g->noffers; i++)
		set(&a->g->offers[i], gpu_room_by_rule(a->inv, a->g, a->g->offers[i].type));
}

static int read_list(struct asking *a, const struct vgpu_type ***types, size_t *n, struct err *e)
{
	int rc = -1;

	for (size_t at = 0; rc < 0 && at < MAX_PARENTS; at++) {
		a->parent = free_parent(a->inv, a->g, at);
		if (!a->parent)
			break;
		rc = nvidia_vfio_listing(a->r, a->c, a->g, a->parent, types, n, e);
	}
	return rc;
}

/* The list tells which types fit one more time; how often, the sizes. */
static void ask_list(struct asking *a)
{
	AUTO_ERR struct err why = { 0 };
	AUTO_FREE const struct vgpu_type **types = NULL;
	size_t n;

	if (read_list(a, &types, &n, &why) < 0) {
		problem(a, &why);
		return;
	}
	/* One that is empty and lists nothing is sick, and health tells why. */
	if (!a->g->noffers && gpu_count(a->inv, a->g))
		strlist_take(&a->inv->problems, xasprintf(
			"GPU %s: shows no types now, as a full GPU does (or one in MIG mode without a free instance), and none was seen on it before",
			BDF_STR(&a->g->addr)));
	/* What runs may have had no name until now. */
	scan_name_vgpus(a->c, a->inv);
	keep_real(a);
	all_full(a->g);
	for (size_t i = 0; i < n; i++)
		note_mixed(a, types[i]);
	for (size_t i = 0; i < n; i++)
		set_answer(a, gpu_offer(a->g, types[i]), 1);
}

void room_ask(const struct root *r, struct catalog *c, struct inventory *inv, struct gpu *g)
{
	struct asking a = { .r = r, .c = c, .inv = inv, .g = g, .parent = free_parent(inv, g, 0) };

	keep_real(&a);
	if (!a.parent || g->unbound)
		all_full(g);
	else if (g->framework == FRAMEWORK_NVIDIA_VFIO)
		ask_list(&a);
	else
		ask_mdev(&a);
	free(a.real.vgpus);
}
