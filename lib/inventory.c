/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "inventory.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "parse.h"
#include "xalloc.h"

static const char *const framework_names[] = {
	[FRAMEWORK_MDEV] = "mdev",
	[FRAMEWORK_NVIDIA_VFIO] = "nvidia-vfio",
};

const char *framework_name(enum framework f)
{
	return framework_names[f];
}

int framework_parse(const char *name, enum framework *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(framework_names); i++)
		if (!strcmp(framework_names[i], name)) {
			*out = (enum framework)i;
			return 0;
		}
	return -EINVAL;
}

void vgpu_pve_uuid(unsigned int vmid, unsigned int index, char out[static UUID_TEXT_LEN])
{
	/* A vmid has nine digits at the most and an index two: it always fits. */
	snprintf(out, UUID_TEXT_LEN, "%08u-0000-0000-0000-%012u",
		 index % 100000000, vmid % 1000000000);
}

bool vgpu_pve_uuid_parse(const char *uuid, unsigned int *vmid, unsigned int *index)
{
	static const char middle[] = "-0000-0000-0000-";
	unsigned long v, i;

	if (!is_uuid(uuid) || memcmp(uuid + 8, middle, sizeof(middle) - 1))
		return false;

	AUTO_FREE char *head = xstrndup(uuid, 8);

	if (parse_ulong(head, 0, 15, &i) < 0 || parse_ulong(uuid + 24, 100, 999999999, &v) < 0)
		return false;
	*vmid = (unsigned int)v;
	*index = (unsigned int)i;
	return true;
}

void vgpu_copy(struct vgpu *to, const struct vgpu *from)
{
	*to = *from;
	to->parent_name = from->parent_name ? xstrdup(from->parent_name) : NULL;
	to->type = from->type ? xstrdup(from->type) : NULL;
	to->name = from->name ? xstrdup(from->name) : NULL;
}

void vgpu_clear(struct vgpu *v)
{
	free(take_ptr(v->parent_name));
	free(take_ptr(v->type));
	free(take_ptr(v->name));
}

void inventory_drop(struct inventory *inv, size_t i)
{
	vgpu_clear(&inv->vgpus[i]);
	memmove(&inv->vgpus[i], &inv->vgpus[i + 1], (inv->nvgpus - i - 1) * sizeof(*inv->vgpus));
	inv->nvgpus--;
}

void inventory_forget_vgpus(struct inventory *inv)
{
	for (size_t i = 0; i < inv->nvgpus; i++)
		vgpu_clear(&inv->vgpus[i]);
	free(take_ptr(inv->vgpus));
	inv->nvgpus = 0;
}

void gpu_forget_instances(struct gpu *g)
{
	for (size_t i = 0; i < g->ninstances; i++)
		free(g->instances[i].profile);
	free(take_ptr(g->instances));
	g->ninstances = 0;
	g->all_instances = false;
}

void inventory_free(struct inventory *inv)
{
	inventory_forget_vgpus(inv);
	for (size_t i = 0; i < inv->ngpus; i++) {
		gpu_forget_instances(&inv->gpus[i]);
		free(inv->gpus[i].parents);
		free(inv->gpus[i].offers);
	}
	free(take_ptr(inv->gpus));
	inv->ngpus = 0;
	strlist_free(&inv->problems);
	strlist_free(&inv->foreign);
}

struct gpu *inventory_gpu(const struct inventory *inv, const struct bdf *pf)
{
	for (size_t i = 0; i < inv->ngpus; i++)
		if (bdf_eq(&inv->gpus[i].addr, pf))
			return &inv->gpus[i];
	return NULL;
}

struct gpu *inventory_gpu_of(const struct inventory *inv, const struct bdf *parent)
{
	for (size_t i = 0; i < inv->ngpus; i++)
		for (size_t p = 0; p < inv->gpus[i].nparents; p++)
			if (bdf_eq(&inv->gpus[i].parents[p], parent))
				return &inv->gpus[i];
	return NULL;
}

struct vgpu *inventory_by_uuid(const struct inventory *inv, const char *uuid)
{
	for (size_t i = 0; i < inv->nvgpus; i++)
		if (*inv->vgpus[i].uuid && !strcasecmp(inv->vgpus[i].uuid, uuid))
			return &inv->vgpus[i];
	return NULL;
}

struct vgpu *inventory_on(const struct inventory *inv, const struct bdf *parent)
{
	for (size_t i = 0; i < inv->nvgpus; i++)
		if (inv->vgpus[i].on_gpu && bdf_eq(&inv->vgpus[i].parent, parent))
			return &inv->vgpus[i];
	return NULL;
}

struct vgpu *inventory_add(struct inventory *inv, const struct vgpu *v)
{
	struct vgpu *new = GROW(inv->vgpus, inv->nvgpus);

	vgpu_copy(new, v);
	return new;
}

struct offer *gpu_offer(const struct gpu *g, const struct vgpu_type *t)
{
	for (size_t i = 0; i < g->noffers; i++)
		if (g->offers[i].type == t)
			return &g->offers[i];
	return NULL;
}

struct offer *gpu_add_offer(struct gpu *g, const struct vgpu_type *t)
{
	struct offer *o = gpu_offer(g, t);

	if (o)
		return o;
	o = GROW(g->offers, g->noffers);
	o->type = t;
	return o;
}

/* On vendor VFIO a GPU that holds a vGPU lists types of that size and no others. */
static bool is_told_in_part(const struct gpu *g)
{
	for (size_t i = 1; i < g->noffers; i++)
		if (g->offers[i].type->framebuffer_mib != g->offers[0].type->framebuffer_mib)
			return false;
	return g->framework == FRAMEWORK_NVIDIA_VFIO;
}

