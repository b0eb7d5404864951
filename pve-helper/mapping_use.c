/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mapping_use.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "cluster.h"
#include "framework.h"
#include "mapping.h"
#include "mode.h"
#include "quote.h"
#include "wrapper_there.h"
#include "xalloc.h"

/* What the entries of this node give for the types that are wanted. */
struct served {
	struct bdf *parents;		/* where mdev= names one of them, in the mapping's order */
	size_t n;
	bool vendor;			/* one of those is a vendor VF */
	bool *named;			/* by choice: mdev= is its name on a parent */
	char *other;			/* what the first choice is called here, where that is not mdev= */
	bool any;			/* an entry is a parent at all */
};

static void served_free(struct served *s)
{
	free(s->parents);
	free(s->named);
	free(s->other);
}

static const struct hostpci *line_of(const struct mapping_user *u)
{
	return &u->conf->hostpci[u->in->index];
}

/* What qemu-server calls the type there; NULL: it is not to be had. */
static char *name_there(const struct mapping_user *u, const struct gpu *g, const struct bdf *parent,
			const struct vgpu_type *t)
{
	char *name = NULL;

	if (g->framework == FRAMEWORK_MDEV)
		return mdev_type_dirname(u->r, parent, t->key, &name, NULL) < 0 ? NULL : name;
	/* Of a GPU that lists nothing it is not known. */
	return gpu_offer(g, t) || !g->noffers ? xstrdup(t->key) : NULL;
}

static void look_at(const struct mapping_user *u, const struct want *w, const struct bdf *parent,
		    struct served *s)
{
	const struct gpu *g = inventory_gpu_of(u->inv, parent);
	bool good = false;

	s->any |= g != NULL;
	for (size_t i = 0; g && i < w->nchoices; i++) {
		AUTO_FREE char *name = name_there(u, g, parent, w->choices[i]);

		if (!name)
			continue;
		if (!strcmp(name, line_of(u)->mdev))
			good = s->named[i] = true;
		else if (!s->other)
			s->other = take_ptr(name);
	}
	if (!good)
		return;

	struct bdf *slot = GROW(s->parents, s->n);

	*slot = *parent;
	s->vendor |= g->framework == FRAMEWORK_NVIDIA_VFIO;
}

static void look(const struct mapping_user *u, const struct mapping *m, const char *node,
		 const struct want *w, struct served *s)
{
	s->named = xcalloc(w->nchoices, sizeof(*s->named));
	for (size_t i = 0; i < m->n; i++) {
		struct bdf parent;

		if (!m->entries[i].bad && !strcmp(m->entries[i].node, node) &&
		    m->entries[i].paths.n == 1 && bdf_parse(m->entries[i].paths.s[0], &parent) == 0)
			look_at(u, w, &parent, s);
	}
}

static void keep_named(struct want *w, const struct served *s)
{
	size_t n = 0;

	for (size_t i = 0; i < w->nchoices; i++)
		if (s->named[i])
			w->choices[n++] = w->choices[i];
	w->nchoices = n;
}

/* No parent of the mapping has the type under the name that the config says. */
static int refuse_name(const struct mapping_user *u, const struct want *w, const struct served *s,
		       struct err *e)
{
	const struct hostpci *h = line_of(u);
	const char *type = vgpu_type_name(w->choices[0]);

	if (s->other) {
		fail(e, -EINVAL, "the VM's config has mdev=%s, and on this node the intent %s is mdev=%s",
		     QUOTED(h->mdev), QUOTED(u->in->choices.s[0]), s->other);
		err_hint(e, "pve-vgpu reconcile writes what this node has; the ids of types may change with the driver");
		return -EINVAL;
	}

	AUTO_FREE char *command = mode_set_command(u->vs, u->in);

	fail(e, -ENODEV, "mapping %s has %s on this node that offers %s", QUOTED(h->mapping),
	     s->any ? "no device" : "no GPU", type);
	err_hint(e, "%s gives the VM a mapping that has; `pve-vgpu types` shows the GPUs that do", command);
	return -ENODEV;
}

static int refuse_mapping(const struct mapping_user *u, int rc, struct err *e)
{
	AUTO_FREE char *command = mode_set_command(u->vs, u->in);

	err_hint(e, "qemu-server would refuse the start: mend the mapping (Datacenter, Resource Mappings), or %s",
		 command);
	return rc;
}

/* The mapping must agree with the hardware in every entry of this node. */
static int check(const struct mapping_user *u, const struct mapping_list *l, const char *node,
		 const struct mapping **out, struct err *e)
{
	AUTO_STRLIST struct strlist faults = { 0 };

	*out = mapping_find(l, line_of(u)->mapping);
	if (!*out)
		return refuse_mapping(u, fail(e, -ENOENT, "the VM's config names mapping %s, which is not in /"
					      MAPPING_CFG, QUOTED(line_of(u)->mapping)), e);
	mapping_check(u->r, *out, node, &faults);
	if (faults.n)
		return refuse_mapping(u, fail(e, -EINVAL, "%s", faults.s[0]), e);
	return 0;
}

static bool wants_place(const struct vm_settings *vs)
{
	return vs->has_placement || vs->n_gpus || vs->boards.n;
}

/* qemu-server makes it: what of the intent it cannot do. */
static int leave(const struct mapping_user *u, const char *why, struct err *e)
{
	const char *mapping = line_of(u)->mapping;

	if (u->vs->params && !wrapper_there(u->r)) {
		fail(e, -ENODEV, "qemu-server makes the vGPU itself, from mapping %s (%s), and nobody would write "
		     "its params", QUOTED(mapping), why);
		err_hint(e, "apt install " WRAPPER_PACKAGE " on this node; or an address in place of the mapping; "
			 "or take params out of [vm %u] in /etc/pve/pve-vgpu.conf", u->vs->vmid);
		return -ENODEV;
	}
	strlist_take(u->notes, xasprintf(
		"hostpci%u: left to qemu-server, which picks the device from mapping %s%s%s",
		u->in->index, QUOTED(mapping),
		u->vs->params ? "; the wrapper writes its params" : "",
		wants_place(u->vs) ? "; 'placement' and 'gpu' have no effect there" : ""));
	return 0;
}

int mapping_use(const struct mapping_user *u, struct want *w, bool *own, struct err *e)
{
	AUTO_MAPPINGS struct mapping_list l = { 0 };
	__attribute__((cleanup(served_free))) struct served s = { 0 };
	AUTO_FREE char *node = NULL;
	const struct mapping *m = NULL;
	int rc;

	*own = false;
	if (cluster_local_node(u->r, &node, NULL) < 0)
		return leave(u, "which node this is cannot be told", e);
	rc = mapping_list_read(u->r, &l, e);
	if (rc == 0)
		rc = check(u, &l, node, &m, e);
	if (rc < 0)
		return rc;
	look(u, m, node, w, &s);
	if (!s.n)
		return refuse_name(u, w, &s, e);
	keep_named(w, &s);
	if (s.vendor)
		return leave(u, "vendor VFIO", e);
	if (!u->vs->params && !wants_place(u->vs))
		return leave(u, "", e);
	w->namong = s.n;
	w->among = take_ptr(s.parents);
	*own = true;
	return 0;
}
