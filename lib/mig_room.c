/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mig_room.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "mig_table.h"
#include "xalloc.h"

/*
 * A type's name and a profile's round the same memory in their own ways: the
 * 1g.18gb of an H200 was H200X-1-17C in one driver and H200X-1-18C in the next.
 */
#define ROUNDING_GIB	2

/* "1-5CME" of "A100-1-5CME" taken apart. */
struct shape {
	unsigned int slices, gib;
	char series;		/* 'C' */
	const char *suffix;	/* "ME" */
};

static struct shape shape_of(const struct vgpu_type *t)
{
	const char *size = strrchr(vgpu_type_name(t), '-') + 1;
	char *end;
	unsigned int gib = (unsigned int)strtoul(size, &end, 10);

	return (struct shape){
		.slices = (unsigned int)(size[-2] - '0'), .gib = gib, .series = *end,
		.suffix = *end ? end + 1 : end,
	};
}

static unsigned int mib_of(const struct vgpu_type *t)
{
	return t->framebuffer_mib ? t->framebuffer_mib : shape_of(t).gib * 1024;
}

bool mig_shares(const struct gpu *g)
{
	for (size_t i = 0; i < g->noffers; i++)
		if (vgpu_type_is_mig(g->offers[i].type) && shape_of(g->offers[i].type).series != 'C')
			return true;
	return false;
}

/* The size of the largest type for instances of so many slices: the whole of one. */
static unsigned int whole_mib(const struct gpu *g, unsigned int slices)
{
	unsigned int most = 0;

	for (size_t i = 0; i < g->noffers; i++) {
		const struct vgpu_type *t = g->offers[i].type;

		if (vgpu_type_is_mig(t) && shape_of(t).slices == slices && mib_of(t) > most)
			most = mib_of(t);
	}
	return most;
}

char *mig_profile_of(const struct gpu *g, const struct vgpu_type *t)
{
	struct shape s = shape_of(t);

	if (mig_shares(g))
		return xasprintf("%ug.%ugb", s.slices, whole_mib(g, s.slices) / 1024);
	return xasprintf("%ug.%ugb%s", s.slices, s.gib, !strcmp(s.suffix, "ME") ? "+me" : "");
}

static unsigned int apart(unsigned int a, unsigned int b)
{
	return a > b ? a - b : b - a;
}

static bool same_kind(const struct shape *s, const struct mig_profile *p)
{
	return s->slices == p->slices && !strcmp(p->suffix, !strcmp(s->suffix, "ME") ? "+me" : "");
}

/* No other type of the board is nearer to the profile's memory. */
static bool is_nearest(const struct gpu *g, const struct shape *s, const struct mig_profile *p)
{
	for (size_t i = 0; i < g->noffers; i++) {
		struct shape other;

		if (!vgpu_type_is_mig(g->offers[i].type))
			continue;
		other = shape_of(g->offers[i].type);
		if (same_kind(&other, p) && apart(other.gib, p->gib) < apart(s->gib, p->gib))
			return false;
	}
	return true;
}

bool mig_fits(const struct gpu *g, const struct gpu_instance *i, const struct vgpu_type *t)
{
	struct mig_profile p;
	struct shape s;

	if (!i->profile || !vgpu_type_is_mig(t) || !mig_profile_parse(i->profile, &p))
		return false;
	s = shape_of(t);
	if (mig_shares(g))
		return s.slices == p.slices && mib_of(t) <= (p.gib + ROUNDING_GIB) * 1024;
	return same_kind(&s, &p) && apart(s.gib, p.gib) <= ROUNDING_GIB && is_nearest(g, &s, &p);
}

static bool all_known(const struct gpu *g)
{
	for (size_t i = 0; i < g->ninstances; i++)
		if (!g->instances[i].profile)
			return false;
	return g->all_instances;
}

int mig_count_of(const struct gpu *g, const struct vgpu_type *t)
{
	int n = 0;

	for (size_t i = 0; i < g->ninstances; i++)
		n += mig_fits(g, &g->instances[i], t);
	return all_known(g) ? n : -1;
}

unsigned int mig_instance_room(const struct gpu *g, const struct gpu_instance *i,
			       const struct vgpu_type *t)
{
	unsigned int most = 1;

	if (!mig_fits(g, i, t) || (i->vgpus && i->mib && i->mib != mib_of(t)))
		return 0;
	if (mig_shares(g) && mib_of(t))
		most = whole_mib(g, shape_of(t).slices) / mib_of(t);
	return most > i->vgpus ? most - i->vgpus : 0;
}

bool mig_place(struct gpu *g, const struct vgpu_type *t)
{
	struct gpu_instance *only = NULL;

	for (size_t i = 0; i < g->ninstances; i++) {
		if (!mig_instance_room(g, &g->instances[i], t))
			continue;
		if (only)
			return false;
		only = &g->instances[i];
	}
	if (!only || !all_known(g))
		return false;
	only->vgpus++;
	only->mib = mib_of(t);
	return true;
}

const struct vgpu_type *mig_type_on(const struct gpu *g, const struct vgpu *v)
{
	for (size_t i = 0; i < g->noffers && v->on_gpu && v->type && bdf_eq(&v->gpu, &g->addr); i++)
		if (!strcmp(g->offers[i].type->key, v->type))
			return vgpu_type_is_mig(g->offers[i].type) ? g->offers[i].type : NULL;
	return NULL;
}

/* vGPUs that are there and can be in this instance. */
static unsigned int count_fitting(const struct inventory *inv, const struct gpu *g,
				  const struct gpu_instance *in)
{
	unsigned int n = 0;

	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu *v = &inv->vgpus[i];
		const struct vgpu_type *t = v->exists ? mig_type_on(g, v) : NULL;

		n += t && mig_fits(g, in, t);
	}
	return n;
}

