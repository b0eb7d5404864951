/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mapping_ensure.h"

#include <errno.h>
#include <sha1.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cluster.h"
#include "pve_call.h"
#include "quote.h"
#include "xalloc.h"

#define PCI_API	"/cluster/mapping/pci"

void mapping_plan_free(struct mapping_plan *p)
{
	strlist_free(&p->entries);
	strlist_free(&p->said);
}

/* --- what is to be --- */

struct planner {
	const struct root *r;
	const char *node, *id;
	const struct bdf *parents;
	size_t n;
	struct mapping_entry *wanted;	/* one for each parent */
	bool *done;			/* the parent has a right entry, or can have none */
	struct mapping_plan *out;
};

static void planner_free(struct planner *p)
{
	for (size_t i = 0; p->wanted && i < p->n; i++)
		mapping_entry_free(&p->wanted[i]);
	free(p->wanted);
	free(p->done);
}

static int read_wanted(struct planner *p, struct err *e)
{
	p->wanted = xcalloc(p->n + 1, sizeof(*p->wanted));
	p->done = xcalloc(p->n + 1, sizeof(*p->done));
	for (size_t i = 0; i < p->n; i++) {
		AUTO_FREE char *raw = NULL;
		int rc = mapping_entry_of(p->r, p->node, &p->parents[i], &raw, e);

		if (rc < 0)
			return fail_in(e, rc, "mapping %s", QUOTED(p->id));
		mapping_entry_parse(raw, &p->wanted[i]);
	}
	return 0;
}

