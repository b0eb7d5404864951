/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The driver's rules: what fits, what a create or a remove changes.
 */
#include "model.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

unsigned int hash_str(const char *s)
{
	unsigned int h = 5381;

	while (*s)
		h = h * 33 + (unsigned char)*s++;
	return h % HASH_SIZE;
}

/* --- numbers handed out lowest first, as the kernel's ida does ---------- */

int slot_take(struct slots *s, struct dev *dev, struct vgpu *vgpu)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (!s->v[i].dev && !s->v[i].vgpu)
			break;
	if (i == s->n) {
		size_t n = s->n ? s->n * 2 : 64;
		struct slot *v = realloc(s->v, n * sizeof(*v));

		if (!v)
			return -1;
		memset(v + s->n, 0, (n - s->n) * sizeof(*v));
		s->v = v;
		s->n = n;
	}
	s->v[i] = (struct slot){ .dev = dev, .vgpu = vgpu };
	return (int)i;
}

static void slot_give(struct slots *s, int i)
{
	if (i >= 0)
		s->v[i] = (struct slot){ 0 };
}

void model_add_name(struct sim *sim, struct dev *dev)
{
	unsigned int h = hash_str(dev->name);

	dev->hash_next = sim->by_name[h];
	sim->by_name[h] = dev;
}

/* --- looking ------------------------------------------------------------ */

size_t dev_index(const struct sim *sim, const struct dev *dev)
{
	return (size_t)(dev - sim->devs);
}

bool dev_visible(const struct dev *dev)
{
	if (dev->vanished)
		return false;
	if (dev->kind != DEV_VF)
		return true;
	return dev->vf_index < dev->gpu->numvfs && !dev->gpu->pf->vanished;
}

const char *dev_driver(const struct sim *sim, const struct dev *dev)
{
	return dev->driver < 0 ? NULL : sim->drivers[dev->driver].name;
}

/* dev_driver_string(): the driver, else the bus. */
const char *dev_type_prefix(const struct sim *sim, const struct dev *dev)
{
	const char *driver = dev_driver(sim, dev);

	return driver ? driver : sim->buses[dev->bus];
}

bool dev_is_mdev_parent(const struct dev *dev)
{
	const struct gpu *g = dev->gpu;

	if (!g || g->framework != FW_MDEV || !g->types.n)
		return false;
	return dev->kind == DEV_PF ? !g->totalvfs : true;
}

bool dev_is_vendor(const struct sim *sim, const struct dev *dev)
{
	const char *driver = dev_driver(sim, dev);

	return dev->kind == DEV_VF && dev->gpu->framework == FW_VENDOR &&
	       driver && !strcmp(driver, "nvidia");
}

struct dev *model_find_dev(const struct sim *sim, const char *name)
{
	struct dev *d;

	for (d = sim->by_name[hash_str(name)]; d; d = d->hash_next)
		if (!strcmp(d->name, name) && dev_visible(d))
			return d;
	return NULL;
}

struct vgpu *model_find_serial(const struct sim *sim, uint32_t serial)
{
	struct vgpu *v = sim->by_serial[serial % HASH_SIZE];

	while (v && v->serial != serial)
		v = v->serial_next;
	return v;
}

struct vgpu *model_find_uuid(const struct sim *sim, const char *uuid)
{
	struct vgpu *v = sim->by_uuid[hash_str(uuid)];

	while (v && strcmp(v->uuid, uuid))
		v = v->uuid_next;
	return v;
}

const struct vgpu_type *model_find_type(const struct gpu *gpu,
					unsigned int number)
{
	unsigned int i;

	for (i = 0; i < gpu->types.n; i++)
		if (gpu->types.v[i].number == number)
			return &gpu->types.v[i];
	return NULL;
}

struct vgpu *model_find_vgpu(const struct sim *sim, const char *name)
{
	char uuid[UUID_LEN + 1];
	struct dev *d;

	if (strlen(name) == UUID_LEN && uuid_parse_text(name, uuid))
		return model_find_uuid(sim, uuid);
	d = model_find_dev(sim, name);
	if (!d || !d->vgpus || d->vgpus->dev_next)
		return NULL;
	return d->vgpus;
}

bool uuid_parse_text(const char *text, char out[UUID_LEN + 1])
{
	int i;

	for (i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		unsigned char c = (unsigned char)text[i];

		if (dash ? c != '-' : !isxdigit(c))
			return false;
		out[i] = (char)tolower(c);
	}
	out[UUID_LEN] = '\0';
	return true;
}

