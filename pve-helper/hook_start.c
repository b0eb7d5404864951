/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "hook_start.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adopt.h"
#include "assign.h"
#include "cleanup.h"
#include "clock.h"
#include "devices.h"
#include "explain.h"
#include "framework.h"
#include "intent.h"
#include "release.h"
#include "runstate.h"
#include "scan.h"
#include "vmconf_file.h"
#include "vmproc.h"
#include "xalloc.h"

/* For the removal of what was just made. */
#define UNDO_MS		5000

struct start {
	struct phase *p;
	const struct vm_settings *vs;
	struct vmconf conf;
	struct catalog catalog;
	struct inventory inv;
	struct want_list wants;
	struct runstate old;		/* what was on record for this VM */
	struct runstate now;		/* what it is to have */
	pid_t qemu;			/* of the VM, where pre-start is called while it runs */
	int64_t deadline;
};

static void start_free(struct start *s)
{
	runstate_free(&s->now);
	runstate_free(&s->old);
	want_list_free(&s->wants);
	inventory_free(&s->inv);
	catalog_free(&s->catalog);
	vmconf_free(&s->conf);
}

static int read_old(struct start *s, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	int rc = runstate_read(&s->p->c->root, s->p->vmid, &s->old, &why);

	if (rc == -ENOENT)
		return 0;
	if (rc == -EBADMSG) {
		/* What it named is found again by UUID and by PVE's reservations. */
		AUTO_FREE char *text = xasprintf("%s; going on without it", why.msg);

		phase_say(s->p, text);
		return 0;
	}
	return rc < 0 ? err_move(e, &why, rc) : 0;
}

static void report(const struct start *s)
{
	for (size_t i = 0; i < s->wants.n; i++) {
		const struct vgpu *v = runstate_index(&s->now, s->wants.w[i].index);
		AUTO_FREE char *dirname = NULL;

		if (!v)
			continue;
		/* Not through stdio: a task log that cannot be written must not stop the start. */
		dprintf(STDOUT_FILENO, "pve-vgpu: vm %u: hostpci%u: %s (%s) on %s, GPU %s%s%s\n",
			s->p->vmid, v->index, v->name ? v->name : v->type, v->type, v->parent_name,
			BDF_STR(&v->gpu), *v->uuid ? ", mdev " : "", v->uuid);
		if (s->wants.attach[i] != ATTACH_NONE)
			continue;
		/* In mdev= stands what qemu-server finds on that very parent. */
		if (v->framework == FRAMEWORK_MDEV)
			mdev_type_dirname(&s->p->c->root, &v->parent, v->type, &dirname, NULL);
		fprintf(stderr, "pve-vgpu: %s: hostpci%u: nothing in the VM's config attaches this "
			"vGPU, so the VM will not see it\nhint: qm set %u --hostpci%u %s,mdev=%s\n",
			s->p->who, v->index, s->p->vmid, v->index, v->parent_name,
			dirname ? dirname : v->type);
	}
}

static bool all_attached(const struct want_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->attach[i] == ATTACH_NONE)
			return false;
	return true;
}

static bool holds_one(const struct start *s, pid_t qemu)
{
	AUTO_VFIO_USERS struct vfio_users users = { 0 };
	bool held = false;

	vfio_users_read(&s->p->c->root, &users);
	for (size_t i = 0; i < s->now.nvgpus && !held; i++) {
		AUTO_STRLIST struct strlist names = { 0 };

		vgpu_vfio_names(&s->p->c->root, &s->now.vgpus[i], &names);
		held = vfio_used_by(&users, &names, qemu);
	}
	return held;
}

static int adopt_old(struct start *s, struct err *e)
{
	struct adoption a = {
		.c = s->p->c, .settings = &s->p->settings, .catalog = &s->catalog,
		.inv = &s->inv, .wants = s->wants.w, .nwants = s->wants.n,
		.vmid = s->p->vmid, .who = s->p->who, .old = &s->old, .now = &s->now,
		.qemu = s->qemu, .deadline = s->deadline,
	};

	return adopt(&a, e);
}

static int assign_wanted(struct start *s, struct err *e)
{
	struct assignment a = {
		.c = s->p->c, .settings = &s->p->settings, .catalog = &s->catalog,
		.inv = &s->inv, .wants = s->wants.w, .nwants = s->wants.n,
		.who = s->p->who, .deadline = s->deadline,
	};
	bool running = s->qemu && ((s->old.phase == RUN_RUNNING && s->qemu == s->old.qemu) ||
				   holds_one(s, s->qemu));
	AUTO_ERR struct err why = { 0 };
	int rc, wrote = 0;

	s->now.attached = all_attached(&s->wants);
	devices_set(s->vs, &s->conf, &s->wants, &s->now);
	rc = assign(&a, &s->now, e);
	/* Called by hand while the VM runs: it stays what it was, whatever came of this. */
	if (running) {
		s->now.phase = RUN_RUNNING;
		s->now.qemu = s->qemu;
		wrote = runstate_write(&s->p->c->root, &s->now, &why);
	}
	return rc == 0 && wrote < 0 ? err_move(e, &why, wrote) : rc;
}

