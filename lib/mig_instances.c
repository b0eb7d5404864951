/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mig_instances.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "framework.h"
#include "mig_memo.h"
#include "mig_room.h"
#include "mig_table.h"
#include "nvidia_smi.h"
#include "xalloc.h"

/* Where a vGPU lies, as its own attribute has it. */
struct seat {
	const struct vgpu_type *type;	/* NULL: one that the GPU has never listed */
	bool known;
	unsigned int id;
};

struct learning {
	const struct root *r;
	struct inventory *inv;
	struct gpu *g;
	unsigned int *ids;		/* that /proc names */
	int nids;			/* -1: it does not tell */
	struct seat *seats;
	size_t nseats;
};

static void learning_free(struct learning *l)
{
	free(l->ids);
	free(l->seats);
}

static bool is_there(const struct vgpu *v, const struct gpu *g)
{
	return v->exists && v->on_gpu && bdf_eq(&v->gpu, &g->addr);
}

/* With MIG on, whatever is on the GPU lies in an instance. */
static void read_seats(struct learning *l)
{
	for (size_t i = 0; i < l->inv->nvgpus; i++) {
		const struct vgpu *v = &l->inv->vgpus[i];
		unsigned long id;
		struct seat *s;

		if (!is_there(v, l->g))
			continue;

		AUTO_FREE char *dev = vgpu_sysfs_path(v);
		AUTO_FREE char *path = xasprintf("%s/nvidia/gpu_instance_id", dev);

		s = GROW(l->seats, l->nseats);
		s->type = mig_type_on(l->g, v);
		s->known = root_read_number(l->r, path, &id, NULL) == 0 && id <= MIG_MAX_ID;
		s->id = s->known ? (unsigned int)id : 0;
	}
}

static int by_id(const void *a, const void *b)
{
	const struct gpu_instance *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static struct gpu_instance *instance(struct gpu *g, unsigned int id, bool *was_there)
{
	struct gpu_instance *new;

	for (size_t i = 0; i < g->ninstances; i++)
		if (g->instances[i].id == id) {
			*was_there = true;
			return &g->instances[i];
		}
	*was_there = false;
	new = GROW(g->instances, g->ninstances);
	new->id = id;
	return new;
}

static bool in_table(const struct mig_table *t, unsigned int id)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->row[i].id == id)
			return true;
	return false;
}

/* nvidia-smi's word goes before what types tell: two instances may take one type. */
static void add_table(struct gpu *g, const struct mig_table *t)
{
	g->all_instances = true;
	for (size_t i = 0; i < g->ninstances; i++)
		g->all_instances = g->all_instances && in_table(t, g->instances[i].id);
	for (size_t i = 0; i < t->n; i++) {
		bool was_there;
		struct gpu_instance *in = instance(g, t->row[i].id, &was_there);

		free(in->profile);
		in->profile = xstrdup(t->row[i].profile);
	}
}

static void add_seat(struct gpu *g, const struct seat *s)
{
	bool was_there;
	struct gpu_instance *in = instance(g, s->id, &was_there);

	/* One that came since the others were listed: so may have more. */
	g->all_instances = g->all_instances && was_there;
	if (!in->profile && s->type)
		in->profile = mig_profile_of(g, s->type);
	in->vgpus++;
	in->mib = s->type ? s->type->framebuffer_mib : 0;
}

/* All that is known, together. table: what nvidia-smi has said, or NULL. */
static void build(const struct learning *l, const struct mig_table *table)
{
	struct gpu *g = l->g;
	bool was_there;

	gpu_forget_instances(g);
	g->all_instances = l->nids >= 0;
	for (int i = 0; i < l->nids; i++)
		instance(g, l->ids[i], &was_there);
	if (table)
		add_table(g, table);
	for (size_t i = 0; i < l->nseats; i++)
		if (l->seats[i].known)
			add_seat(g, &l->seats[i]);
	for (size_t i = 0; i < l->nseats; i++)
		if (!l->seats[i].known && l->seats[i].type)
			mig_place(g, l->seats[i].type);
	mig_fill(l->inv, g);
	if (g->ninstances)
		qsort(g->instances, g->ninstances, sizeof(*g->instances), by_id);
}

static bool is_open(const struct gpu *g)
{
	for (size_t i = 0; i < g->ninstances; i++)
		if (!g->instances[i].profile)
			return true;
	return !g->all_instances;
}

static bool has_proc_ids(const struct learning *l, const struct mig_table *t)
{
	for (int i = 0; i < l->nids; i++)
		if (!in_table(t, l->ids[i]))
			return false;
	return l->nids >= 0 && (size_t)l->nids == t->n;
}

/* The driver's version, NULL where /proc does not tell. The caller frees it. */
static char *driver_version(const struct root *r)
{
	char *text;
	size_t len;

	if (root_read(r, "proc/driver/nvidia/version", &text, &len, NULL) < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* What was said before, while nothing speaks against it. */
static bool recall(const struct learning *l, const char *driver)
{
	AUTO_MIG_TABLE struct mig_table t = { 0 };

	if (!driver || !mig_memo_read(l->r, &l->g->addr, driver, &t) || !has_proc_ids(l, &t))
		return false;
	build(l, &t);
	return !mig_contradicts(l->inv, l->g);
}

static int ask(const struct root *r, const struct bdf *gpu, struct mig_table *t, struct err *e)
{
	const char *args[] = { "mig", "-i", BDF_STR(gpu), "-lgi", NULL };
	AUTO_FREE char *text = NULL;
	int rc = nvidia_smi(r, args, NVIDIA_SMI_MS, &text, e);

	/* Without an instance it fails, and says so. */
	if (rc == -EIO && text && mig_table_parse(text, t) == 0 && !t->n)
		return 0;
	if (rc < 0) {
		mig_table_free(t);
		return rc;
	}
	rc = mig_table_parse(text, t);
	return rc < 0 ? fail(e, rc, "what 'nvidia-smi mig -i %s -lgi' prints is no table of GPU instances",
			     BDF_STR(gpu)) : 0;
}

static void inquire(const struct learning *l, const char *driver, struct mig_asker *asker)
{
	AUTO_MIG_TABLE struct mig_table t = { 0 };
	AUTO_ERR struct err why = { 0 };

	if (asker->failed || ask(l->r, &l->g->addr, &t, &why) < 0) {
		build(l, NULL);
		if (!asker->failed)
			strlist_take(&l->inv->problems, xasprintf(
				"GPU %s: the profiles of its GPU instances are not known, and its MIG-backed types may have "
				"more room: %s", BDF_STR(&l->g->addr), why.msg));
		asker->failed = true;
		return;
	}
	build(l, &t);
	if (driver && has_proc_ids(l, &t))
		mig_memo_write(l->r, &l->g->addr, driver, &t);
}

void mig_learn_instances(const struct root *r, struct inventory *inv, struct gpu *g,
			 struct mig *m, struct mig_asker *asker)
{
	__attribute__((cleanup(learning_free))) struct learning l = { .r = r, .inv = inv, .g = g };

	gpu_forget_instances(g);
	g->all_instances = m->mode == MIG_OFF || (m->mode == MIG_ON && !m->instances);
	if (m->mode != MIG_ON || !m->instances || !mig_board(g))
		return;
	l.nids = mig_proc_ids(r, &g->addr, &l.ids);
	read_seats(&l);
	build(&l, NULL);
	if (is_open(g)) {
		AUTO_FREE char *driver = driver_version(r);

		if (!recall(&l, driver))
			inquire(&l, driver, asker);
	}
	if (g->all_instances)
		m->instances = (int)g->ninstances;
	mig_set_room(inv, g);
}
