/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The mappings that intents of this node's VMs go through. */
#include <string.h>

#include "cleanup.h"
#include "framework.h"
#include "mapping_ensure.h"
#include "pci_tree.h"
#include "quote.h"
#include "reconcile.h"
#include "scan.h"
#include "xalloc.h"

/* The function that an entry of this node names, if it is one that offers the type. */
static bool parent_of(const struct node_now *n, const struct mapping_entry *entry,
		      const struct vgpu_type *t, struct bdf *fn)
{
	const struct gpu *g;

	if (entry->bad || strcmp(entry->node, n->name) || entry->paths.n != 1 ||
	    bdf_parse(entry->paths.s[0], fn) < 0)
		return false;
	g = inventory_gpu_of(&n->inv, fn);
	return g && gpu_offer(g, t);
}

/* The functions of this node's entries that still are parents of the type: an admin may have left others out. */
static void parents_kept(const struct node_now *n, const struct mapping *m, const struct vgpu_type *t,
			 struct bdf_list *out)
{
	for (size_t i = 0; i < m->n; i++) {
		struct bdf fn;

		if (parent_of(n, &m->entries[i], t, &fn) && !bdf_list_has(out, &fn))
			bdf_list_add(out, &fn);
	}
}

static void parents_all(const struct node_now *n, const struct vgpu_type *t, struct bdf_list *out)
{
	for (size_t i = 0; i < n->inv.ngpus; i++) {
		const struct gpu *g = &n->inv.gpus[i];

		for (size_t k = 0; k < g->nparents && gpu_offer(g, t); k++)
			bdf_list_add(out, &g->parents[k]);
	}
}

static void mend(struct node_now *n, const struct mapping *m, const struct vgpu_type *t,
		 struct verdict *v)
{
	AUTO_BDF_LIST struct bdf_list parents = { 0 };
	AUTO_STRLIST struct strlist said = { 0 };
	AUTO_ERR struct err e = { 0 };
	int rc;

	/* Finding the type has asked no more GPUs than it took; and a full GPU on vendor VFIO tells nothing. */
	scan_learn(&n->c->root, &n->catalog, &n->inv, n->c->dry_run ? NULL : RECONCILE_WHO, n->deadline);
	inventory_assume_offers(&n->inv);
	parents_kept(n, m, t, &parents);
	/* All the addresses have changed, as when a board was moved. */
	if (!parents.n)
		parents_all(n, t, &parents);
	rc = mapping_ensure(&n->c->root, parents.b, parents.n, m->id, n->c->dry_run, &said, &e);
	for (size_t i = 0; i < said.n; i++)
		strlist_take(&v->said, xasprintf("%s%s", n->c->dry_run ? "would change " : "", said.s[i]));
	if (rc < 0)
		strlist_take(&v->faults, xasprintf("%s%s%s", e.msg, e.hint ? "; " : "", e.hint ? e.hint : ""));
}

static bool has_entry_here(const struct node_now *n, const struct mapping *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (!m->entries[i].bad && !strcmp(m->entries[i].node, n->name))
			return true;
	return false;
}

void reconcile_mapping(struct node_now *n, const char *id, const struct vgpu_type *t,
		       struct verdict *v)
{
	const struct mapping *m = mapping_find(&n->mappings, id);
	AUTO_STRLIST struct strlist faults = { 0 };

	if (strlist_has(&n->checked, id))
		return;
	strlist_add(&n->checked, id);
	if (!m) {
		strlist_take(&v->faults, xasprintf("mapping %s is not in /" MAPPING_CFG, QUOTED(id)));
		return;
	}
	mapping_check(&n->c->root, m, n->name, &faults);
	if (!faults.n)
		return;
	if (m->mdev && has_entry_here(n, m)) {
		mend(n, m, t, v);
		return;
	}
	for (size_t i = 0; i < faults.n; i++)
		strlist_add(&v->faults, faults.s[i]);
}

char *reconcile_mapping_name(const struct node_now *n, const char *id, const struct vgpu_type *t,
			     const char *now)
{
	const struct mapping *m = mapping_find(&n->mappings, id);
	AUTO_FREE char *first = NULL;

	for (size_t i = 0; m && i < m->n; i++) {
		AUTO_FREE char *name = NULL;
		struct bdf fn;

		if (!parent_of(n, &m->entries[i], t, &fn) ||
		    inventory_gpu_of(&n->inv, &fn)->framework != FRAMEWORK_MDEV ||
		    mdev_type_dirname(&n->c->root, &fn, t->key, &name, NULL) < 0)
			continue;
		if (!strcmp(name, now))
			return take_ptr(name);
		if (!first)
			first = take_ptr(name);
	}
	return first ? take_ptr(first) : xstrdup(t->key);
}
