/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "reconcile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "framework.h"
#include "hookscript.h"
#include "hostpci_edit.h"
#include "identity.h"
#include "names.h"
#include "quote.h"
#include "scan.h"
#include "settings_file.h"
#include "xalloc.h"

void node_now_free(struct node_now *n)
{
	free(n->name);
	cluster_guests_free(&n->guests);
	settings_free(&n->settings);
	inventory_free(&n->inv);
	catalog_free(&n->catalog);
	catalog_free(&n->before);
	mapping_list_free(&n->mappings);
	strlist_free(&n->checked);
}

int node_now_read(const struct ctx *c, struct node_now *n, struct err *e)
{
	int rc;

	n->c = c;
	rc = settings_read(&c->root, &n->settings, e);
	if (rc == 0)
		rc = cluster_local_node(&c->root, &n->name, e);
	if (rc == 0)
		rc = cluster_guests(&c->root, &n->guests, e);
	if (rc < 0)
		return rc;
	n->deadline = clock_ms() + (int64_t)n->settings.lock_wait_s * 1000;
	catalog_load_last(&n->before, &c->root);
	catalog_load(&n->catalog, &c->root);
	/* A driver without a version may be another one than that which was seen. */
	if (!*n->catalog.driver) {
		catalog_free(&n->catalog);
		catalog_fresh(&n->catalog, &c->root);
	}
	n->catalog.held = true;
	rc = scan_gpus(&c->root, &n->catalog, &n->inv, e);
	if (rc == 0)
		rc = mapping_list_read(&c->root, &n->mappings, e);
	return rc;
}

bool node_now_has(const struct node_now *n, unsigned int vmid)
{
	const struct cluster_guest *g = cluster_guest(&n->guests, vmid);

	return g && !g->container && !strcmp(g->node, n->name);
}

void verdict_free(struct verdict *v)
{
	config_changes_free(&v->changes);
	strlist_free(&v->said);
	strlist_free(&v->faults);
}

/* One intent of one VM. */
struct job {
	struct node_now *n;
	const struct vm_intent *in;
	const struct vm_file *vm;
	struct hostpci h;		/* what the next start has there */
	struct verdict *out;
};

#define SAY(j, list, ...) \
	do { \
		AUTO_FREE char *text_ = xasprintf(__VA_ARGS__); \
		strlist_take(&(j)->out->list, xasprintf("hostpci%u: %s", (j)->in->index, text_)); \
	} while (0)

/* --- which type --- */

static bool same_type(const struct vgpu_type *before, const struct vgpu_type *now)
{
	return !strcmp(before->full_name, now->full_name) ||
		name_matches(vgpu_type_name(now), before);
}

/* A number in place of a name follows nothing: say so where it has got another meaning. */
static void check_number(const struct job *j, const char *asked, const struct vgpu_type *now)
{
	const struct vgpu_type *before = catalog_type(&j->n->before, now->key);

	if (!before || same_type(before, now) || !name_matches(asked, before))
		return;
	SAY(j, said, "the intent names its type by its id, and %s was %s and is now %s: write the name", now->key,
	    vgpu_type_name(before), vgpu_type_name(now));
}

/* The choices that this node knows, in their order; returns how many. */
static size_t resolve(const struct job *j, const struct vgpu_type **types)
{
	size_t n = 0;

	for (size_t i = 0; i < j->in->choices.n; i++) {
		const char *asked = j->in->choices.s[i];
		AUTO_ERR struct err why = { 0 };

		if (scan_resolve(&j->n->c->root, &j->n->catalog, &j->n->inv, asked,
				 j->n->c->dry_run ? NULL : RECONCILE_WHO, j->n->deadline, &types[n], &why) == 0)
			check_number(j, asked, types[n++]);
		else
			SAY(j, said, "%s", why.msg);
	}
	return n;
}

/* The config's id as it is shown: a user of the VM may have written it. The caller frees it. */
static char *shown_id(const struct job *j)
{
	return text_clean(j->h.mdev, 60);
}

/*
 * The choice that the config's id stands for: by what the id was called when
 * the types were last seen; else by the id itself; else the first one.
 */
