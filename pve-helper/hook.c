/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * PVE calls <script> <vmid> <phase> while it holds the lock of the VM's config.
 * Each phase may come twice, late, or never: a start that fails after pre-start
 * gets no post-stop, a guest that powers off no pre-stop.
 * Source: pve-guest-common src/PVE/GuestHelpers.pm, exec_hookscript();
 * qemu-server src/PVE/QemuServer.pm, vm_start_nolock()
 */
#include "hook.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "assign.h"
#include "cleanup.h"
#include "clock.h"
#include "explain.h"
#include "framework.h"
#include "intent.h"
#include "lock.h"
#include "release.h"
#include "reservation.h"
#include "runstate.h"
#include "scan.h"
#include "settings_file.h"
#include "vmconf_file.h"
#include "vmproc.h"
#include "xalloc.h"

struct phase {
	const struct ctx *c;
	unsigned int vmid;
	char *who;			/* "vm 100 pre-start" */
	struct settings settings;
	struct lock lock;		/* this VM's */
};

static void phase_free(struct phase *p)
{
	lock_drop(&p->lock);
	settings_free(&p->settings);
	free(p->who);
}

static void say(const struct phase *p, const char *text)
{
	fprintf(stderr, "pve-vgpu: %s: %s\n", p->who, text);
}

/* --- pre-start --------------------------------------------------------- */

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

/* Right after QEMU has exited the driver may refuse for a moment what nobody has open. */
static int remove_patiently(const struct start *s, const struct vgpu *v, struct err *e)
{
	int64_t until = clock_ms() + (int64_t)s->p->settings.cleanup_wait_s * 1000;

	for (;;) {
		int rc = release_one(s->p->c, v, s->p->who, s->deadline, e);

		if (rc == 0 || clock_ms() >= until || release_opener(s->p->c, v))
			return rc;
		err_clear(e);
		clock_sleep_ms(100);
	}
}

static int remove_stale(const struct start *s, const struct vgpu *v, struct err *e)
{
	int rc = v->on_gpu ? remove_patiently(s, v, e) :
		fail(e, -EPERM, "its parent '%s' is no GPU", v->parent_name);

	if (rc == 0)
		release_reservation(s->p->c, v);
	if (rc < 0) {
		fail_in(e, rc, "hostpci%u: the VM still has a %s on %s from before, which is not what it "
			"is to get, and it cannot be removed", v->index, v->name ? v->name : v->type,
			v->parent_name);
		err_hint(e, "stop what has it open, then start the VM again");
	}
	return rc;
}

static void adopt(struct start *s, const struct vgpu *v, unsigned int index)
{
	struct vgpu own;

	vgpu_copy(&own, v);
	own.owner = OWNER_VM;
	own.vmid = s->p->vmid;
	own.index = index;
	own.exists = true;
	runstate_add(&s->now, &own);
	vgpu_clear(&own);
}

/* An mdev of this VM's index that is there, whoever has it on record. */
static int adopt_mdev(struct start *s, const struct want *w, struct err *e)
{
	char uuid[UUID_TEXT_LEN];
	struct vgpu *v;

	vgpu_pve_uuid(s->p->vmid, w->index, uuid);
	v = inventory_by_uuid(&s->inv, uuid);
	if (!v || !v->exists)
		return 0;
	if (v->owner == OWNER_STANDALONE) {
		fail(e, -EEXIST, "hostpci%u: its UUID %s is that of a vGPU of `pve-vgpu create`, a %s on %s",
		     w->index, uuid, v->name ? v->name : v->type, v->parent_name);
		err_hint(e, "pve-vgpu remove %s", uuid);
		return -EEXIST;
	}
	v->index = w->index;
	if (v->on_gpu && want_is_served_by(w, v))
		adopt(s, v, w->index);
	else
		return remove_stale(s, v, e);
	return 0;
}

/*
 * Adopt a vendor VF: it stays reserved, or the next VM that starts through a
 * mapping takes it. 1: adopted; 0: PVE has given it to another VM by now.
 */
