/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "commands.h"
#include "json_util.h"
#include "options.h"
#include "pve_call.h"
#include "quote.h"
#include "reconcile.h"
#include "xalloc.h"

struct tally {
	size_t vms, changed, failed;
};

/* What PVE has at this moment, with the digest that a change of it names. The caller frees *digest. */
static int check_config(const struct node_now *n, unsigned int vmid, const struct verdict *v,
			char **digest, struct err *e)
{
	AUTO_STRLIST struct strlist words = { 0 };
	AUTO_FREE char *text = NULL;
	AUTO_JSON struct json_object *o = NULL;
	int rc;

	strlist_add(&words, "get");
	strlist_take(&words, xasprintf("/nodes/%s/qemu/%u/config", n->name, vmid));
	strlist_add(&words, "--output-format");
	strlist_add(&words, "json");
	rc = pve_call(&n->c->root, PVESH, &words, &text, e);
	if (rc < 0)
		return rc;
	o = json_parse(text, strlen(text));
	if (!o || !json_str(o, "digest"))
		return fail(e, -EINVAL, "'pvesh get' printed no config: %s", QUOTED(text));
	for (size_t i = 0; i < v->n; i++) {
		AUTO_FREE char *key = xasprintf("hostpci%u", v->rewrites[i].index);
		const char *now = json_str(o, key);

		if (!now || strcmp(now, v->rewrites[i].from)) {
			fail(e, -EAGAIN, "%s has been changed meanwhile: it is %s now", key, QUOTED(now));
			err_hint(e, "pve-vgpu reconcile");
			return -EAGAIN;
		}
	}
	*digest = xstrdup(json_str(o, "digest"));
	return 0;
}

/* All of a VM's lines in one call. */
static int write_config(const struct node_now *n, unsigned int vmid, const struct verdict *v,
			struct err *e)
{
	AUTO_STRLIST struct strlist words = { 0 };
	AUTO_FREE char *digest = NULL;
	int rc = check_config(n, vmid, v, &digest, e);

	if (rc < 0)
		return rc;
	strlist_add(&words, "set");
	strlist_take(&words, xasprintf("%u", vmid));
	strlist_add(&words, "--digest");
	strlist_add(&words, digest);
	for (size_t i = 0; i < v->n; i++) {
		strlist_take(&words, xasprintf("--hostpci%u", v->rewrites[i].index));
		strlist_add(&words, v->rewrites[i].to);
	}
	return pve_call(&n->c->root, QM, &words, NULL, e);
}

static int read_config(const struct ctx *c, unsigned int vmid, struct vmconf *conf,
		       struct pending *pending, struct err *e)
{
	AUTO_FREE char *path = xasprintf("etc/pve/qemu-server/%u.conf", vmid);
	AUTO_FREE char *file = xasprintf("/%s", path);
	AUTO_FREE char *text = NULL;
	size_t len;
	int rc = root_read(&c->root, path, &text, &len, e);

	if (rc == 0)
		rc = vmconf_parse(text, len, file, conf, e);
	if (rc == 0)
		pending_parse(text, len, pending);
	return rc;
}

static void print_verdict(unsigned int vmid, const struct verdict *v)
{
	for (size_t i = 0; i < v->said.n; i++)
		printf("vm %u: %s\n", vmid, v->said.s[i]);
	if (!v->said.n && !v->n && !v->faults.n)
		printf("vm %u: is right\n", vmid);
	/* In a log, what is said stands in its order. */
	fflush(stdout);
	for (size_t i = 0; i < v->faults.n; i++)
		fprintf(stderr, "pve-vgpu: vm %u: %s\n", vmid, v->faults.s[i]);
}

static int rewrite(const struct node_now *n, unsigned int vmid, const struct verdict *v,
		   struct err *e)
{
	int rc = v->n && !n->c->dry_run ? write_config(n, vmid, v, e) : 0;

	for (size_t i = 0; i < v->n && rc == 0; i++)
		printf("vm %u: %sset hostpci%u to %s\n", vmid, n->c->dry_run ? "would " : "",
		       v->rewrites[i].index, v->rewrites[i].to);
	return rc;
}

static void one_vm(struct node_now *n, unsigned int vmid, struct tally *t)
{
	AUTO_VMCONF struct vmconf conf = { 0 };
	AUTO_PENDING struct pending pending = { 0 };
	AUTO_VERDICT struct verdict v = { 0 };
	AUTO_ERR struct err e = { 0 };
	const struct vm_settings *vs = NULL;
	int rc = read_config(n->c, vmid, &conf, &pending, &e);

	/* Another node's, or none any more. */
	if (rc == -ENOENT)
		return;
	if (rc == 0)
		rc = settings_vm(&n->settings, vmid, &vs, &e);
	if (rc == 0 && !vs)
		return;
	t->vms++;
	if (rc == 0) {
		reconcile_vm(n, vs, &conf, &pending, &v);
		print_verdict(vmid, &v);
		rc = rewrite(n, vmid, &v, &e);
	}
	if (rc < 0)
		fprintf(stderr, "pve-vgpu: vm %u: %s\n%s%s%s", vmid, e.msg, e.hint ? "hint: " : "",
			e.hint ? e.hint : "", e.hint ? "\n" : "");
	t->changed += rc == 0 && v.n;
	t->failed += rc < 0 || v.faults.n;
}

int cmd_reconcile(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option_set set = { .dry_run = true };
	AUTO_NODE_NOW struct node_now n = { 0 };
	struct tally t = { 0 };
	int rc = options_count(options_read(c, argc, argv, &set, e), 0, 0, "", e);

	if (rc < 0)
		return rc;
	rc = node_now_read(c, &n, e);
	if (rc < 0)
		return fail_in(e, rc, "reconcile");
	for (size_t i = 0; i < n.settings.n_vms; i++)
		one_vm(&n, n.settings.vms[i].vmid, &t);
	if (!c->dry_run)
		catalog_save(&n.catalog, &c->root, NULL);
	if (t.failed)
		return fail(e, -EIO, "reconcile: %zu of %zu VMs of this node are not as they should be",
			    t.failed, t.vms);
	printf("%zu VMs with vGPUs on this node, %zu %schanged\n", t.vms, t.changed, c->dry_run ? "would be " : "");
	return 0;
}