static const struct vgpu_type *chosen(const struct job *j, const struct vgpu_type **types, size_t n)
{
	unsigned int number;
	AUTO_FREE char *key = vgpu_type_key(j->h.mdev, &number);
	const struct vgpu_type *before = catalog_type(&j->n->before, key);

	for (size_t i = 0; before && i < n; i++)
		if (same_type(before, types[i]))
			return types[i];
	for (size_t i = 0; i < n; i++)
		if (!strcmp(types[i]->key, key))
			return types[i];
	if (n > 1) {
		AUTO_FREE char *id = shown_id(j);

		SAY(j, said, "what mdev=%s was is not known here: the first choice is taken", id);
	}
	return types[0];
}

/* --- what it is called there --- */

/* What qemu-server calls the type at the config's address, the caller's; NULL with a fault where it is not to be had. */
static char *name_at_address(const struct job *j, const struct vgpu_type *t)
{
	const struct gpu *g = inventory_gpu_of(&j->n->inv, &j->h.addr);
	AUTO_ERR struct err why = { 0 };
	char *name = NULL;

	if (!g)
		SAY(j, faults, "%s offers no vGPU types here", BDF_STR(&j->h.addr));
	else if (g->framework != FRAMEWORK_MDEV)
		return xstrdup(t->key);
	else if (mdev_type_dirname(&j->n->c->root, &j->h.addr, t->key, &name, &why) < 0)
		SAY(j, faults, "%s is not to be had at %s: %s", vgpu_type_name(t), BDF_STR(&j->h.addr), why.msg);
	return name;
}

static void want_name(const struct job *j, const struct vgpu_type *t, const char *name)
{
	AUTO_FREE char *key = xasprintf("hostpci%u", j->in->index);
	AUTO_FREE char *value = hostpci_with_mdev(j->h.raw, name), *id = shown_id(j);

	if (!strcmp(name, j->h.mdev))
		return;
	config_want(&j->out->changes, j->vm, key, value);
	SAY(j, said, "%s is mdev=%s now, no longer %s", vgpu_type_name(t), name, id);
}

static void judge(struct job *j)
{
	AUTO_FREE const struct vgpu_type **types = xcalloc(j->in->choices.n + 1, sizeof(*types));
	AUTO_FREE char *name = NULL;
	const struct vgpu_type *t;
	size_t n;

	if (j->h.bad || !j->h.mdev || (!j->h.mapping && !j->h.has_addr)) {
		SAY(j, faults, "%s is no vGPU, and left as it is", QUOTED(j->h.raw));
		return;
	}
	n = resolve(j, types);
	if (!n) {
		AUTO_FREE char *id = shown_id(j);

		SAY(j, faults, "none of its types is known here, and mdev=%s is left as it is", id);
		return;
	}
	t = chosen(j, types, n);
	name = j->h.mapping ? reconcile_mapping_name(j->n, j->h.mapping, t, j->h.mdev) :
		name_at_address(j, t);
	if (name)
		want_name(j, t, name);
	if (j->h.mapping)
		reconcile_mapping(j->n, j->h.mapping, t, j->out);
}

/* `unset` has given the config back, and is about to take the intent out: the line is the admin's. */
static bool is_given_back(const struct node_now *n, const struct vm_file *vm, const char *value, const char *was)
{
	enum hookscript whose;

	return was && !strcmp(value, was) &&
		hookscript_whose(&n->c->root, vm->vmid, vm_file_next(vm, "hookscript"), &whose, NULL) == 0 &&
		whose != HOOKSCRIPT_OURS;
}

void reconcile_vm(struct node_now *n, const struct vm_settings *vs, const struct vm_file *vm,
		  struct verdict *out)
{
	if (!identity_matches(vs->identity, &vm->conf)) {
		strlist_add(&out->said, "is another VM than the one its intent was made for: left alone");
		return;
	}
	for (size_t i = 0; i < vs->n_intents; i++) {
		struct job j = { .n = n, .in = &vs->intents[i], .vm = vm, .out = out };
		AUTO_FREE char *key = xasprintf("hostpci%u", j.in->index);
		const char *value = vm_file_next(vm, key);

		/* Through args and the wrapper the hook looks the id up at every start. */
		if (!value)
			continue;
		if (is_given_back(n, vm, value, vs->was[j.in->index])) {
			SAY(&j, said, "%s is what was there before `set`, and left as it is; `pve-vgpu unset %u` takes the intent out",
			    QUOTED(value), vm->vmid);
			continue;
		}
		hostpci_parse(value, &j.h);
		judge(&j);
		hostpci_free(&j.h);
	}
}