/* Instances of the same profile, and the vGPUs known to be in them. */
static void count_alike(const struct gpu *g, const struct gpu_instance *in, unsigned int *instances,
			unsigned int *placed)
{
	*instances = *placed = 0;
	for (size_t i = 0; i < g->ninstances; i++) {
		const struct gpu_instance *other = &g->instances[i];

		if (!other->profile || !in->profile || strcmp(other->profile, in->profile))
			continue;
		(*instances)++;
		*placed += other->vgpus;
	}
}

void mig_fill(const struct inventory *inv, struct gpu *g)
{
	if (mig_shares(g))
		return;
	for (size_t i = 0; i < g->ninstances; i++) {
		unsigned int alike, placed;

		count_alike(g, &g->instances[i], &alike, &placed);
		if (alike && count_fitting(inv, g, &g->instances[i]) >= alike)
			g->instances[i].vgpus = 1;
	}
}

bool mig_is_counted(const struct inventory *inv, const struct gpu *g, const struct gpu_instance *in)
{
	unsigned int alike, placed;

	count_alike(g, in, &alike, &placed);
	return in->profile && count_fitting(inv, g, in) <= placed;
}

/* Whether the two compete for an instance. */
static bool share_instance(const struct gpu *g, const struct vgpu_type *a, const struct vgpu_type *b)
{
	for (size_t i = 0; i < g->ninstances; i++)
		if (mig_fits(g, &g->instances[i], a) && mig_fits(g, &g->instances[i], b))
			return true;
	return false;
}

/* vGPUs that compete with t, and those that lie in instances that t fits. */
static void count_rivals(const struct inventory *inv, const struct gpu *g,
			 const struct vgpu_type *t, unsigned int *rivals, unsigned int *placed)
{
	*rivals = *placed = 0;
	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu_type *other = mig_type_on(g, &inv->vgpus[i]);

		*rivals += other && share_instance(g, other, t);
	}
	for (size_t i = 0; i < g->ninstances; i++)
		if (mig_fits(g, &g->instances[i], t))
			*placed += g->instances[i].vgpus;
}

/* Instances that differ in what names of types do not tell ("+gfx"): not all may take it. */
static bool is_ambiguous(const struct gpu *g, const struct vgpu_type *t)
{
	const char *seen = NULL;

	for (size_t i = 0; i < g->ninstances; i++) {
		const struct gpu_instance *in = &g->instances[i];

		if (!mig_fits(g, in, t))
			continue;
		if (seen && strcmp(seen, in->profile))
			return true;
		seen = in->profile;
	}
	return false;
}

int mig_room(const struct inventory *inv, const struct gpu *g, const struct vgpu_type *t)
{
	unsigned int rivals, placed, sum = 0;

	if (!all_known(g) || is_ambiguous(g, t))
		return -1;
	for (size_t i = 0; i < g->ninstances; i++) {
		const struct gpu_instance *in = &g->instances[i];

		/* Of what size its vGPUs are is not known. */
		if (mig_shares(g) && in->vgpus && !in->mib && mig_fits(g, in, t))
			return -1;
		sum += mig_instance_room(g, in, t);
	}
	count_rivals(inv, g, t, &rivals, &placed);
	if (rivals <= placed)
		return sum > INT_MAX ? INT_MAX : (int)sum;
	/* In which of several they are, and of what size it is then, is not known. */
	if (mig_shares(g))
		return -1;
	rivals -= placed;
	return sum > rivals ? (int)(sum - rivals) : 0;
}

static unsigned int least(unsigned int a, size_t b)
{
	return a < b ? a : (unsigned int)b;
}

/* A type's own limit, of which those of that type have taken theirs. */
static unsigned int by_limit(const struct inventory *inv, const struct gpu *g,
			     const struct vgpu_type *t, unsigned int n)
{
	size_t count = gpu_count_against(inv, g, t);

	n = least(n, gpu_free_parents(inv, g));
	if (t->max_instance)
		n = least(n, t->max_instance > count ? t->max_instance - count : 0);
	return n;
}

static bool holds_claims(const struct inventory *inv, const struct gpu *g)
{
	for (size_t i = 0; i < inv->nvgpus; i++)
		if (!inv->vgpus[i].exists && inv->vgpus[i].on_gpu && bdf_eq(&inv->vgpus[i].gpu, &g->addr))
			return true;
	return false;
}

void mig_set_room(const struct inventory *inv, struct gpu *g)
{
	for (size_t i = 0; i < g->noffers; i++) {
		struct offer *o = &g->offers[i];
		int n;

		if (!o->known || !o->yes || !vgpu_type_is_mig(o->type))
			continue;
		n = mig_room(inv, g, o->type);
		/* The driver's word counts: it takes one, whatever we make of the instances. */
		o->at_least = n < 0 || (!n && !holds_claims(inv, g));
		if (!o->at_least)
			o->available = by_limit(inv, g, o->type, (unsigned int)n);
		else if (o->available >= gpu_free_parents(inv, g))
			o->at_least = false;
	}
}

bool mig_contradicts(const struct inventory *inv, const struct gpu *g)
{
	for (size_t i = 0; i < g->noffers; i++) {
		const struct offer *o = &g->offers[i];
		int n = o->known && vgpu_type_is_mig(o->type) ? mig_room(inv, g, o->type) : -1;

		if (n >= 0 && !holds_claims(inv, g) && (n > 0) != o->yes)
			return true;
	}
	return false;
}