/* What could not be read, once each. */
static void warn(const struct start *s)
{
	for (size_t i = 0; i < s->inv.problems.n; i++) {
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= !strcmp(s->inv.problems.s[k], s->inv.problems.s[i]);
		if (!again)
			phase_say(s->p, s->inv.problems.s[i]);
	}
}

/* A refusal, with the GPUs that could serve and do not. */
static int explain(struct start *s, int rc, struct err *e)
{
	AUTO_STRLIST struct strlist asked = { 0 };
	struct explain x = {
		.catalog = &s->catalog, .inv = &s->inv, .wants = s->wants.w, .nwants = s->wants.n,
		.asked = &asked, .vmid = s->p->vmid, .by_board = s->vs->boards.n,
	};

	for (size_t i = 0; i < s->vs->n_intents; i++)
		for (size_t k = 0; k < s->vs->intents[i].choices.n; k++)
			strlist_add(&asked, s->vs->intents[i].choices.s[k]);
	return explain_refusal(s->p->c, &x, rc, e);
}

static int start_vm(struct start *s, struct err *e)
{
	struct phase *p = s->p;
	int rc = lock_vm(&p->c->root, p->vmid, p->who, s->deadline, &p->lock, e);

	if (rc == 0)
		rc = read_old(s, e);
	if (rc < 0)
		return rc;
	catalog_load(&s->catalog, &p->c->root);
	rc = scan_gpus(&p->c->root, &s->catalog, &s->inv, e);
	if (rc == 0)
		rc = intent_wants(p->c, s->vs, &s->conf, &s->catalog, &s->inv, p->who,
				  s->deadline, &s->wants, e);
	/* Now and not at the end: those who start beside us find the GPUs full soon. */
	catalog_save(&s->catalog, &p->c->root, NULL);
	if (rc < 0)
		return explain(s, rc, e);
	for (size_t i = 0; i < s->wants.notes.n; i++)
		phase_say(p, s->wants.notes.s[i]);
	s->now.vmid = p->vmid;
	s->qemu = vm_qemu_pid(&p->c->root, p->vmid);
	rc = adopt_old(s, e);
	warn(s);
	if (rc == 0)
		rc = assign_wanted(s, e);
	if (rc == -ENOSPC)
		explain(s, rc, e);
	catalog_save(&s->catalog, &p->c->root, NULL);
	if (rc == 0)
		report(s);
	return rc;
}

/*
 * The VM has no intent any more, and what the wrapper was to do in an earlier
 * start would be done again.
 */
static int forget_devices(struct phase *p, struct err *e)
{
	AUTO_RUNSTATE struct runstate s = { 0 }, again = { 0 };
	int64_t deadline = clock_ms() + (int64_t)p->settings.lock_wait_s * 1000;
	int rc;

	if (runstate_read(&p->c->root, p->vmid, &s, NULL) < 0 || !s.ndevices)
		return 0;
	rc = lock_vm(&p->c->root, p->vmid, p->who, deadline, &p->lock, e);
	if (rc < 0 || runstate_read(&p->c->root, p->vmid, &again, NULL) < 0)
		return rc;
	runstate_clear_devices(&again);
	return runstate_write(&p->c->root, &again, e);
}

void hook_undo_start(struct phase *p)
{
	AUTO_RUNSTATE struct runstate s = { 0 };
	AUTO_ERR struct err why = { 0 };
	struct release how = { .who = p->who, .deadline = clock_ms() + UNDO_MS };
	int rc;

	/* Called by hand while the VM runs: nothing was begun. */
	if (vm_qemu_pid(&p->c->root, p->vmid))
		return;
	rc = lock_vm(&p->c->root, p->vmid, p->who, how.deadline, &p->lock, &why);
	if (rc == 0)
		rc = runstate_read(&p->c->root, p->vmid, &s, &why);
	if (rc == 0)
		rc = release(p->c, &s, &how, &why);
	lock_drop(&p->lock);
	if (rc == 0 || rc == -ENOENT)
		return;

	AUTO_FREE char *text = xasprintf("what this start has made is left for `pve-vgpu gc`: %s", why.msg);

	phase_say(p, text);
}

int hook_pre_start(struct phase *p, struct err *e)
{
	__attribute__((cleanup(start_free))) struct start s = { .p = p };
	AUTO_STRLIST struct strlist warnings = { 0 };
	int rc = settings_vm(&p->settings, p->vmid, &s.vs, e);

	if (rc == 0)
		rc = vmconf_read(&p->c->root, p->vmid, p->c->migrated_from, &s.conf, e);
	if (rc < 0)
		return rc;
	if (s.conf.template)
		return 0;
	rc = s.vs ? intent_check_identity(s.vs, &s.conf, e) : 0;
	if (rc == 0)
		rc = intent_check_carried(p->c, &p->settings, p->vmid, &s.conf, e);
	if (rc < 0)
		return rc;
	if (!s.vs)
		return forget_devices(p, e);
	settings_warnings_for(&p->settings, p->vmid, &warnings);
	for (size_t i = 0; i < warnings.n; i++)
		phase_say(p, warnings.s[i]);
	s.deadline = clock_ms() + (int64_t)p->settings.lock_wait_s * 1000;
	return start_vm(&s, e);
}
