/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where a native hostpci<N> gets its vGPU from: a mapping of the board's parents, or one address. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "cluster.h"
#include "framework.h"
#include "mapping_ensure.h"
#include "plan_asked.h"
#include "quote.h"
#include "set_job.h"
#include "xalloc.h"

static bool offers(const struct set_job *j, const struct gpu *g, const struct vgpu_type *t)
{
	struct want w = { .gpus = j->gpus, .ngpus = j->ngpus };

	return want_may_use(&w, &g->addr) && gpu_offer(g, t) && g->nparents;
}

/* What qemu-server calls the type on this parent; the caller frees it. */
static char *type_on(const struct set_job *j, const struct bdf *parent, const struct vgpu_type *t)
{
	const struct gpu *g = inventory_gpu_of(&j->inv, parent);
	char *name = NULL;

	if (g && g->framework == FRAMEWORK_MDEV)
		mdev_type_dirname(&j->c->root, parent, t->key, &name, NULL);
	return name ? name : xstrdup(t->key);
}

/* --- an address --- */

/* What the configs of this node's VMs name, but for the line that is to be written. */
static void read_others(struct set_job *j, unsigned int index)
{
	AUTO_CLUSTER_GUESTS struct cluster_guests l = { 0 };

	bdf_list_free(&j->others);
	j->others = (struct bdf_list){ 0 };
	if (cluster_guests(&j->c->root, &l, NULL) < 0)
		return;
	for (size_t i = 0; i < l.n; i++) {
		AUTO_VM_FILE struct vm_file f = { 0 };

		if (l.guests[i].container || strcmp(l.guests[i].node, j->vm.node) ||
		    vm_file_read(&j->c->root, l.guests[i].vmid, &f, NULL) < 0)
			continue;
		for (unsigned int k = 0; k < VMCONF_HOSTPCI_MAX; k++)
			if (f.next.hostpci[k].has_addr && (f.vmid != j->vm.vmid || k != index))
				bdf_list_add(&j->others, &f.next.hostpci[k].addr);
	}
	/* And the lines that this VM is to have for its other intents. */
	for (size_t i = 0; i < j->changes.n; i++) {
		struct hostpci h;

		if (!j->changes.c[i].want || strncmp(j->changes.c[i].key, "hostpci", strlen("hostpci")))
			continue;
		hostpci_parse(j->changes.c[i].want, &h);
		if (h.has_addr)
			bdf_list_add(&j->others, &h.addr);
		hostpci_free(&h);
	}
}

/*
 * The GPU's parent for the line: first itself, unless it is taken or another config
 * names it, and there is a free one that none does. A GPU without SR-IOV is its own only parent.
 */
static struct bdf parent_for_line(const struct set_job *j, const struct gpu *g, const struct bdf *first)
{
	if (!bdf_list_has(&j->others, first) && parent_is_free(&j->inv, g, first))
		return *first;
	for (size_t i = 0; i < g->nparents - g->driverless; i++)
		if (parent_is_free(&j->inv, g, &g->parents[i]) && !bdf_list_has(&j->others, &g->parents[i]))
			return g->parents[i];
	return *first;
}

/* The VM's vGPU of that intent takes its place: those of its other ones go elsewhere. */
static void take(struct set_job *j, const struct candidate *c, const struct want *w, const struct bdf *parent)
{
	struct vgpu v;

	plan_vgpu(c, w, &v);
	v.parent = *parent;
	inventory_add(&j->inv, &v);
	vgpu_clear(&v);
}

/* The parent that is best now; where all are full, one that has the type. */
static int best_address(struct set_job *j, size_t i, struct bdf *out, struct err *e)
{
	AUTO_PLAN struct plan p = { 0 };
	struct want w = set_want(j, i);

	read_others(j, w.index);
	plan_asked(&j->c->root, &j->catalog, &j->inv, &w, &p);
	if (p.ncandidates) {
		*out = parent_for_line(j, p.candidates[0].gpu, &p.candidates[0].parent);
		take(j, &p.candidates[0], &w, out);
		return 0;
	}
	for (size_t k = 0; k < j->inv.ngpus; k++)
		if (offers(j, &j->inv.gpus[k], w.choices[0])) {
			*out = parent_for_line(j, &j->inv.gpus[k], &j->inv.gpus[k].parents[0]);
			return 0;
		}
	return fail(e, -ENODEV, "no GPU of this node that may be used has a parent device for %s",
		    vgpu_type_name(w.choices[0]));
}

