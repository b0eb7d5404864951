/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "alive.h"
#include "cleanup.h"
#include "clock.h"
#include "commands.h"
#include "lock.h"
#include "node_conf_file.h"
#include "options.h"
#include "parse.h"
#include "quote.h"
#include "release.h"
#include "runstate.h"
#include "scan.h"
#include "settings_file.h"
#include "vmproc.h"
#include "xalloc.h"

#define WAIT_MS		10000

static bool is_named(const struct vgpu *v, const char *uuid, const struct bdf *parent)
{
	return uuid ? !strcasecmp(v->uuid, uuid) : bdf_eq(&v->parent, parent);
}

/* The record that names it, and how many vGPUs of ours the address stands for. */
static const struct runstate *find_record(const struct runstate_list *l, const char *uuid,
					  const struct bdf *parent, size_t *matches)
{
	const struct runstate *found = NULL;

	*matches = 0;
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < l->s[i].nvgpus; k++)
			if (is_named(&l->s[i].vgpus[k], uuid, parent)) {
				found = &l->s[i];
				(*matches)++;
			}
	return found;
}

/* Not in a record of ours: say whose it is, or that there is none. */
static int not_ours(const struct ctx *c, const char *word, const char *uuid,
		    const struct bdf *parent, struct err *e)
{
	AUTO_CATALOG struct catalog catalog = { 0 };
	AUTO_INVENTORY struct inventory inv = { 0 };
	const struct vgpu *v;
	int rc;

	catalog_load(&catalog, &c->root);
	rc = scan_gpus(&c->root, &catalog, &inv, e);
	if (rc == 0)
		rc = scan_all(&c->root, &catalog, &inv, e);
	if (rc < 0)
		return rc;
	v = uuid ? inventory_by_uuid(&inv, uuid) : inventory_on(&inv, parent);
	if (!v || !v->exists) {
		fail(e, -ENOENT, "there is no vGPU %s", QUOTED(word));
		err_hint(e, "`pve-vgpu list` shows those that there are");
		return -ENOENT;
	}
	fail(e, -EPERM, "%s on %s was not made by pve-vgpu, so it is left alone",
	     v->name ? v->name : v->type, v->parent_name);
	if (v->owner == OWNER_PVE && v->vmid)
		err_hint(e, "it is vm %u's by its %s; `pve-vgpu gc` removes it if that VM has an intent and "
			 "does not run", v->vmid, *v->uuid ? "UUID" : "reservation");
	else if (*v->uuid)
		err_hint(e, "if nobody uses it: echo 1 > /sys/bus/mdev/devices/%s/remove", v->uuid);
	else
		err_hint(e, "if nobody uses it: echo 0 > /sys/bus/pci/devices/%s/nvidia/current_vgpu_type",
			 v->parent_name);
	return -EPERM;
}

/* A VM's vGPU only goes while the VM is dead; at the admin's word its claim may be young. */
static int check_vm(const struct ctx *c, unsigned int vmid, struct err *e)
{
	struct life l = {
		.age_ms = -1,
		.locked = vm_lock_held(&c->root, vmid),
		.qemu = vm_qemu_pid(&c->root, vmid),
	};
	AUTO_FREE char *why = alive_because(&l);

	if (!why)
		return 0;
	fail(e, -EBUSY, "it is vm %u's, and %s", vmid, why);
	err_hint(e, "qm stop %u removes it", vmid);
	return -EBUSY;
}

/* What node.conf names comes back. */
static void tell_boot(const struct ctx *c, const struct runstate *s)
{
	AUTO_NODE_CONF struct node_conf conf = { 0 };

	if (s->vmid || node_conf_read(&c->root, &conf, NULL) < 0)
		return;
	for (size_t i = 0; i < conf.n_vgpus; i++)
		if (!strcmp(conf.vgpus[i].name, s->id))
			printf("/" NODE_CONF_PATH " makes it again at the next boot\n");
}

