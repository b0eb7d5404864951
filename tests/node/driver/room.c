// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What fits on a GPU, as tests/sim/model.c has it: vGPUs of one size unless
 * sizes are mixed, max_instance counted over the whole GPU, one vGPU a VF.
 */
#include "sim.h"

static unsigned int all_running;

/* What only NVIDIA's module knows is a guess here; parameters change it. */
static int refused(const struct func *f, enum refusal r)
{
	if (r == R_BUSY && f->vendor)
		return refusal_errno(r, EIO);
	return refusal_errno(r, ENOSPC);
}

static enum refusal check(const struct func *f, const struct vgpu_type *t)
{
	const struct gpu *g = f->gpu;

	lockdep_assert_held(&sim_lock);
	if (f->pdev->is_virtfn && f->running)
		return R_BUSY;
	/* Mixed sizes: what fits into the memory does, max_instance or not. */
	if (mixed_size)
		return g->used_mib + t->fb_mib > g->board->memory_mib ?
			R_MEMORY : R_NONE;
	if (g->running && g->fb_mib != t->fb_mib)
		return R_SIZE;
	return g->running >= t->max_instance ? R_COUNT : R_NONE;
}

unsigned int room_available(const struct func *f, const struct vgpu_type *t)
{
	const struct gpu *g = f->gpu;

	if (check(f, t) != R_NONE)
		return 0;
	if (f->pdev->is_virtfn)
		return 1;
	if (mixed_size)
		return (g->board->memory_mib - g->used_mib) / t->fb_mib;
	return t->max_instance - g->running;
}

static u32 size_gib(const struct vgpu_type *t)
{
	return max_t(u32, t->fb_mib / 1024, 1);
}

static bool is_taken(const struct gpu *g, u32 at, u32 size)
{
	const struct instance *in;

	list_for_each_entry(in, &g->instances, in_gpu)
		if (at < in->placement + size_gib(in->type) &&
		    in->placement < at + size)
			return true;
	return false;
}

/* The lowest place that is a multiple of the type's own size. */
static u32 find_placement(const struct gpu *g, const struct vgpu_type *t)
{
	u32 at, size = size_gib(t);

	if (!mixed_size)
		return 0;
	for (at = 0; (at + size) * 1024 <= g->board->memory_mib; at += size)
		if (!is_taken(g, at, size))
			return at;
	return 0;
}

int room_take(struct func *f, const struct vgpu_type *t, struct instance *in)
{
	struct gpu *g = f->gpu;
	enum refusal r = check(f, t);

	if (r != R_NONE)
		return refused(f, r);
	in->type = t;
	in->placement = find_placement(g, t);
	list_add(&in->in_gpu, &g->instances);
	g->fb_mib = t->fb_mib;
	g->used_mib += t->fb_mib;
	g->running++;
	f->running++;
	all_running++;
	return 0;
}

void room_give(struct func *f, struct instance *in)
{
	struct gpu *g = f->gpu;

	lockdep_assert_held(&sim_lock);
	list_del(&in->in_gpu);
	g->used_mib -= in->type->fb_mib;
	g->running--;
	f->running--;
	all_running--;
	in->type = NULL;
}

bool room_any_running(void)
{
	return all_running;
}