/* Whether there is room for the intent now, on this parent or, with NULL, anywhere. */
static bool has_room(struct set_job *j, size_t i, const struct bdf *parent)
{
	AUTO_PLAN struct plan p = { 0 };
	struct want w = set_want(j, i);

	w.pinned = parent != NULL;
	if (parent)
		w.parent = *parent;
	plan_asked(&j->c->root, &j->catalog, &j->inv, &w, &p);
	return p.ncandidates;
}

/*
 * An address that the config names already, and that serves, stays; but not where another placement is asked for,
 * or another type for which there is room elsewhere alone.
 */
static bool keeps_address(struct set_job *j, size_t i, const struct hostpci *h)
{
	const struct vgpu_type *t = j->types[i].t[0];
	const struct gpu *g = h->has_addr && h->mdev ? inventory_gpu_of(&j->inv, &h->addr) : NULL;
	bool moved = j->old && !j->afresh && j->old->placement != j->vs->placement;
	AUTO_FREE char *mdev = NULL;

	if (!g || !offers(j, g, t) || moved)
		return false;
	mdev = type_on(j, &h->addr, t);
	return !strcmp(mdev, h->mdev) || has_room(j, i, &h->addr) || !has_room(j, i, NULL);
}

/* A VF has room for one vGPU, and another config names it too: a clone's, or that of a `set` at the same time. */
static bool is_shared(struct set_job *j, size_t i, const struct bdf *addr)
{
	const struct gpu *g = inventory_gpu_of(&j->inv, addr);

	if (!g || !g->sriov)
		return false;
	read_others(j, j->vs->intents[i].index);
	return bdf_list_has(&j->others, addr);
}

void set_keep_addresses(struct set_job *j)
{
	j->kept = xcalloc(j->vs->n_intents, sizeof(*j->kept));
	for (size_t i = 0; i < j->vs->n_intents && !j->mode.mapping; i++) {
		const struct hostpci *h = &j->vm.next.hostpci[j->vs->intents[i].index];
		struct candidate c = { .type = j->types[i].t[0], .parent = h->addr };
		struct want w = set_want(j, i);

		j->kept[i] = keeps_address(j, i, h);
		if (!j->kept[i] || is_shared(j, i, &h->addr))
			continue;
		c.gpu = inventory_gpu_of(&j->inv, &h->addr);
		if (parent_is_free(&j->inv, c.gpu, &h->addr))
			take(j, &c, &w, &h->addr);
	}
}

static int at_address(struct set_job *j, size_t i, const struct hostpci *h, char **where, char **mdev,
		      struct err *e)
{
	const struct vgpu_type *t = j->types[i].t[0];
	struct bdf addr = h->addr;
	int rc = 0;

	if (!j->vm.local) {
		fail(e, -EINVAL, "the VM is on node '%s', and its hostpci%u is to name an address there",
		     j->vm.node, j->vs->intents[i].index);
		err_hint(e, "run this on node '%s'", j->vm.node);
		return -EINVAL;
	}
	if (!j->kept[i] || is_shared(j, i, &addr))
		rc = best_address(j, i, &addr, e);
	if (rc < 0)
		return rc;
	/* Where all are named already, nothing is better elsewhere. */
	if (j->kept[i] && bdf_list_has(&j->others, &addr))
		addr = h->addr;
	*where = xstrdup(BDF_STR(&addr));
	*mdev = type_on(j, &addr, t);
	return 0;
}

/* --- a mapping --- */

/* "vgpu-A40", by what the type's board is called; the caller frees it. */
static char *mapping_id(const struct vgpu_type *t)
{
	AUTO_FREE char *board = xstrndup(t->full_name, vgpu_type_board_len(t));
	const char *name = board;
	char *id;

	/* The vendor's word before it says nothing more. */
	if (!strncmp(name, "NVIDIA ", 7))
		name += 7;
	else if (!strncmp(name, "GRID ", 5))
		name += 5;
	id = xasprintf("vgpu-%s", name);
	for (char *s = id; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			*s = '-';
	return id;
}

static bool has_entry_for(const struct mapping *m, const char *node)
{
	for (size_t i = 0; i < m->n; i++)
		if (!m->entries[i].bad && !strcmp(m->entries[i].node, node))
			return true;
	return false;
}

/* Whether a device of the mapping is a parent of the type on this node. */
static bool has_parent(const struct set_job *j, const struct mapping *m, const struct vgpu_type *t)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct mapping_entry *entry = &m->entries[i];
		const struct gpu *g;
		struct bdf fn;

		if (entry->bad || strcmp(entry->node, j->vm.node) || entry->paths.n != 1 ||
		    bdf_parse(entry->paths.s[0], &fn) < 0)
			continue;
		g = inventory_gpu_of(&j->inv, &fn);
		if (g && gpu_offer(g, t))
			return true;
	}
	return false;
}

