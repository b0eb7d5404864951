/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "scan.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "framework.h"
#include "lock.h"
#include "names.h"
#include "pci_tree.h"
#include "quote.h"
#include "reservation.h"
#include "runstate.h"
#include "xalloc.h"

static const enum framework frameworks[] = { FRAMEWORK_MDEV, FRAMEWORK_NVIDIA_VFIO };

static int by_address(const void *a, const void *b)
{
	return bdf_cmp(a, b);
}

static bool has_driver(const struct root *r, const struct bdf_list *nvidia, const struct bdf *fn)
{
	if (nvidia->n && bsearch(fn, nvidia->b, nvidia->n, sizeof(*fn), by_address))
		return true;
	return pci_has_driver(r, fn);
}

/*
 * VFs come up on the mdev bus before their driver does, and what is made on one
 * then is nothing. Such parents go to the end and are no place for a vGPU.
 */
static void sort_bound_first(const struct root *r, const struct bdf_list *nvidia,
			     struct gpu *g)
{
	AUTO_FREE struct bdf *unbound = xcalloc(g->nparents, sizeof(*unbound));
	size_t n = 0, bound = 0;

	for (size_t i = 0; i < g->nparents; i++)
		if (has_driver(r, nvidia, &g->parents[i]))
			g->parents[bound++] = g->parents[i];
		else
			unbound[n++] = g->parents[i];
	for (size_t i = 0; i < n; i++)
		g->parents[bound + i] = unbound[i];
	g->driverless = n;
	g->unbound = n && !bound;
}

static void look_for_drivers(const struct root *r, struct inventory *inv)
{
	AUTO_BDF_LIST struct bdf_list nvidia = { 0 };

	if (inv->ngpus)
		pci_list(r, "sys/bus/pci/drivers/nvidia", &nvidia, NULL);
	for (size_t i = 0; i < inv->ngpus; i++)
		if (inv->gpus[i].framework == FRAMEWORK_MDEV && inv->gpus[i].sriov)
			sort_bound_first(r, &nvidia, &inv->gpus[i]);
}

int scan_gpus(const struct root *r, struct catalog *c, struct inventory *inv, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(frameworks); i++) {
		int rc = framework_ops(frameworks[i])->discover(r, c, inv, e);

		if (rc < 0)
			return rc;
	}
	look_for_drivers(r, inv);
	inventory_sort_gpus(inv);
	return 0;
}

/* A VF with a line of PVE's is taken, even where the driver shows nothing yet. */
static void merge_reservation(const struct reservation *res, struct inventory *inv)
{
	struct vgpu *there = inventory_on(inv, &res->dev);
	const struct gpu *g = inventory_gpu_of(inv, &res->dev);

	if (there && there->owner == OWNER_UNKNOWN) {
		there->owner = OWNER_PVE;
		there->vmid = res->vmid;
	}
	if (there || !g || g->framework != FRAMEWORK_NVIDIA_VFIO)
		return;

	struct vgpu v = {
		.framework = FRAMEWORK_NVIDIA_VFIO, .on_gpu = true, .gpu = g->addr,
		.parent = res->dev, .owner = OWNER_PVE, .vmid = res->vmid,
	};

	v.parent_name = xstrdup(BDF_STR(&res->dev));
	inventory_add(inv, &v);
	vgpu_clear(&v);
}

static int merge_claims(const struct root *r, unsigned int vmid, struct inventory *inv,
			struct err *e)
{
	AUTO_RUNSTATE_LIST struct runstate_list states = { 0 };
	AUTO_RESERVATIONS struct reservation_list reserved = { 0 };
	int rc = runstate_list_read(r, &states, &inv->problems, e);

	if (rc < 0)
		return rc;
	runstate_merge(states.s, states.n, inv);
	runstate_mark_pve(inv);
	rc = reservation_read(r, &reserved, e);
	for (size_t i = 0; i < reserved.n; i++)
		if (reserved.r[i].vmid != vmid && reservation_holds(r, &reserved.r[i]))
			merge_reservation(&reserved.r[i], inv);
	return rc;
}

int scan_taken(const struct root *r, const struct catalog *c, unsigned int vmid,
	       struct inventory *inv, struct err *e)
{
	int rc;

	inventory_forget_vgpus(inv);
	rc = framework_mdev.active(r, c, inv, e);
	return rc < 0 ? rc : merge_claims(r, vmid, inv, e);
}

int scan_all(const struct root *r, const struct catalog *c, struct inventory *inv,
	     struct err *e)
{
	inventory_forget_vgpus(inv);
	for (size_t i = 0; i < ARRAY_SIZE(frameworks); i++) {
		int rc = framework_ops(frameworks[i])->active(r, c, inv, e);

		if (rc < 0)
			return rc;
	}
	return merge_claims(r, 0, inv, e);
}

struct type_list {
	const struct vgpu_type **t;
	size_t n;
};

static void type_list_free(struct type_list *l)
{
	free(l->t);
}