/* --- what fits ----------------------------------------------------------- */

const char *const refusal_keys[R_MAX + 1] = {
	[R_NONE] = "none", [R_SIZE] = "size", [R_COUNT] = "count",
	[R_MEMORY] = "memory", [R_BUSY] = "busy", [R_UNKNOWN] = "unknown",
	[R_MIG] = "mig", [R_INSTANCE] = "instance", [R_HELD] = "held",
	[R_PARAMS] = "params", [R_SRIOV] = "sriov", [R_MAX] = NULL
};

int refusal_errno(const struct gpu *gpu, enum refusal r)
{
	/* What only the closed module knows is a guess here. */
	static const int def[R_MAX] = {
		[R_SIZE] = ENOSPC, [R_COUNT] = ENOSPC, [R_MEMORY] = ENOSPC,
		[R_BUSY] = EIO, [R_UNKNOWN] = EINVAL, [R_MIG] = EIO,
		[R_INSTANCE] = ENOSPC, [R_HELD] = EBUSY, [R_PARAMS] = EBUSY,
		[R_SRIOV] = ENOENT,
	};

	if (r == R_NONE)
		return 0;
	if (gpu->err[r])
		return -gpu->err[r];
	if (r == R_BUSY && gpu->framework == FW_MDEV)
		return -ENOSPC;
	return -def[r];
}

static unsigned int pool_left(const struct gpu *g, const struct vgpu_type *t)
{
	/* The addend makes up for 1/3 + 1/3 + 1/3 < 1. */
	double left = (1.0 - g->pool_used) * t->max_instance + 1e-6;

	return left < 0 ? 0 : (unsigned int)left;
}

static bool gi_matches(const struct gpu_instance *gi, const struct vgpu_type *t)
{
	if (gi->slices != t->gi_slices)
		return false;
	if (t->gi_profile && (!gi->profile || strcmp(gi->profile, t->gi_profile)))
		return false;
	return !gi->memory_mib || t->fb_mib <= gi->memory_mib;
}

/* How many more of this type the instance takes. */
static unsigned int gi_room(const struct gpu *g, const struct gpu_instance *gi,
			    const struct vgpu_type *t)
{
	if (!gi_matches(gi, t) || gi->running >= t->max_per_gi)
		return 0;
	if (gi->running && !g->mixed_size && gi->fb_mib != t->fb_mib)
		return 0;
	if (g->mixed_size && gi->memory_mib &&
	    gi->used_mib + t->fb_mib > gi->memory_mib)
		return 0;
	return t->max_per_gi - gi->running;
}

static struct gpu_instance *gi_find(const struct gpu *g,
				    const struct vgpu_type *t)
{
	unsigned int i;

	for (i = 0; i < g->n_gi; i++)
		if (gi_room(g, &g->gi[i], t))
			return &g->gi[i];
	return NULL;
}

static enum refusal check_mig(const struct gpu *g, const struct vgpu_type *t)
{
	if (!!t->gi_slices != g->mig)
		return R_MIG;
	if (g->mig && !gi_find(g, t))
		return R_INSTANCE;
	return R_NONE;
}

static enum refusal check_room(const struct dev *d, const struct vgpu_type *t)
{
	const struct gpu *g = d->gpu;
	enum refusal r;

	if (d->kind == DEV_VF && d->vgpus)
		return R_BUSY;
	if (g->types.pool)
		return pool_left(g, t) ? R_NONE : R_COUNT;
	r = check_mig(g, t);
	if (r)
		return r;
	/* With mixed sizes max_instance does not count (open-gpu-kernel-modules,
	 * _kvgpumgrCheckVgpuTypeSupported): what fits into the memory does. */
	if (g->mixed_size && !g->mig)
		return g->used_mib + t->fb_mib > g->memory_mib ? R_MEMORY : R_NONE;
	/* With MIG a free instance is all that counts, too (kvgpumgrGetCreatableVgpuTypes). */
	if (g->mig)
		return R_NONE;
	if (g->running && g->fb_mib != t->fb_mib)
		return R_SIZE;
	return g->running >= t->max_instance ? R_COUNT : R_NONE;
}

static unsigned int mig_left(const struct gpu *g, const struct vgpu_type *t)
{
	unsigned int i, n = 0;

	for (i = 0; i < g->n_gi; i++)
		n += gi_room(g, &g->gi[i], t);
	return n;
}

