/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "gc.h"

#include <errno.h>
#include <string.h>

#include "alive.h"
#include "cleanup.h"
#include "clock.h"
#include "framework.h"
#include "identity.h"
#include "lock.h"
#include "release.h"
#include "runstate.h"
#include "scan.h"
#include "scheduler_node.h"
#include "sweep.h"
#include "vmconf_file.h"
#include "vmproc.h"
#include "xalloc.h"

#define GC_WAIT_MS	3000

void gc_report_free(struct gc_report *rep)
{
	strlist_free(&rep->removed);
	strlist_free(&rep->kept);
}

struct gc {
	const struct ctx *c;
	const struct settings *settings;
	const char *who;
	const struct vfio_users *users;
	struct gc_report *rep;
	struct answer *answers;		/* of the GPUs' locks: each is asked once, however many records there are */
	size_t nanswers;
};

struct answer {
	struct bdf gpu;
	char *busy;			/* why its driver is not to be asked; NULL: it may be */
};

static void answers_free(struct gc *gc)
{
	for (size_t i = 0; i < gc->nanswers; i++)
		free(gc->answers[i].busy);
	free(gc->answers);
}

/*
 * Why this GPU's driver is not to be asked, or NULL. Whoever has the lock may
 * stand in the driver for ever, and then we would, too: with all that waits for
 * us, like a start that needs another GPU.
 */
static const char *busy_because(struct gc *gc, const struct bdf *gpu)
{
	AUTO_LOCK struct lock lock = LOCK_NONE;
	AUTO_ERR struct err e = { 0 };
	struct answer *a;
	int rc;

	for (size_t i = 0; i < gc->nanswers; i++)
		if (bdf_eq(&gc->answers[i].gpu, gpu))
			return gc->answers[i].busy;
	rc = lock_gpu(&gc->c->root, gpu, gc->who, clock_ms() + GC_WAIT_MS, &lock, &e);
	a = GROW(gc->answers, gc->nanswers);
	/* Any other failure is told by those who take the lock to do something. */
	*a = (struct answer){ .gpu = *gpu, .busy = rc == -EBUSY ? xstrdup(e.msg) : NULL };
	return a->busy;
}

/* The same of all GPUs of a record. A dry run leaves nothing behind, a lock file neither. */
static const char *busy_gpu(struct gc *gc, const struct runstate *s)
{
	const char *why = NULL;

	for (size_t i = 0; i < s->nvgpus && !why && !gc->c->dry_run; i++)
		if (s->vgpus[i].on_gpu && !release_never_begun(&s->vgpus[i]))
			why = busy_because(gc, &s->vgpus[i].gpu);
	return why;
}

static pid_t open_by(const struct gc *gc, const struct runstate *s)
{
	for (size_t i = 0; i < s->nvgpus; i++) {
		AUTO_STRLIST struct strlist names = { 0 };
		pid_t pid;

		if (release_never_begun(&s->vgpus[i]))
			continue;
		vgpu_vfio_names(&gc->c->root, &s->vgpus[i], &names);
		pid = vfio_user_of(gc->users, &names);
		if (pid)
			return pid;
	}
	return 0;
}

/* age_ms negative: there is no claim whose age could count. */
static char *why_alive(const struct gc *gc, const struct runstate *s, int64_t age_ms)
{
	struct life l = {
		.age_ms = age_ms,
		.grace_ms = (int64_t)gc->settings->start_grace_s * 1000,
	};
	char *why = alive_because(&l);

	/* What the record itself tells comes first. */
	if (why)
		return why;
	l.locked = vm_lock_held(&gc->c->root, s->vmid);
	l.qemu = vm_qemu_pid(&gc->c->root, s->vmid);
	l.open_by = open_by(gc, s);
	return alive_because(&l);
}

static char *describe(const struct runstate *s)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	fprintf(f, "vm %u:", s->vmid);
	for (size_t i = 0; i < s->nvgpus; i++) {
		const struct vgpu *v = &s->vgpus[i];

		fprintf(f, "%s %s on %s", i ? "," : "", v->name ? v->name : v->type, v->parent_name);
	}
	if (!s->nvgpus)
		fputs(" params for what qemu-server makes", f);
	fclose(f);
	return text;
}

