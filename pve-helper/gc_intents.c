/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "gc_intents.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "cluster.h"
#include "inventory.h"
#include "settings_edit.h"
#include "settings_file.h"
#include "settings_store.h"
#include "vmproc.h"
#include "xalloc.h"

/*
 * The guests of the cluster, read twice: the nodes are read one after the other,
 * and a VM that migrates meanwhile can be missed once.
 */
struct census {
	struct cluster_guests first, second;
};

static void census_free(struct census *n)
{
	cluster_guests_free(&n->first);
	cluster_guests_free(&n->second);
}

#define AUTO_CENSUS __attribute__((cleanup(census_free)))

/* -ENOENT where this node is not among those that /etc/pve shows: then nothing is known of the others. */
static int census_take(const struct root *r, struct census *n, struct err *e)
{
	AUTO_FREE char *node = NULL;
	int rc = cluster_local_node(r, &node, e);

	if (rc < 0)
		return rc;

	AUTO_FREE char *dir = xasprintf("etc/pve/nodes/%s/qemu-server", node);

	if (!root_exists(r, dir))
		return fail(e, -ENOENT, "there is no '/%s', this node's own", dir);
	rc = cluster_guests(r, &n->first, e);
	return rc < 0 ? rc : cluster_guests(r, &n->second, e);
}

static bool is_vm(const struct cluster_guests *l, unsigned int vmid)
{
	const struct cluster_guest *g = cluster_guest(l, vmid);

	return g && !g->container;
}

static bool is_gone(const struct census *n, unsigned int vmid)
{
	return !is_vm(&n->first, vmid) && !is_vm(&n->second, vmid);
}

static bool any_gone(const struct census *n, const struct settings *s)
{
	for (size_t i = 0; i < s->n_vms; i++)
		if (is_gone(n, s->vms[i].vmid))
			return true;
	return false;
}

struct purge {
	const struct ctx *c;
	struct strlist removed, kept;
};

static void purge_free(struct purge *p)
{
	strlist_free(&p->removed);
	strlist_free(&p->kept);
}

/* Whether this node has anything that its intent proves to be the VM's. */
static bool has_left(const struct root *r, unsigned int vmid)
{
	AUTO_FREE char *record = xasprintf("run/pve-vgpu/%u.json", vmid);
	bool left = root_exists(r, record);

	for (unsigned int i = 0; i < SETTINGS_HOSTPCI_MAX && !left; i++) {
		char uuid[UUID_TEXT_LEN];

		vgpu_pve_uuid(vmid, i, uuid);

		AUTO_FREE char *mdev = xasprintf("sys/bus/mdev/devices/%s", uuid);

		left = root_exists(r, mdev);
	}
	return left;
}

/* Why the VM's section must stay; NULL: it need not. */
static const char *why_kept(const struct ctx *c, unsigned int vmid)
{
	const char *locked = vm_lock_held(&c->root, vmid);

	if (locked)
		return locked;
	if (has_left(&c->root, vmid))
		return c->dry_run ? "it would go once what the VM has on this node is removed" :
				    "what the VM has on this node is to be removed first";
	return NULL;
}

static char *describe(const struct ctx *c, unsigned int vmid, const struct strlist *lines, size_t comments)
{
	AUTO_FREE char *text = strlist_join(lines, "; ");
	AUTO_FREE char *rest = comments ? xasprintf(" (its %zu line%s of comments stay%s)", comments,
						    comments == 1 ? "" : "s", comments == 1 ? "s" : "") : xstrdup("");

	return xasprintf("vm %u: gone from the cluster: %s from /" SETTINGS_PATH ": %s%s", vmid,
			 c->dry_run ? "would be removed" : "removed", lines->n ? text : "an empty section", rest);
}

/* One VM's section out of *text, which is replaced. */
static void purge_vm(struct purge *p, unsigned int vmid, char **text)
{
	AUTO_STRLIST struct strlist lines = { 0 };
	AUTO_ERR struct err e = { 0 };
	const char *why = why_kept(p->c, vmid);
	char *out = NULL;
	size_t comments;

	if (why) {
		strlist_take(&p->kept, xasprintf("vm %u: gone from the cluster: its settings stay: %s", vmid, why));
		return;
	}
	if (settings_purge_vm(*text, strlen(*text), vmid, &out, &lines, &comments, &e) < 0) {
		strlist_take(&p->kept, xasprintf("vm %u: gone from the cluster: its settings stay: %s", vmid, e.msg));
		return;
	}
	free(*text);
	*text = out;
	strlist_take(&p->removed, describe(p->c, vmid, &lines, comments));
}

/* What settings_change() calls, on the text as it is under the lock. */
static int purge(void *arg, const char *text, size_t len, char **out, struct err *e)
{
	struct purge *p = arg;
	AUTO_CENSUS struct census census = { 0 };
	AUTO_SETTINGS struct settings s = { 0 };
	AUTO_FREE char *now = xstrndup(text, len);
	int rc = census_take(&p->c->root, &census, e);

	purge_free(p);
	if (rc < 0)
		return rc;
	settings_parse(text, len, "/" SETTINGS_PATH, &s);
	for (size_t i = 0; i < s.n_vms; i++)
		if (is_gone(&census, s.vms[i].vmid))
			purge_vm(p, s.vms[i].vmid, &now);
	*out = take_ptr(now);
	return 0;
}

static int purge_dry(struct purge *p, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *out = NULL;
	size_t len;
	int rc = root_read(&p->c->root, SETTINGS_PATH, &text, &len, e);

	return rc < 0 ? rc : purge(p, text, len, &out, e);
}

static void move_all(struct strlist *to, struct strlist *from)
{
	for (size_t i = 0; i < from->n; i++)
		strlist_add(to, from->s[i]);
}

static int leave_alone(const struct settings *s, const struct census *n, const char *why,
		       struct gc_report *rep)
{
	for (size_t i = 0; i < s->n_vms; i++)
		if (is_gone(n, s->vms[i].vmid))
			strlist_take(&rep->kept, xasprintf("vm %u: gone from the cluster: its settings stay: %s",
							   s->vms[i].vmid, why));
	return 0;
}

int gc_intents(const struct ctx *c, const struct settings *settings, struct gc_report *rep,
	       struct err *e)
{
	__attribute__((cleanup(purge_free))) struct purge p = { .c = c };
	AUTO_CENSUS struct census census = { 0 };
	AUTO_ERR struct err why = { 0 };
	int rc;

	if (!settings->n_vms)
		return 0;
	if (census_take(&c->root, &census, &why) < 0) {
		strlist_take(&rep->kept, xasprintf("settings of VMs that may be gone stay: %s", why.msg));
		return 0;
	}
	if (!any_gone(&census, settings))
		return 0;
	if (!cluster_quorate(&c->root))
		return leave_alone(settings, &census, "the cluster has no quorum ('pvecm status')", rep);
	rc = c->dry_run ? purge_dry(&p, e) : settings_change(&c->root, purge, &p, e);
	if (rc < 0)
		return fail_in(e, rc, "gc: settings of VMs that are gone");
	move_all(&rep->removed, &p.removed);
	move_all(&rep->kept, &p.kept);
	return 0;
}