static int adopt_vf(struct start *s, const struct want *w, const struct vgpu *v, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	int64_t until = clock_epoch() + reservation_seconds(&s->p->settings);
	int rc = reservation_set(&s->p->c->root, &v->parent, 1, s->p->vmid, until, s->qemu,
				 s->deadline, &why);

	if (rc == -EBUSY)
		return 0;
	if (rc < 0)
		return err_move(e, &why, rc);
	adopt(s, v, w->index);
	return 1;
}

/* A vendor VF that this VM's record names. */
static int adopt_recorded_vf(struct start *s, const struct want *w, struct err *e)
{
	const struct vgpu *v = runstate_index(&s->old, w->index);
	int rc;

	/* A create that was never begun has made nothing, whatever is there now. */
	if (!v || v->framework != FRAMEWORK_NVIDIA_VFIO || !v->exists)
		return 0;
	rc = framework_nvidia_vfio.present(&s->p->c->root, v, e);
	if (rc <= 0)
		return rc;
	if (!want_is_served_by(w, v))
		return remove_stale(s, v, e);
	rc = adopt_vf(s, w, v, e);
	return rc < 0 ? rc : 0;
}

/* Whether a process other than the VM's own QEMU has it open. */
static bool is_foreign(const struct start *s, const struct vgpu *v)
{
	pid_t pid = release_opener(s->p->c, v);

	return pid && pid != s->qemu;
}

/* A vendor VF without a record of ours that PVE has reserved for this very VM. */
static int adopt_reserved_vf(struct start *s, const struct want *w, struct err *e)
{
	AUTO_RESERVATIONS struct reservation_list l = { 0 };
	int rc = reservation_read(&s->p->c->root, &l, e);

	for (size_t i = 0; i < l.n && rc == 0; i++) {
		const struct gpu *g = inventory_gpu_of(&s->inv, &l.r[i].dev);
		bool taken = false;

		if (l.r[i].vmid != s->p->vmid || !g || g->framework != FRAMEWORK_NVIDIA_VFIO)
			continue;
		for (size_t k = 0; k < s->now.nvgpus; k++)
			taken |= bdf_eq(&s->now.vgpus[k].parent, &l.r[i].dev);
		/* Nor is what `create` or another VM has on record: PVE's line is a leftover then. */
		const struct vgpu *there = inventory_on(&s->inv, &l.r[i].dev);

		taken |= there && (there->owner == OWNER_STANDALONE ||
				   (there->owner == OWNER_VM && there->vmid != s->p->vmid));
		/* What is on record is no find: it serves its own index or is not ours. */
		for (size_t k = 0; k < s->old.nvgpus; k++)
			taken |= bdf_eq(&s->old.vgpus[k].parent, &l.r[i].dev);
		for (size_t k = 0; k < w->nchoices && !taken; k++) {
			struct candidate c = {
				.type = w->choices[k], .gpu = g, .parent = l.r[i].dev, .room = 1,
			};
			struct vgpu v;

			plan_vgpu(&c, w, &v);
			rc = framework_nvidia_vfio.present(&s->p->c->root, &v, e);
			if (rc > 0 && want_is_served_by(w, &v) && !is_foreign(s, &v))
				rc = adopt_vf(s, w, &v, e);
			else if (rc > 0)
				rc = 0;
			vgpu_clear(&v);
			if (rc)
				return rc < 0 ? rc : 0;
		}
		rc = 0;
	}
	return rc;
}

/* Take over what is there already; remove what is there and is not what is wanted. */
static int adopt_all(struct start *s, struct err *e)
{
	int rc = scan_taken(&s->p->c->root, &s->catalog, s->p->vmid, &s->inv, e);

	for (size_t i = 0; i < s->wants.n && rc == 0; i++) {
		const struct want *w = &s->wants.w[i];

		rc = adopt_mdev(s, w, e);
		if (rc == 0 && !runstate_index(&s->now, w->index))
			rc = adopt_recorded_vf(s, w, e);
		if (rc == 0 && !runstate_index(&s->now, w->index))
			rc = adopt_reserved_vf(s, w, e);
	}
	return rc;
}

static bool is_wanted(const struct start *s, unsigned int index)
{
	for (size_t i = 0; i < s->wants.n; i++)
		if (s->wants.w[i].index == index)
			return true;
	return false;
}

