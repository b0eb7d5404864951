/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "release.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "framework.h"
#include "lock.h"
#include "reservation.h"
#include "vmproc.h"
#include "xalloc.h"

#define POLL_MS		100
/* How long a removal may block in the driver before we let go of it, and at the least. */
#define REMOVE_MS	2000
#define REMOVE_MIN_MS	500

static int look_for_opener(const struct ctx *c, const struct vgpu *v, pid_t *pid)
{
	AUTO_STRLIST struct strlist names = { 0 };
	AUTO_VFIO_USERS struct vfio_users users = { 0 };

	*pid = 0;
	vgpu_vfio_names(&c->root, v, &names);
	if (!names.n)
		return 0;
	vfio_users_read(&c->root, &users);
	*pid = vfio_user_of(&users, &names);
	return *pid ? 0 : users.error;
}

pid_t release_opener(const struct ctx *c, const struct vgpu *v)
{
	pid_t pid;

	look_for_opener(c, v, &pid);
	return pid;
}

/*
 * A vendor VF's path is used again: a line of PVE's for another VM means that
 * the next owner is there already.
 */
static unsigned int next_owner(const struct ctx *c, const struct vgpu *v)
{
	AUTO_RESERVATIONS struct reservation_list l = { 0 };

	if (v->framework != FRAMEWORK_NVIDIA_VFIO || reservation_read(&c->root, &l, NULL) < 0)
		return 0;
	for (size_t i = 0; i < l.n; i++)
		if (bdf_eq(&l.r[i].dev, &v->parent) && l.r[i].vmid != v->vmid &&
		    reservation_holds(&c->root, &l.r[i]))
			return l.r[i].vmid;
	return 0;
}

bool release_never_begun(const struct vgpu *v)
{
	return v->framework == FRAMEWORK_NVIDIA_VFIO && !v->exists;
}

int release_one(const struct ctx *c, const struct vgpu *v, const char *who,
		int64_t deadline, struct err *e)
{
	AUTO_LOCK struct lock lock = LOCK_NONE;
	unsigned int next;
	int64_t left;
	pid_t pid;
	int rc;

	if (release_never_begun(v))
		return 0;
	rc = lock_gpu(&c->root, &v->gpu, who, deadline, &lock, e);
	if (rc < 0)
		return rc;
	/* All that follows is looked at under the lock and right before: the wait may have been long. */
	next = next_owner(c, v);
	if (next && v->vmid)
		return 0;
	if (next)
		return fail(e, -EBUSY, "PVE has reserved it for vm %u", next);
	/* `remove` blocks while it is open. */
	rc = look_for_opener(c, v, &pid);
	if (rc < 0) {
		fail_errno(e, -rc, "whether a process has it open cannot be seen in /proc");
		err_hint(e, "run it as root with CAP_SYS_PTRACE; see that /proc is mounted");
		return rc;
	}
	if (pid)
		return fail(e, -EBUSY, "process %d has it open", (int)pid);
	left = deadline - clock_ms();
	if (left < REMOVE_MIN_MS)
		left = REMOVE_MIN_MS;
	return framework_ops(v->framework)->remove(&c->root, v,
						   left < REMOVE_MS ? (int)left : REMOVE_MS, e);
}

void release_reservation(const struct ctx *c, const struct vgpu *v)
{
	/* A line that stays behind is taken for a leftover as soon as the VM does not run. */
	if (v->framework == FRAMEWORK_NVIDIA_VFIO && v->vmid)
		reservation_drop(&c->root, &v->parent, 1, v->vmid, 0, NULL);
}

/* A post-stop that comes late finds the VM running again. */
static int check_not_running(const struct ctx *c, const struct vgpu *v, struct err *e)
{
	pid_t qemu = v->vmid ? vm_qemu_pid(&c->root, v->vmid) : 0, pid;

	if (!qemu)
		return 0;
	pid = release_opener(c, v);
	if (pid)
		return fail(e, -EBUSY, "process %d has it open", (int)pid);
	return fail(e, -EBUSY, "the VM's QEMU runs (pid %d)", (int)qemu);
}

/* One try. 0: gone, and off the list; -EBUSY: not yet. */
static int try_one(const struct ctx *c, const struct vgpu *v, const struct release *how,
		   struct err *e)
{
	int rc;

	if (release_never_begun(v))
		return 0;
	rc = framework_ops(v->framework)->present(&c->root, v, e);
	if (rc <= 0)
		return rc;
	if (clock_ms() < how->patience)
		return fail(e, -EBUSY, "the driver may still remove it by itself");
	rc = check_not_running(c, v, e);
	if (rc < 0)
		return rc;
	return release_one(c, v, how->who, how->deadline, e);
}

static const char *place(const struct vgpu *v)
{
	return *v->uuid ? v->uuid : v->parent_name;
}

int release(const struct ctx *c, struct runstate *s, const struct release *how, struct err *e)
{
	AUTO_ERR struct err last = { 0 };
	size_t before = s->nvgpus;
	bool forget = s->ndevices && !(s->vmid && vm_qemu_pid(&c->root, s->vmid));
	AUTO_FREE struct bdf *freed = xcalloc(before, sizeof(*freed));
	size_t nfreed = 0;
	int rc = 0;

	for (;;) {
		for (size_t i = s->nvgpus; i-- > 0;) {
			struct vgpu *v = &s->vgpus[i];

			AUTO_ERR struct err why = { 0 };

			if (try_one(c, v, how, &why) < 0) {
				fail_in(&why, -EBUSY, "vGPU %s on %s stays", place(v), v->parent_name);
				err_move(&last, &why, -EBUSY);
				continue;
			}
			if (v->framework == FRAMEWORK_NVIDIA_VFIO)
				freed[nfreed++] = v->parent;
			runstate_drop(s, i);
		}
		if (!s->nvgpus || clock_ms() >= how->deadline)
			break;
		clock_sleep_ms(POLL_MS);
	}
	if (s->vmid)
		rc = reservation_drop(&c->root, freed, nfreed, s->vmid, how->deadline, e);
	if (forget)
		runstate_clear_devices(s);
	if (s->nvgpus < before || forget) {
		/* With nothing left the file goes: its vGPUs are gone whether or not that works. */
		int wrote = runstate_write(&c->root, s, rc < 0 ? NULL : e);

		rc = rc < 0 ? rc : wrote;
	}
	if (rc == 0 && s->nvgpus)
		rc = fail(e, -EBUSY, "%s", last.msg ? last.msg : "vGPUs are left");
	return rc;
}