void inventory_assume_offers(struct inventory *inv)
{
	/* As they were told; what is assumed for one is no news for the next. */
	AUTO_FREE bool *in_part = xcalloc(inv->ngpus, sizeof(*in_part));

	for (size_t i = 0; i < inv->ngpus; i++)
		in_part[i] = is_told_in_part(&inv->gpus[i]);
	for (size_t i = 0; i < inv->ngpus; i++) {
		struct gpu *g = &inv->gpus[i];
		const struct vgpu_type *own = g->seen && g->noffers ? g->offers[0].type : NULL;

		if (g->seen && !in_part[i])
			continue;
		for (size_t k = 0; k < inv->ngpus; k++) {
			const struct gpu *other = &inv->gpus[k];

			if (other->framework != g->framework || !other->seen ||
			    (g->seen && in_part[k]))
				continue;
			/* What was seen of the GPU tells its board. */
			for (size_t o = 0; o < other->noffers; o++)
				if (!own || vgpu_type_same_board(own, other->offers[o].type))
					gpu_add_offer(g, other->offers[o].type);
		}
	}
}

static int by_addr(const void *a, const void *b)
{
	return bdf_cmp(&((const struct gpu *)a)->addr, &((const struct gpu *)b)->addr);
}

void inventory_sort_gpus(struct inventory *inv)
{
	if (inv->ngpus)
		qsort(inv->gpus, inv->ngpus, sizeof(*inv->gpus), by_addr);
}

static bool is_on(const struct vgpu *v, const struct gpu *g)
{
	return v->on_gpu && bdf_eq(&v->gpu, &g->addr);
}

size_t gpu_count(const struct inventory *inv, const struct gpu *g)
{
	size_t n = 0;

	for (size_t i = 0; i < inv->nvgpus; i++)
		n += is_on(&inv->vgpus[i], g);
	return n;
}

size_t gpu_count_against(const struct inventory *inv, const struct gpu *g, const struct vgpu_type *t)
{
	size_t n = 0;

	if (!vgpu_type_is_mig(t))
		return gpu_count(inv, g);
	for (size_t i = 0; i < inv->nvgpus; i++)
		n += is_on(&inv->vgpus[i], g) && inv->vgpus[i].type && !strcmp(inv->vgpus[i].type, t->key);
	return n;
}

unsigned int gpu_used_mib(const struct inventory *inv, const struct gpu *g)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < inv->nvgpus; i++)
		if (is_on(&inv->vgpus[i], g))
			sum += inv->vgpus[i].framebuffer_mib;
	return sum;
}

bool parent_has_driver(const struct gpu *g, const struct bdf *parent)
{
	for (size_t i = g->nparents - g->driverless; i < g->nparents; i++)
		if (bdf_eq(&g->parents[i], parent))
			return false;
	return true;
}

bool parent_is_free(const struct inventory *inv, const struct gpu *g, const struct bdf *parent)
{
	return !g->sriov || (parent_has_driver(g, parent) && !inventory_on(inv, parent));
}

size_t gpu_free_parents(const struct inventory *inv, const struct gpu *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->nparents; i++)
		n += parent_is_free(inv, g, &g->parents[i]);
	return n;
}

unsigned int gpu_total_mib(const struct gpu *g)
{
	unsigned int most = 0, fewest = UINT_MAX;
	bool described = false;

	for (size_t i = 0; i < g->noffers; i++) {
		const struct vgpu_type *t = g->offers[i].type;

		if (vgpu_type_is_mig(t) || !t->framebuffer_mib)
			continue;
		if (t->framebuffer_mib > most)
			most = t->framebuffer_mib;
		if (t->framebuffer_mib < fewest)
			fewest = t->framebuffer_mib;
		described |= t->max_instance > 0;
	}
	/* Vendor VFIO lists one size alone where a vGPU of that size runs already. */
	return most > fewest || described ? most : 0;
}

/*
 * NVIDIA runs no more time-sliced vGPUs on one GPU than this, whatever memory
 * and VFs allow (an RTX PRO 6000 has 48 VFs and 96 GB).
 */
#define TIME_SLICED_MAX	32

unsigned int gpu_limit(const struct gpu *g, const struct vgpu_type *t)
{
	unsigned int limit = t->max_instance;

	if (!limit && t->framebuffer_mib) {
		limit = gpu_total_mib(g) / t->framebuffer_mib;
		if (limit > TIME_SLICED_MAX && t->number && !vgpu_type_is_mig(t))
			limit = TIME_SLICED_MAX;
	}
	if (g->sriov && limit > g->nparents)
		limit = (unsigned int)g->nparents;
	return limit;
}

bool gpu_holds_other_size(const struct inventory *inv, const struct gpu *g,
			  const struct vgpu_type *t)
{
	/* MIG-backed types share a GPU by its instances, and the driver knows those. */
	if (vgpu_type_is_mig(t))
		return false;
	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu *v = &inv->vgpus[i];

		if (is_on(v, g) && v->framebuffer_mib && t->framebuffer_mib &&
		    v->framebuffer_mib != t->framebuffer_mib)
			return true;
	}
	return false;
}

unsigned int gpu_room_by_rule(const struct inventory *inv, const struct gpu *g,
			      const struct vgpu_type *t)
{
	unsigned int limit = gpu_limit(g, t);
	size_t count = gpu_count_against(inv, g, t), parents = gpu_free_parents(inv, g), room;

	if (g->unbound || gpu_holds_other_size(inv, g, t) || (limit && count >= limit))
		return 0;
	room = limit ? limit - count : g->sriov ? parents : 1;
	/* An instance is free or not, and how many are free no listing tells. */
	if (vgpu_type_is_mig(t))
		room = 1;
	if (g->sriov && room > parents)
		room = parents;
	return (unsigned int)room;
}