static bool any_there(const struct gc *gc, const struct runstate *s)
{
	for (size_t i = 0; i < s->nvgpus; i++)
		if (!release_never_begun(&s->vgpus[i]) &&
		    framework_ops(s->vgpus[i].framework)->present(&gc->c->root, &s->vgpus[i], NULL))
			return true;
	return false;
}

/*
 * The grace is for the time before QEMU has appeared. A VM that had one, and
 * whose vGPUs are gone, was cleaned up by qemu-server and has only lost its
 * post-stop: nothing can be taken from it, and its places are free.
 */
static int64_t age_of(const struct gc *gc, const struct runstate *s)
{
	return s->phase == RUN_RUNNING && !any_there(gc, s) ? -1 : clock_ms() - s->claimed_ms;
}

/* The VM's lock is held. */
static void collect(const struct gc *gc, struct runstate *s, int64_t age_ms)
{
	AUTO_FREE char *what = describe(s);
	AUTO_FREE char *why = why_alive(gc, s, age_ms);
	AUTO_ERR struct err e = { 0 };

	if (why) {
		strlist_take(&gc->rep->kept, xasprintf("%s: kept: %s", what, why));
		return;
	}
	if (!gc->c->dry_run) {
		struct release how = { .who = gc->who, .deadline = clock_ms() + GC_WAIT_MS };

		if (release(gc->c, s, &how, &e) < 0) {
			strlist_take(&gc->rep->kept, xasprintf("%s: not removed: %s", what, e.msg));
			gc->rep->failed++;
			return;
		}
	}
	strlist_take(&gc->rep->removed, xasprintf("%s: %s", what,
		     gc->c->dry_run ? "would be removed" : "removed"));
}

/* The VM's lock is held. claimed: there is a claim whose age counts. */
static void collect_unless_busy(struct gc *gc, struct runstate *s, bool claimed)
{
	const char *busy = busy_gpu(gc, s);

	if (busy)
		strlist_take(&gc->rep->kept, xasprintf("vm %u: kept: %s", s->vmid, busy));
	else
		collect(gc, s, claimed ? age_of(gc, s) : -1);
}

/* Nobody is waited for: a VM whose lock is held is being started or stopped. */
static int take_vm(const struct gc *gc, unsigned int vmid, struct lock *lock, struct err *e)
{
	/* A dry run leaves nothing behind, a lock file neither. */
	return gc->c->dry_run ? 0 : lock_vm(&gc->c->root, vmid, gc->who, 0, lock, e);
}

/*
 * Why a VM was not even looked at. Somebody who is at work on it (EBUSY) and a
 * record that is not ours to judge are no failures; what cannot be read is.
 */
static void keep(const struct gc *gc, unsigned int vmid, int rc, const struct err *e)
{
	strlist_take(&gc->rep->kept, xasprintf("vm %u: kept: %s", vmid, e->msg));
	gc->rep->failed += rc != -EBUSY && rc != -EPROTO && rc != -EBADMSG;
}

static void collect_state(struct gc *gc, unsigned int vmid)
{
	AUTO_LOCK struct lock lock = LOCK_NONE;
	AUTO_RUNSTATE struct runstate s = { 0 };
	AUTO_ERR struct err e = { 0 };
	int rc = take_vm(gc, vmid, &lock, &e);

	if (rc < 0) {
		keep(gc, vmid, rc, &e);
		return;
	}
	/* Again, now that nobody changes it. */
	rc = runstate_read(&gc->c->root, vmid, &s, &e);
	if (rc == 0)
		collect_unless_busy(gc, &s, true);
	else if (rc != -ENOENT)
		keep(gc, vmid, rc, &e);
}

/* An intent proves nothing where its section is for a VM that had this vmid before. */
static bool is_intended(const struct gc *gc, const struct vgpu *v)
{
	const struct vm_settings *vs = settings_section(gc->settings, v->vmid);
	AUTO_VMCONF struct vmconf conf = { 0 };
	int rc;

	if (!settings_has_intent(gc->settings, v->vmid, v->index))
		return false;
	rc = vmconf_read(&gc->c->root, v->vmid, NULL, &conf, NULL);
	/* Of a VM that is gone what it has left is its own. */
	return rc == -ENOENT || (rc == 0 && identity_matches(vs->identity, &conf));
}

/*
 * A vGPU whose UUID is of qemu-server's pattern, with an intent of that very
 * index and no run state: its record was lost, and it is ours all the same.
 */