/* What is on record for an index that is wanted no more. */
static int drop_unwanted(struct start *s, struct err *e)
{
	for (size_t i = 0; i < s->old.nvgpus; i++) {
		const struct vgpu *v = &s->old.vgpus[i];
		int rc = is_wanted(s, v->index) ? 0 : remove_stale(s, v, e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/*
 * What the record names and is not there any more (the driver has removed it,
 * or somebody by hand) must not stand in the way of the VM's own start.
 */
static int forget_gone(struct start *s, struct err *e)
{
	bool any = false;

	for (size_t i = 0; i < s->old.nvgpus; i++) {
		const struct vgpu *v = &s->old.vgpus[i];
		const struct vgpu *kept = runstate_index(&s->now, v->index);

		if (kept && bdf_eq(&kept->parent, &v->parent))
			continue;
		any = true;
		release_reservation(s->p->c, v);
	}
	if (!any)
		return 0;
	s->now.phase = s->old.phase;
	s->now.claimed_ms = s->old.claimed_ms;
	s->now.qemu = s->old.qemu;
	return runstate_write(&s->p->c->root, &s->now, e);
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

		say(s->p, text);
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
			say(s->p, s->inv.problems.s[i]);
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
		say(p, s->wants.notes.s[i]);
	s->now.vmid = p->vmid;
	s->qemu = vm_qemu_pid(&p->c->root, p->vmid);
	rc = adopt_all(s, e);
	warn(s);
	if (rc == 0)
		rc = drop_unwanted(s, e);
	if (rc == 0)
		rc = forget_gone(s, e);
	if (rc == 0)
		rc = assign_wanted(s, e);
	if (rc == -ENOSPC)
		explain(s, rc, e);
	catalog_save(&s->catalog, &p->c->root, NULL);
	if (rc == 0)
		report(s);
	return rc;
}

static int pre_start(struct phase *p, struct err *e)
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
	rc = intent_check_carried(p->c, &p->settings, p->vmid, &s.conf, e);
	if (rc < 0 || !s.vs)
		return rc;
	settings_warnings_for(&p->settings, p->vmid, &warnings);
	for (size_t i = 0; i < warnings.n; i++)
		say(p, warnings.s[i]);
	s.deadline = clock_ms() + (int64_t)p->settings.lock_wait_s * 1000;
	return start_vm(&s, e);
}

/* --- the others -------------------------------------------------------- */

/* The VM's record under the VM's lock. *there: whether it has one. */
static int read_record(struct phase *p, struct runstate *s, bool *there, int64_t deadline,
		       struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	int rc = runstate_read(&p->c->root, p->vmid, s, &why);

	*there = false;
	if (rc == -ENOENT)
		return 0;
	runstate_free(s);
	rc = lock_vm(&p->c->root, p->vmid, p->who, deadline, &p->lock, e);
	if (rc < 0)
		return rc;
	err_clear(&why);
	rc = runstate_read(&p->c->root, p->vmid, s, &why);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0) {
		err_hint(&why, "the VM's next start and `pve-vgpu gc` clear what it has left");
		return err_move(e, &why, rc);
	}
	*there = true;
	return 0;
}

static int reserve_for_qemu(const struct phase *p, const struct runstate *s, int64_t deadline,
			    struct err *e)
{
	AUTO_FREE struct bdf *vfs = xcalloc(s->nvgpus, sizeof(*vfs));
	size_t n = 0;

	for (size_t i = 0; i < s->nvgpus; i++)
		if (s->vgpus[i].framework == FRAMEWORK_NVIDIA_VFIO)
			vfs[n++] = s->vgpus[i].parent;
	return reservation_set(&p->c->root, vfs, n, p->vmid, 0, s->qemu, deadline, e);
}

/* The first vGPU that the VM's QEMU does not hold, or NULL. */
static const struct vgpu *not_held(const struct phase *p, const struct runstate *s)
{
	AUTO_VFIO_USERS struct vfio_users users = { 0 };

	vfio_users_read(&p->c->root, &users);
	for (size_t i = 0; i < s->nvgpus; i++) {
		AUTO_STRLIST struct strlist names = { 0 };

		vgpu_vfio_names(&p->c->root, &s->vgpus[i], &names);
		if (!vfio_used_by(&users, &names, s->qemu))
			return &s->vgpus[i];
	}
	return NULL;
}

static int post_start(struct phase *p, struct err *e)
{
	AUTO_RUNSTATE struct runstate s = { 0 };
	int64_t deadline = clock_ms() + (int64_t)p->settings.lock_wait_s * 1000;
	const struct vgpu *v;
	bool there;
	int rc = read_record(p, &s, &there, deadline, e);

	if (rc < 0 || !there)
		return rc;
	s.qemu = vm_qemu_pid(&p->c->root, p->vmid);
	if (!s.qemu) {
		fail(e, -ESRCH, "no QEMU of the VM runs");
		err_hint(e, "if it has ended already, the VM's next start or `pve-vgpu gc` clears its vGPUs");
		return -ESRCH;
	}
	s.phase = RUN_RUNNING;
	rc = runstate_write(&p->c->root, &s, e);
	if (rc == 0)
		rc = reserve_for_qemu(p, &s, deadline, e);
	v = not_held(p, &s);
	/* Where the config attaches nothing, pre-start has said so. */
	if (v && s.attached && rc == 0) {
		rc = fail(e, -ENODEV, "hostpci%u: QEMU (pid %d) does not hold the VM's %s on %s", v->index,
			  (int)s.qemu, v->name ? v->name : v->type, v->parent_name);
		err_hint(e, "`qm config %u` and `qm showcmd %u` show what QEMU was given", p->vmid,
			 p->vmid);
	}
	return rc;
}

static int post_stop(struct phase *p, struct err *e)
{
	AUTO_RUNSTATE struct runstate s = { 0 };
	int64_t begin = clock_ms(), wait = (int64_t)p->settings.cleanup_wait_s * 1000;
	struct release how = { .who = p->who, .deadline = begin + wait };
	bool there;
	int rc = read_record(p, &s, &there, how.deadline, e);

	if (rc < 0 || !there)
		return rc;
	/*
	 * Some drivers (14.4, 15.x) remove a vGPU themselves when QEMU lets go of
	 * it, and one that is removed at the same time by another stays dead until
	 * the next boot (qemu-server, cleanup_pci_devices()). So what was in use
	 * is left to the driver for most of the time that there is.
	 */
	if (s.phase == RUN_RUNNING)
		how.patience = begin + wait * 4 / 5;
	rc = release(p->c, &s, &how, e);
	if (rc < 0)
		err_hint(e, "the VM's next start or `pve-vgpu gc` clears it");
	return rc;
}

static int pre_stop(struct phase *p, struct err *e)
{
	(void)p;
	(void)e;
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct phase *p, struct err *e);
} phases[] = {
	{ "pre-start", pre_start },
	{ "post-start", post_start },
	{ "pre-stop", pre_stop },
	{ "post-stop", post_stop },
};

int hook_check_phase(const char *phase)
{
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		if (!strcmp(phases[i].name, phase))
			return 0;
	return -EINVAL;
}

int hook_run(const struct ctx *c, unsigned int vmid, const char *phase, struct err *e)
{
	__attribute__((cleanup(phase_free))) struct phase p = {
		.c = c, .vmid = vmid, .lock = LOCK_NONE,
		.who = xasprintf("vm %u %s", vmid, phase),
	};
	bool first = !strcmp(phase, "pre-start");
	AUTO_ERR struct err why = { 0 };
	int rc = settings_read(&c->root, &p.settings, &why);

	/* Going down works without settings: a post-stop has no config to rely on. */
	if (rc < 0 && !first)
		settings_parse("", 0, SETTINGS_PATH, &p.settings);
	else if (rc < 0)
		err_move(e, &why, rc);
	for (size_t i = 0; i < ARRAY_SIZE(phases) && (rc == 0 || !first); i++)
		if (!strcmp(phases[i].name, phase)) {
			rc = phases[i].run(&p, e);
			break;
		}
	return rc < 0 ? fail_in(e, rc, "vm %u: %s", vmid, phase) : rc;
}