static void offered_types(const struct inventory *inv, struct type_list *l)
{
	for (size_t i = 0; i < inv->ngpus; i++)
		for (size_t k = 0; k < inv->gpus[i].noffers; k++) {
			const struct vgpu_type *t = inv->gpus[i].offers[k].type;
			bool have = false;

			for (size_t n = 0; n < l->n && !have; n++)
				have = l->t[n] == t;
			if (!have) {
				const struct vgpu_type **slot = GROW(l->t, l->n);

				*slot = t;
			}
		}
}

/* A GPU whose list this run has not read, if any: first those that nothing is known of. */
static struct gpu *next_to_ask(const struct inventory *inv)
{
	struct gpu *found = NULL;

	for (size_t i = 0; i < inv->ngpus; i++) {
		struct gpu *g = &inv->gpus[i];

		if (!g->asked && !g->seen)
			return g;
		if (!g->asked && !found)
			found = g;
	}
	return found;
}

/*
 * Of starts that begin together on a node where nothing is known yet, the first
 * one asks and writes it down; the others come to the lock when the GPU may be
 * full already and lists nothing.
 */
static bool was_told_meanwhile(const struct root *r, struct catalog *c, struct gpu *g)
{
	const struct catalog_gpu *known;

	catalog_merge(c, r);
	known = catalog_gpu(c, &g->addr);
	for (size_t i = 0; known && i < known->ntypes; i++)
		gpu_add_offer(g, known->types[i]);
	g->seen = g->noffers > 0;
	return g->seen;
}

static void ask_gpu(const struct root *r, struct catalog *c, struct inventory *inv,
		    struct gpu *g, const char *who, int64_t deadline)
{
	AUTO_LOCK struct lock lock = LOCK_NONE;
	AUTO_ERR struct err why = { 0 };
	int rc = who ? lock_gpu(r, &g->addr, who, deadline, &lock, &why) : 0;

	if (rc == 0 && who && !g->seen && was_told_meanwhile(r, c, g))
		return;
	if (rc == 0)
		rc = framework_ops(g->framework)->learn(r, c, inv, g, &why);
	g->asked = true;
	if (who)
		catalog_save(c, r, NULL);
	if (rc < 0)
		strlist_take(&inv->problems, xasprintf("GPU %s: its types are not known: %s",
						       BDF_STR(&g->addr), why.msg));
}

bool scan_learn(const struct root *r, struct catalog *c, struct inventory *inv, const char *who,
		int64_t deadline)
{
	bool any = false;

	for (size_t i = 0; i < inv->ngpus; i++)
		if (!inv->gpus[i].seen && !inv->gpus[i].asked) {
			ask_gpu(r, c, inv, &inv->gpus[i], who, deadline);
			any = true;
		}
	return any;
}

void scan_unseen(const struct root *r, struct catalog *c, struct inventory *inv)
{
	for (size_t i = 0; i < inv->ngpus; i++)
		if (!inv->gpus[i].seen && !inv->gpus[i].asked)
			ask_gpu(r, c, inv, &inv->gpus[i], NULL, 0);
	scan_name_vgpus(c, inv);
}

void scan_name_vgpus(const struct catalog *c, struct inventory *inv)
{
	for (size_t i = 0; i < inv->nvgpus; i++) {
		struct vgpu *v = &inv->vgpus[i];
		const struct vgpu_type *t = v->type ? catalog_type(c, v->type) : NULL;

		if (!t)
			continue;
		if (!v->name)
			v->name = xstrdup(vgpu_type_name(t));
		if (!v->framebuffer_mib)
			v->framebuffer_mib = t->framebuffer_mib;
	}
}

/* A GPU that lists nothing and of which nothing is known from before, or NULL. */
static const struct gpu *silent_gpu(const struct inventory *inv)
{
	for (size_t i = 0; i < inv->ngpus; i++)
		if (!inv->gpus[i].noffers)
			return &inv->gpus[i];
	return NULL;
}

/* "Unknown here" can only be said where every GPU has told its types. */
static int fail_untold(const struct gpu *g, const char *asked, struct err *e)
{
	fail(e, -ENOENT, "whether %s is a type of this node is not known: GPU %s shows none now, as a "
	     "full GPU does, and none was seen on it before", QUOTED(asked), BDF_STR(&g->addr));
	err_hint(e, "`pve-vgpu list` shows what holds the GPU; its types are known from the first run on "
		 "that finds it with room (in MIG mode, with an instance that is free)");
	return -ENOENT;
}

int scan_resolve(const struct root *r, struct catalog *c, struct inventory *inv,
		 const char *asked, const char *who, int64_t deadline,
		 const struct vgpu_type **out, struct err *e)
{
	for (;;) {
		__attribute__((cleanup(type_list_free))) struct type_list known = { 0 };
		struct gpu *g;
		int rc;

		offered_types(inv, &known);
		rc = name_resolve(asked, known.t, known.n, out, e);
		if (rc != -ENOENT)
			return rc;
		g = next_to_ask(inv);
		if (g) {
			ask_gpu(r, c, inv, g, who, deadline);
			continue;
		}
		return silent_gpu(inv) ? fail_untold(silent_gpu(inv), asked, e) : rc;
	}
}