static void collect_pattern(struct gc *gc, const struct vgpu *v)
{
	AUTO_LOCK struct lock lock = LOCK_NONE;
	AUTO_RUNSTATE struct runstate s = { 0 };
	AUTO_ERR struct err e = { 0 };
	bool claimed = false;
	int rc;

	if (!v->on_gpu || !is_intended(gc, v))
		return;
	rc = take_vm(gc, v->vmid, &lock, &e);
	if (rc < 0) {
		keep(gc, v->vmid, rc, &e);
		return;
	}
	rc = runstate_read(&gc->c->root, v->vmid, &s, &e);
	if (rc == 0) {
		/* A start that came between owns it again. */
		if (runstate_index(&s, v->index))
			return;
		/* Together with what is on record: a VM is dead or alive as a whole. */
		claimed = true;
	} else if (rc == -ENOENT || rc == -EBADMSG) {
		s = (struct runstate){ .vmid = v->vmid, .phase = RUN_CREATED };
	} else {
		keep(gc, v->vmid, rc, &e);
		return;
	}
	runstate_add(&s, v);
	collect_unless_busy(gc, &s, claimed);
}

/*
 * A standalone vGPU is never taken. But one that is gone (removed by hand) must
 * not hold its place for ever: its record goes, unless a create is under way.
 */
static void forget_standalone(struct gc *gc, struct runstate *s)
{
	int64_t age_ms = clock_ms() - s->claimed_ms;
	AUTO_ERR struct err e = { 0 };

	/* A claim from the future is of an earlier boot. */
	if (age_ms >= 0 && age_ms < (int64_t)gc->settings->start_grace_s * 1000)
		return;
	if (busy_gpu(gc, s) || any_there(gc, s))
		return;

	AUTO_FREE char *what = xasprintf("standalone %s: no longer there", s->id);

	while (s->nvgpus)
		runstate_drop(s, s->nvgpus - 1);
	if (!gc->c->dry_run && runstate_write(&gc->c->root, s, &e) < 0) {
		strlist_take(&gc->rep->kept, xasprintf("%s, its record stays: %s", what, e.msg));
		gc->rep->failed++;
		return;
	}
	strlist_take(&gc->rep->removed, xasprintf("%s: record %s", what,
		     gc->c->dry_run ? "would be removed" : "removed"));
}

int gc_collect(const struct ctx *c, const struct settings *settings, unsigned int not_vmid,
	       const char *who, struct gc_report *rep, struct err *e)
{
	AUTO_LOCK struct lock standalone = LOCK_NONE;
	AUTO_VFIO_USERS struct vfio_users users = { 0 };
	AUTO_RUNSTATE_LIST struct runstate_list states = { 0 };
	AUTO_INVENTORY struct inventory inv = { 0 };
	AUTO_CATALOG struct catalog catalog = { 0 };
	AUTO(answers_free) struct gc gc = { .c = c, .settings = settings, .who = who, .users = &users, .rep = rep };
	/* Where a `remove` is under way, their records are left to it. */
	bool may_forget = c->dry_run ||
		lock_standalone(&c->root, who, 0, &standalone, NULL) == 0;
	int rc = runstate_list_read(&c->root, &states, &rep->kept, e);

	catalog_load(&catalog, &c->root);
	if (rc == 0)
		rc = scan_gpus(&c->root, &catalog, &inv, e);
	if (rc == 0)
		rc = scan_taken(&c->root, &catalog, 0, &inv, e);
	if (rc < 0)
		return rc;
	rep->failed += states.unread;
	vfio_users_read(&c->root, &users);
	for (size_t i = 0; i < states.n; i++) {
		if (!states.s[i].vmid && may_forget)
			forget_standalone(&gc, &states.s[i]);
		else if (states.s[i].vmid && states.s[i].vmid != not_vmid)
			collect_state(&gc, states.s[i].vmid);
	}
	for (size_t i = 0; i < inv.nvgpus; i++) {
		const struct vgpu *v = &inv.vgpus[i];

		if (v->owner == OWNER_PVE && *v->uuid && v->vmid != not_vmid)
			collect_pattern(&gc, v);
	}
	if (!c->dry_run) {
		sweep_temporaries(&c->root);
		sweep_temporaries_of(&c->root, SCHEDULER_PATH, 0);
	}
	return 0;
}