/* A mapping that the line names already, and that serves: an admin may have one of their own. */
static bool keeps_mapping(const struct set_job *j, const struct mapping_list *l,
			  const struct hostpci *h, const struct vgpu_type *t)
{
	AUTO_STRLIST struct strlist faults = { 0 };
	const struct mapping *m = h->mapping && h->mdev ? mapping_find(l, h->mapping) : NULL;

	if (!m || !j->vm.local)
		return m && m->mdev && has_entry_for(m, j->vm.node);
	mapping_check(&j->c->root, m, j->vm.node, &faults);
	return !faults.n && has_parent(j, m, t);
}

/* On another node a mapping cannot be made from here: it must have that node's devices already. */
static int check_elsewhere(const struct set_job *j, const struct mapping_list *l, const char *id,
			   struct err *e)
{
	const struct mapping *m = mapping_find(l, id);

	if (m && m->mdev && has_entry_for(m, j->vm.node))
		return 0;
	fail(e, -ENODEV, "the VM is on node '%s', of which mapping %s has no devices", j->vm.node, QUOTED(id));
	err_hint(e, "run this on node '%s', where they are known", j->vm.node);
	return -ENODEV;
}

static int by_mapping(struct set_job *j, size_t i, const struct hostpci *h, const struct gpu *g,
		      char **where, char **mdev, struct err *e)
{
	const struct vgpu_type *t = j->types[i].t[0];
	AUTO_MAPPINGS struct mapping_list l = { 0 };
	AUTO_FREE char *id = mapping_id(t);
	int rc = mapping_list_read(&j->c->root, &l, e);
	bool keeps;

	if (rc < 0)
		return rc;
	keeps = keeps_mapping(j, &l, h, t) && strcmp(h->mapping, id) != 0;
	if (!keeps && !j->vm.local)
		rc = check_elsewhere(j, &l, id, e);
	if (rc < 0)
		return rc;
	strlist_add(&j->mappings, keeps ? "" : id);
	*where = xasprintf("mapping=%s", keeps ? h->mapping : id);
	*mdev = type_on(j, &g->parents[0], t);
	return 0;
}

int set_place(struct set_job *j, size_t i, const struct hostpci *h, char **where, char **mdev,
	      struct err *e)
{
	const struct gpu *g = NULL;

	for (size_t k = 0; k < j->inv.ngpus && !g; k++)
		if (gpu_offer(&j->inv.gpus[k], j->types[i].t[0]) && j->inv.gpus[k].nparents)
			g = &j->inv.gpus[k];
	if (j->mode.mapping && g)
		return by_mapping(j, i, h, g, where, mdev, e);
	strlist_add(&j->mappings, "");
	return at_address(j, i, h, where, mdev, e);
}

/* All parents of this node that offer the type. */
static void parents_of(const struct set_job *j, const struct vgpu_type *t, struct bdf_list *out)
{
	for (size_t i = 0; i < j->inv.ngpus; i++) {
		const struct gpu *g = &j->inv.gpus[i];

		for (size_t k = 0; gpu_offer(g, t) && k < g->nparents - g->driverless; k++)
			bdf_list_add(out, &g->parents[k]);
	}
}

int set_mappings(struct set_job *j, struct strlist *said, struct err *e)
{
	int rc = 0;

	/* Another node's devices are not known here. */
	for (size_t i = 0; i < j->mappings.n && rc == 0 && j->vm.local; i++) {
		AUTO_BDF_LIST struct bdf_list parents = { 0 };

		if (!*j->mappings.s[i])
			continue;
		parents_of(j, j->types[i].t[0], &parents);
		rc = mapping_ensure(&j->c->root, parents.b, parents.n, j->mappings.s[i], j->c->dry_run, said, e);
	}
	return rc;
}