unsigned int model_available(const struct dev *dev, const struct vgpu_type *t)
{
	const struct gpu *g = dev->gpu;

	if (check_room(dev, t))
		return 0;
	if (dev->kind == DEV_VF)
		return 1;
	if (g->types.pool)
		return pool_left(g, t);
	if (g->mig)
		return mig_left(g, t);
	if (g->mixed_size)
		return t->fb_mib ? (g->memory_mib - g->used_mib) / t->fb_mib : 1;
	return t->max_instance - g->running;
}

/* --- making and removing -------------------------------------------------- */

/* The lowest place, in GiB, which is a multiple of the type's own size. */
static unsigned int find_placement(const struct sim *sim, const struct gpu *g,
				   const struct vgpu_type *t)
{
	unsigned int size = t->fb_mib < 1024 ? 1 : t->fb_mib / 1024;
	unsigned int at;

	if (!g->mixed_size)
		return 0;
	for (at = 0; (at + size) * 1024 <= g->memory_mib; at += size) {
		const struct vgpu *v;
		bool taken = false;

		for (v = sim->vgpus; v && !taken; v = v->next) {
			unsigned int n = v->type->fb_mib / 1024;

			taken = v->dev->gpu == g && at < v->placement + (n ? n : 1) &&
				v->placement < at + size;
		}
		if (!taken)
			return at;
	}
	return 0;
}

static void account(struct gpu *g, struct vgpu *v)
{
	g->running++;
	g->fb_mib = v->type->fb_mib;
	g->used_mib += v->type->fb_mib;
	if (g->types.pool)
		g->pool_used += 1.0 / v->type->max_instance;
	if (v->gi) {
		v->gi->running++;
		v->gi->fb_mib = v->type->fb_mib;
		v->gi->used_mib += v->type->fb_mib;
	}
}

static void unaccount(struct gpu *g, struct vgpu *v)
{
	g->running--;
	g->used_mib -= v->type->fb_mib;
	if (g->types.pool)
		g->pool_used = g->running ?
			g->pool_used - 1.0 / v->type->max_instance : 0;
	if (v->gi) {
		v->gi->running--;
		v->gi->used_mib -= v->type->fb_mib;
	}
}

static void link_vgpu(struct sim *sim, struct vgpu *v)
{
	unsigned int h = hash_str(v->uuid);

	v->next = sim->vgpus;
	sim->vgpus = v;
	v->dev_next = v->dev->vgpus;
	v->dev->vgpus = v;
	v->serial_next = sim->by_serial[v->serial % HASH_SIZE];
	sim->by_serial[v->serial % HASH_SIZE] = v;
	if (!v->uuid[0])
		return;
	v->uuid_next = sim->by_uuid[h];
	sim->by_uuid[h] = v;
}

#define UNLINK(head, item, member) do {					\
	struct vgpu **pp = &(head);					\
									\
	while (*pp && *pp != (item))					\
		pp = &(*pp)->member;					\
	if (*pp)							\
		*pp = (item)->member;					\
} while (0)

static void unlink_vgpu(struct sim *sim, struct vgpu *v)
{
	UNLINK(sim->vgpus, v, next);
	UNLINK(v->dev->vgpus, v, dev_next);
	UNLINK(sim->by_serial[v->serial % HASH_SIZE], v, serial_next);
	if (v->uuid[0])
		UNLINK(sim->by_uuid[hash_str(v->uuid)], v, uuid_next);
}

/* An mdev is its own (emulated) iommu group; vfio devices came with 6.1. */
static void number_mdev(struct sim *sim, struct vgpu *v)
{
	v->group = v->vfio = -1;
	if (!v->uuid[0])
		return;
	v->group = slot_take(&sim->groups, NULL, v);
	if (sim->kernel_major > 6 ||
	    (sim->kernel_major == 6 && sim->kernel_minor >= 1))
		v->vfio = slot_take(&sim->vfios, NULL, v);
}

int model_create(struct sim *sim, struct dev *dev, const struct vgpu_type *t,
		 const char *uuid, struct vgpu **out)
{
	struct gpu *g = dev->gpu;
	enum refusal r;
	struct vgpu *v;

	if (uuid[0] && model_find_uuid(sim, uuid))
		return -EEXIST;
	r = check_room(dev, t);
	if (r)
		return refusal_errno(g, r);
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->serial = ++sim->last_serial;
	strcpy(v->uuid, uuid);
	v->dev = dev;
	v->type = t;
	v->gi = g->mig && !g->types.pool ? gi_find(g, t) : NULL;
	v->placement = find_placement(sim, g, t);
	number_mdev(sim, v);
	account(g, v);
	link_vgpu(sim, v);
	if (out)
		*out = v;
	return 0;
}