/* A function that shows no types now, as without a driver, would make every start through the mapping fail. */
static void leave_out(struct planner *p)
{
	size_t left = 0;

	for (size_t i = 0; i < p->n; i++) {
		AUTO_FREE char *fault = mapping_entry_fault(p->r, &p->wanted[i], true);

		p->done[i] = fault;
		left += p->done[i];
	}
	if (left)
		strlist_take(&p->out->said, xasprintf(left == 1 ? "leave out %zu device, which offers no vGPU types now" :
						      "leave out %zu devices, which offer no vGPU types now",
						      left));
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_board(const struct planner *p, const struct mapping_entry *m)
{
	for (size_t i = 0; i < p->n; i++)
		if (same_text(p->wanted[i].id, m->id) &&
		    same_text(p->wanted[i].subsystem_id, m->subsystem_id))
			return true;
	return false;
}

/* The parent that an entry is for, or p->n. */
static size_t parent_of(const struct planner *p, const struct mapping_entry *m)
{
	size_t i = 0;

	while (i < p->n && !mapping_entry_is(m, &p->parents[i]))
		i++;
	return i;
}

static int refuse(const struct planner *p, struct err *e, const char *why)
{
	fail(e, -EEXIST, "mapping %s is something else: %s", QUOTED(p->id), why);
	err_hint(e, "give that mapping another name, or remove it: pvesh delete %s/%s", PCI_API, p->id);
	return -EEXIST;
}

/* What becomes of an entry of this node. */
static int judge(struct planner *p, const struct mapping_entry *m, struct err *e)
{
	AUTO_FREE char *fault = mapping_entry_fault(p->r, m, true);
	size_t parent = parent_of(p, m);

	if (parent < p->n && !fault && !p->done[parent]) {
		p->done[parent] = true;
		strlist_add(&p->out->entries, m->raw);
		return 0;
	}
	if (!fault && parent == p->n) {
		AUTO_FREE char *why = xasprintf("its entry %s is right, and for a device that is none of those asked for",
						QUOTED(m->raw));

		if (!same_board(p, m))
			return refuse(p, e, why);
		strlist_add(&p->out->entries, m->raw);
		return 0;
	}
	p->out->change = true;
	strlist_take(&p->out->said, xasprintf("drop entry %s: %s", QUOTED(m->raw),
					      fault ? fault : "the device is there twice"));
	return 0;
}

static int keep_old(struct planner *p, const struct mapping *old, struct err *e)
{
	if (!old->mdev)
		return refuse(p, e, "it is not marked for mediated devices (mdev)");
	for (size_t i = 0; i < old->n; i++) {
		const struct mapping_entry *m = &old->entries[i];
		int rc = 0;

		/* What PVE cannot read it does not write back either. */
		if (!m->bad && strcmp(m->node, p->node))
			strlist_add(&p->out->entries, m->raw);
		else if (!m->bad)
			rc = judge(p, m, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* PVE has no mapping without an entry. */
static int add_missing(struct planner *p, struct err *e)
{
	size_t added = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (p->done[i])
			continue;
		strlist_add(&p->out->entries, p->wanted[i].raw);
		added++;
	}
	if (!p->out->entries.n)
		return fail(e, -ENODEV, "mapping %s: none of its %zu devices offers vGPU types now",
			    QUOTED(p->id), p->n);
	if (!added)
		return 0;
	p->out->change = true;
	strlist_take(&p->out->said, xasprintf("add %zu %s of node %s", added,
					      added == 1 ? "device" : "devices", QUOTED(p->node)));
	return 0;
}

int mapping_plan(const struct root *r, const char *node, const struct mapping *old, const char *id,
		 const struct bdf *parents, size_t n, struct mapping_plan *out, struct err *e)
{
	AUTO(planner_free) struct planner p = {
		.r = r, .node = node, .id = id, .parents = parents, .n = n, .out = out,
	};
	int rc = read_wanted(&p, e);

	*out = (struct mapping_plan){ .create = !old };
	if (rc == 0)
		leave_out(&p);
	if (rc == 0 && old)
		rc = keep_old(&p, old, e);
	if (rc == 0)
		rc = add_missing(&p, e);
	if (rc < 0) {
		mapping_plan_free(out);
		return rc;
	}
	return 0;
}

/* --- through pvesh --- */

static int put(const struct root *r, const char *id, const struct mapping_plan *plan,
	       const char *digest, struct err *e)
{
	AUTO_STRLIST struct strlist words = { 0 };

	strlist_add(&words, plan->create ? "create" : "set");
	if (plan->create) {
		strlist_add(&words, PCI_API);
		strlist_add(&words, "--id");
		strlist_add(&words, id);
		strlist_add(&words, "--mdev");
		strlist_add(&words, "1");
	} else {
		strlist_take(&words, xasprintf(PCI_API "/%s", id));
		strlist_add(&words, "--digest");
		strlist_add(&words, digest);
	}
	for (size_t i = 0; i < plan->entries.n; i++) {
		strlist_add(&words, "--map");
		strlist_add(&words, plan->entries.s[i]);
	}
	return pve_call(r, PVESH, &words, NULL, e);
}

static void say(const struct mapping_plan *plan, const char *id, struct strlist *said)
{
	if (!said)
		return;
	if (plan->create)
		strlist_take(said, xasprintf("mapping %s: create", QUOTED(id)));
	for (size_t i = 0; i < plan->said.n; i++)
		strlist_take(said, xasprintf("mapping %s: %s", QUOTED(id), plan->said.s[i]));
}

/* The mappings, and the digest of them that PVE has: pve-common src/PVE/SectionConfig.pm, parse_config() */
static int read_now(const struct root *r, struct mapping_list *l, char digest[static SHA1_DIGEST_STRING_LENGTH],
		    struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_ERR struct err why = { 0 };
	size_t len = 0;
	int rc = root_read(r, MAPPING_CFG, &text, &len, &why);

	if (rc < 0 && rc != -ENOENT)
		return err_move(e, &why, rc);
	SHA1Data((const uint8_t *)(text ? text : ""), len, digest);
	return mapping_list_parse(text ? text : "", len, "/" MAPPING_CFG, l, e);
}

/* pve-common src/PVE/Tools.pm, assert_if_modified(); pve-manager PVE/API2/Cluster/Mapping/PCI.pm, create */
static bool was_changed(const struct err *e)
{
	return e->msg && (strstr(e->msg, "detected modified configuration") ||
			  strstr(e->msg, "already defined"));
}

struct ensure {
	const struct root *r;
	const char *node, *id;
	const struct bdf *parents;
	size_t n;
	bool dry_run;
	struct strlist *said;
};

/* -ESTALE: someone was faster, and what was planned is not right any more. */
static int ensure_once(const struct ensure *m, struct err *e)
{
	AUTO_MAPPING_PLAN struct mapping_plan plan = { 0 };
	AUTO_MAPPINGS struct mapping_list l = { 0 };
	AUTO_ERR struct err why = { 0 };
	char digest[SHA1_DIGEST_STRING_LENGTH];
	int rc = read_now(m->r, &l, digest, e);

	if (rc == 0)
		rc = mapping_plan(m->r, m->node, mapping_find(&l, m->id), m->id, m->parents, m->n, &plan, e);
	if (rc < 0 || !plan.change)
		return rc;
	if (!m->dry_run)
		rc = put(m->r, m->id, &plan, digest, &why);
	if (rc < 0)
		return err_move(e, &why, was_changed(&why) ? -ESTALE : rc);
	say(&plan, m->id, m->said);
	return 0;
}

int mapping_ensure(const struct root *r, const struct bdf *parents, size_t n, const char *id,
		   bool dry_run, struct strlist *said, struct err *e)
{
	AUTO_FREE char *node = NULL;
	AUTO_ERR struct err why = { 0 };
	int rc;

	if (!mapping_id_ok(id))
		return fail(e, -EINVAL, "%s is no name for a mapping: it must be of letters, digits, '-' and '_', and begin with a letter",
			    QUOTED(id));
	rc = cluster_local_node(r, &node, e);
	if (rc < 0)
		return rc;

	const struct ensure m = { r, node, id, parents, n, dry_run, said };

	rc = ensure_once(&m, &why);
	if (rc == -ESTALE) {
		err_clear(&why);
		rc = ensure_once(&m, &why);
	}
	return rc < 0 ? err_move(e, &why, rc) : 0;
}
