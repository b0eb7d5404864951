/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "commands.h"
#include "config_apply.h"
#include "options.h"
#include "reconcile.h"
#include "settings_file.h"
#include "vmproc.h"
#include "xalloc.h"

struct tally {
	size_t vms, changed, failed;
};

static void print_verdict(unsigned int vmid, const struct verdict *v)
{
	for (size_t i = 0; i < v->said.n; i++)
		printf("vm %u: %s\n", vmid, v->said.s[i]);
	if (!v->said.n && !v->changes.n && !v->faults.n)
		printf("vm %u: is right\n", vmid);
	/* In a log, what is said stands in its order. */
	fflush(stdout);
	for (size_t i = 0; i < v->faults.n; i++)
		fprintf(stderr, "pve-vgpu: vm %u: %s\n", vmid, v->faults.s[i]);
}

/* All of a VM's lines in one call. */
static int apply(const struct node_now *n, const struct vm_file *vm, const struct verdict *v,
		 struct err *e)
{
	AUTO_FREE char *command = config_command(vm, &v->changes);
	int rc = config_check(&v->changes, vm->vmid, e);

	if (!v->changes.n)
		return 0;
	if (rc == 0 && !n->c->dry_run)
		rc = config_apply(&n->c->root, vm, &v->changes, e);
	if (rc < 0)
		return rc;
	printf("vm %u: %s: %s\n", vm->vmid, n->c->dry_run ? "would run" : "done", command);
	if (vm_qemu_pid(&n->c->root, vm->vmid))
		printf("vm %u: it runs: the change waits in [PENDING] until its next start\n", vm->vmid);
	return 0;
}

/*
 * The settings are read anew, and behind the config, as `unset` does: it may have come between
 * while other VMs had their turn, and the line that it has brought back is the admin's.
 * -ESTALE: somebody has edited the config between our look and our change.
 */
static int once(struct node_now *n, unsigned int vmid, struct verdict *v, struct err *e)
{
	AUTO_VM_FILE struct vm_file vm = { 0 };
	AUTO_SETTINGS struct settings s = { 0 };
	const struct vm_settings *vs = NULL;
	int rc = vm_file_read(&n->c->root, vmid, &vm, e);

	if (rc == 0)
		rc = settings_read(&n->c->root, &s, e);
	if (rc == 0)
		rc = settings_vm(&s, vmid, &vs, e);
	if (rc < 0 || !vs)
		return rc;
	reconcile_vm(n, vs, &vm, v);
	print_verdict(vmid, v);
	return apply(n, &vm, v, e);
}

static void one_vm(struct node_now *n, unsigned int vmid, struct tally *t)
{
	AUTO_VERDICT struct verdict v = { 0 };
	AUTO_ERR struct err e = { 0 };
	const struct vm_settings *vs = NULL;
	int rc = settings_vm(&n->settings, vmid, &vs, &e);

	if (rc == 0 && !vs)
		return;
	t->vms++;
	if (rc == 0)
		rc = once(n, vmid, &v, &e);
	if (rc == -ESTALE) {
		err_clear(&e);
		verdict_free(&v);
		rc = once(n, vmid, &v, &e);
	}
	if (rc < 0)
		fprintf(stderr, "pve-vgpu: vm %u: %s\n%s%s%s", vmid, e.msg, e.hint ? "hint: " : "",
			e.hint ? e.hint : "", e.hint ? "\n" : "");
	t->changed += rc == 0 && v.changes.n;
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
		if (node_now_has(&n, n.settings.vms[i].vmid))
			one_vm(&n, n.settings.vms[i].vmid, &t);
	/* As long as one VM has its old id, what that was is known from what was seen before. */
	n.catalog.held = t.failed;
	if (!c->dry_run)
		catalog_save(&n.catalog, &c->root, NULL);
	if (t.failed)
		return fail(e, -EIO, "reconcile: %zu of %zu VMs of this node are not as they should be",
			    t.failed, t.vms);
	printf("%zu VMs with vGPUs on this node, %zu %schanged\n", t.vms, t.changed, c->dry_run ? "would be " : "");
	return 0;
}