void model_destroy(struct sim *sim, struct vgpu *v)
{
	if (v->clean_at)
		sim->cleaning--;
	if (!v->uuid[0])
		v->dev->params[0] = '\0';
	slot_give(&sim->groups, v->group);
	slot_give(&sim->vfios, v->vfio);
	unlink_vgpu(sim, v);
	unaccount(v->dev->gpu, v);
	free(v);
}

static void set_clean_at(struct sim *sim, struct vgpu *v, uint64_t at)
{
	sim->cleaning += !!at;
	sim->cleaning -= !!v->clean_at;
	v->clean_at = at;
}

void model_set_held(struct sim *sim, struct vgpu *v, bool held, uint64_t now,
		    uint64_t clean_ms)
{
	bool let_go = v->held && !held;

	v->held = held;
	if (held)
		set_clean_at(sim, v, 0);
	if (!let_go)
		return;
	if (v->removing)
		model_destroy(sim, v);
	else if (clean_ms)
		set_clean_at(sim, v, now + clean_ms);
}

uint64_t model_tidy(struct sim *sim, uint64_t now)
{
	struct vgpu *v, *next;
	uint64_t soonest = 0;

	if (!sim->cleaning)
		return 0;
	for (v = sim->vgpus; v; v = next) {
		next = v->next;
		if (!v->clean_at)
			continue;
		if (v->clean_at <= now)
			model_destroy(sim, v);
		else if (!soonest || v->clean_at < soonest)
			soonest = v->clean_at;
	}
	return soonest;
}

/* --- VFs come and go ------------------------------------------------------- */

static void destroy_all_on(struct sim *sim, struct dev *dev)
{
	while (dev->vgpus)
		model_destroy(sim, dev->vgpus);
}

static bool any_held(const struct gpu *g)
{
	unsigned int i;
	const struct vgpu *v;

	for (i = 0; i < g->totalvfs; i++)
		for (v = g->vf[i].vgpus; v; v = v->dev_next)
			if (v->held)
				return true;
	return false;
}

static int change_numvfs(struct sim *sim, struct gpu *g, unsigned int n)
{
	unsigned int i;

	if (any_held(g))
		return -EBUSY;
	for (i = 0; i < g->totalvfs; i++)
		destroy_all_on(sim, &g->vf[i]);
	g->numvfs = n;
	return 0;
}

/* As the kernel's sriov_numvfs_store(). */
int model_set_numvfs(struct sim *sim, struct dev *pf, unsigned int n)
{
	struct gpu *g = pf->gpu;
	const char *driver = dev_driver(sim, pf);

	if (n > g->totalvfs)
		return -ERANGE;
	if (n == g->numvfs)
		return 0;
	if (!driver || !strcmp(driver, "nvidia"))
		return refusal_errno(g, R_SRIOV);
	if (n && g->numvfs)
		return -EBUSY;
	return change_numvfs(sim, g, n);
}

int model_force_numvfs(struct sim *sim, struct dev *pf, unsigned int n)
{
	if (n > pf->gpu->totalvfs)
		return -ERANGE;
	return change_numvfs(sim, pf->gpu, n);
}

int model_bind(struct sim *sim, struct dev *dev, const char *driver)
{
	int i;

	if (!driver) {
		dev->driver = -1;
		return 0;
	}
	for (i = 0; i < sim->n_drivers; i++)
		if (sim->drivers[i].bus == BUS_PCI && !strcmp(sim->drivers[i].name, driver)) {
			dev->driver = i;
			return 0;
		}
	return -EINVAL;
}

void model_show_types(struct gpu *g, bool yes)
{
	unsigned int n = yes ? g->types.hidden : g->types.n;

	if (!n)
		return;
	g->types.n = yes ? n : 0;
	g->types.hidden = yes ? 0 : n;
}

int model_vanish(struct sim *sim, struct dev *dev)
{
	unsigned int i;

	if (!dev->gpu)
		return -EINVAL;
	destroy_all_on(sim, dev);
	if (dev->kind == DEV_PF)
		for (i = 0; i < dev->gpu->totalvfs; i++)
			destroy_all_on(sim, &dev->gpu->vf[i]);
	dev->vanished = true;
	return 0;
}

void model_unvanish_all(struct sim *sim)
{
	size_t i;

	for (i = 0; i < sim->n_devs; i++)
		sim->devs[i].vanished = false;
}