/* Take the one vGPU out of its record and remove it. */
static int remove_recorded(const struct ctx *c, struct runstate *s, const char *uuid,
			   const struct bdf *parent, struct err *e)
{
	int64_t deadline = clock_ms() + WAIT_MS;

	for (size_t i = 0; i < s->nvgpus; i++) {
		const struct vgpu *v = &s->vgpus[i];

		if (!is_named(v, uuid, parent))
			continue;
		if (c->dry_run) {
			printf("would remove %s on %s\n", v->name ? v->name : v->type, v->parent_name);
			tell_boot(c, s);
			return 0;
		}
		int rc = release_one(c, v, "remove", deadline, e);

		if (rc < 0) {
			fail_in(e, rc, "%s on %s", v->name ? v->name : v->type, v->parent_name);
			err_hint(e, "stop what uses it first; `pve-vgpu list` shows whose it is");
			return rc;
		}
		printf("removed %s on %s\n", v->name ? v->name : v->type, v->parent_name);
		tell_boot(c, s);
		release_reservation(c, v);
		runstate_drop(s, i);
		return runstate_write(&c->root, s, e);
	}
	return 0;
}

static int remove_vm(const struct ctx *c, unsigned int vmid, const char *uuid,
		     const struct bdf *parent, struct err *e)
{
	AUTO_LOCK struct lock lock = LOCK_NONE;
	AUTO_RUNSTATE struct runstate s = { 0 };
	int rc = c->dry_run ? 0 :
		lock_vm(&c->root, vmid, "remove", clock_ms() + WAIT_MS, &lock, e);

	if (rc == 0)
		rc = check_vm(c, vmid, e);
	if (rc == 0)
		rc = runstate_read(&c->root, vmid, &s, e);
	return rc < 0 ? rc : remove_recorded(c, &s, uuid, parent, e);
}

static int remove_vgpu(const struct ctx *c, const char *word, const char *uuid,
		       const struct bdf *parent, struct err *e)
{
	AUTO_RUNSTATE_LIST struct runstate_list states = { 0 };
	AUTO_STRLIST struct strlist problems = { 0 };
	const struct runstate *s;
	AUTO_LOCK struct lock lock = LOCK_NONE;
	size_t matches;
	/* Two at once must not both go by a record that the first one has ended. */
	int rc = c->dry_run ? 0 :
		lock_standalone(&c->root, "remove", clock_ms() + WAIT_MS, &lock, e);

	if (rc == 0)
		rc = runstate_list_read(&c->root, &states, &problems, e);

	for (size_t i = 0; i < problems.n; i++)
		fprintf(stderr, "pve-vgpu: %s\n", problems.s[i]);
	if (rc < 0)
		return rc;
	s = find_record(&states, uuid, parent, &matches);
	if (!s)
		return not_ours(c, word, uuid, parent, e);
	if (matches > 1) {
		fail(e, -ENOTUNIQ, "%s holds %zu vGPUs", QUOTED(word), matches);
		err_hint(e, "name one by its UUID; `pve-vgpu list` shows them");
		return -ENOTUNIQ;
	}
	if (s->vmid)
		return remove_vm(c, s->vmid, uuid, parent, e);

	AUTO_RUNSTATE struct runstate own = *s;

	for (size_t i = 0; i < states.n; i++)
		if (&states.s[i] == s)
			states.s[i].nvgpus = 0, states.s[i].vgpus = NULL;
	return remove_recorded(c, &own, uuid, parent, e);
}

int cmd_remove(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option_set set = { .dry_run = true };
	struct bdf parent = { 0 };
	const char *uuid = NULL;
	int rc = options_count(options_read(c, argc, argv, &set, e), 1, 1, "<uuid|address>", e);

	if (rc < 0)
		return rc;
	if (is_uuid(argv[0]))
		uuid = argv[0];
	else if (bdf_parse(argv[0], &parent) < 0)
		return fail(e, RC_USAGE, "%s is neither a UUID nor a PCI address such as 0000:3b:00.4",
			    QUOTED(argv[0]));
	rc = remove_vgpu(c, argv[0], uuid, &parent, e);
	return rc < 0 ? fail_in(e, rc, "remove %s", QUOTED(argv[0])) : 0;
}
