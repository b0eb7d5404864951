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

#include "cleanup.h"
#include "clock.h"
#include "framework.h"
#include "hook_start.h"
#include "next_hook.h"
#include "phase.h"
#include "release.h"
#include "reservation.h"
#include "runstate.h"
#include "settings_file.h"
#include "vmproc.h"
#include "wrapper_there.h"
#include "xalloc.h"

static void phase_free(struct phase *p)
{
	lock_drop(&p->lock);
	settings_free(&p->settings);
	free(p->who);
}

void phase_say(const struct phase *p, const char *text)
{
	fprintf(stderr, "pve-vgpu: %s: %s\n", p->who, text);
}

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
		if (runstate_device(&s, v->index))
			err_hint(e, "the wrapper was to add it: /" WRAPPER_KVM " is to be that of "
				 WRAPPER_PACKAGE "; /proc/%d/cmdline shows what QEMU was given",
				 (int)s.qemu);
		else
			err_hint(e, "`qm config %u` and `qm showcmd %u` show what QEMU was given",
				 p->vmid, p->vmid);
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
	{ "pre-start", hook_pre_start },
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

static int run_ours(struct phase *p, const char *phase, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
		if (!strcmp(phases[i].name, phase))
			rc = phases[i].run(p, e);
	/* The next hookscript may take its time, and so may who waits for it. */
	lock_drop(&p->lock);
	return rc;
}

/* Both have had their turn: the first failure is the phase's, the other is told. */
static int first_of(const struct phase *p, struct err *e, int rc, struct err *other, int other_rc)
{
	if (rc < 0 && other_rc < 0)
		phase_say(p, other->msg);
	return rc < 0 ? rc : other_rc < 0 ? err_move(e, other, other_rc) : 0;
}

/* Ours first on the way up, and last on the way down. */
static int run_both(struct phase *p, const char *phase, struct err *e)
{
	bool up = strstr(phase, "start"), refusing = !strcmp(phase, "pre-start");
	AUTO_ERR struct err why = { 0 };
	int next, rc;

	if (!up) {
		next = next_hook_call(p, phase, &why);
		rc = run_ours(p, phase, e);
		return first_of(p, e, rc, &why, next);
	}
	rc = run_ours(p, phase, e);
	if (rc < 0 && refusing)
		return rc;
	next = next_hook_call(p, phase, &why);
	if (next < 0 && refusing)
		hook_undo_start(p);
	return first_of(p, e, rc, &why, next);
}

int hook_run(const struct ctx *c, unsigned int vmid, const char *phase, struct err *e)
{
	__attribute__((cleanup(phase_free))) struct phase p = {
		.c = c, .vmid = vmid, .lock = LOCK_NONE,
		.who = xasprintf("vm %u %s", vmid, phase),
	};
	AUTO_ERR struct err why = { 0 };
	int rc = settings_read(&c->root, &p.settings, &why);

	if (rc < 0 && !strcmp(phase, "pre-start")) {
		err_move(e, &why, rc);
	} else {
		/* Going down works without settings: a post-stop has no config to rely on. */
		if (rc < 0)
			settings_parse("", 0, SETTINGS_PATH, &p.settings);
		rc = run_both(&p, phase, e);
	}
	return rc < 0 ? fail_in(e, rc, "vm %u: %s", vmid, phase) : rc;
}
