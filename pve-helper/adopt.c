/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "adopt.h"

#include <errno.h>
#include <string.h>

#include "assign.h"
#include "cleanup.h"
#include "clock.h"
#include "framework.h"
#include "release.h"
#include "reservation.h"
#include "runstate.h"
#include "scan.h"

/* Right after QEMU has exited the driver may refuse for a moment what nobody has open. */
static int remove_patiently(const struct adoption *a, const struct vgpu *v, struct err *e)
{
	int64_t until = clock_ms() + (int64_t)a->settings->cleanup_wait_s * 1000;

	for (;;) {
		int rc = release_one(a->c, v, a->who, a->deadline, e);

		if (rc == 0 || clock_ms() >= until || release_opener(a->c, v))
			return rc;
		err_clear(e);
		clock_sleep_ms(100);
	}
}

static int remove_stale(const struct adoption *a, const struct vgpu *v, struct err *e)
{
	int rc = v->on_gpu ? remove_patiently(a, v, e) :
		fail(e, -EPERM, "its parent '%s' is no GPU", v->parent_name);

	if (rc == 0)
		release_reservation(a->c, v);
	if (rc < 0) {
		fail_in(e, rc, "hostpci%u: the VM still has a %s on %s from before, which is not what it "
			"is to get, and it cannot be removed", v->index, v->name ? v->name : v->type,
			v->parent_name);
		err_hint(e, "stop what has it open, then start the VM again");
	}
	return rc;
}

static void keep(struct adoption *a, const struct vgpu *v, unsigned int index)
{
	struct vgpu own;

	vgpu_copy(&own, v);
	own.owner = OWNER_VM;
	own.vmid = a->vmid;
	own.index = index;
	own.exists = true;
	runstate_add(a->now, &own);
	vgpu_clear(&own);
}

/* An mdev of this VM's index that is there, whoever has it on record. */
static int adopt_mdev(struct adoption *a, const struct want *w, struct err *e)
{
	char uuid[UUID_TEXT_LEN];
	struct vgpu *v;

	vgpu_pve_uuid(a->vmid, w->index, uuid);
	v = inventory_by_uuid(a->inv, uuid);
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
		keep(a, v, w->index);
	else
		return remove_stale(a, v, e);
	return 0;
}

/* Whether a record of another VM or of `create` names a VF. 1, 0 or -errno. */
static int is_of_another(const struct adoption *a, const struct bdf *vf, struct err *e)
{
	AUTO_RUNSTATE_LIST struct runstate_list states = { 0 };
	AUTO_STRLIST struct strlist problems = { 0 };
	int rc = runstate_list_read(&a->c->root, &states, &problems, e);

	for (size_t i = 0; rc == 0 && i < states.n; i++)
		for (size_t k = 0; k < states.s[i].nvgpus && states.s[i].vmid != a->vmid; k++)
			if (bdf_eq(&states.s[i].vgpus[k].parent, vf))
				return 1;
	return rc;
}

/* Whether a process other than the VM's own QEMU has it open. */
static bool is_foreign(const struct adoption *a, const struct vgpu *v)
{
	pid_t pid = release_opener(a->c, v);

	return pid && pid != a->qemu;
}

/*
 * Whether nobody else has a VF that was found without a record of this VM. One who
 * had it may have given its record up to us, and its QEMU be on its way out.
 * 1, 0 or -errno.
 */
static int is_nobody_elses(const struct adoption *a, const struct vgpu *v, struct err *e)
{
	int rc = is_of_another(a, &v->parent, e);

	return rc < 0 ? rc : !rc && !is_foreign(a, v);
}

/*
 * Adopt a vendor VF: it stays reserved, or the next VM that starts through a
 * mapping takes it. found: no record of this VM names it. 1: adopted; 0: another VM
 * has it by now.
 */
static int adopt_vf(struct adoption *a, const struct want *w, const struct vgpu *v, bool found, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	int64_t until = clock_epoch() + reservation_seconds(a->settings);
	int rc = reservation_set(&a->c->root, &v->parent, 1, a->vmid, until, a->qemu,
				 a->deadline, &why);

	if (rc == -EBUSY)
		return 0;
	if (rc < 0)
		return err_move(e, &why, rc);
	/* The wait for PVE's lock may have been long: another VM may have had the VF and cleared it, or has it. */
	rc = framework_nvidia_vfio.present(&a->c->root, v, e);
	if (rc > 0 && found)
		rc = is_nobody_elses(a, v, e);
	if (rc > 0)
		keep(a, v, w->index);
	else if (rc == 0)
		release_reservation(a->c, v);
	return rc;
}

/* A vendor VF that this VM's record names. */
static int adopt_recorded_vf(struct adoption *a, const struct want *w, struct err *e)
{
	const struct vgpu *v = runstate_index(a->old, w->index);
	int rc;

	/* A create that was never begun has made nothing, whatever is there now. */
	if (!v || v->framework != FRAMEWORK_NVIDIA_VFIO || !v->exists)
		return 0;
	rc = framework_nvidia_vfio.present(&a->c->root, v, e);
	if (rc <= 0)
		return rc;
	if (!want_is_served_by(w, v))
		return remove_stale(a, v, e);
	rc = adopt_vf(a, w, v, false, e);
	return rc < 0 ? rc : 0;
}

/* A vendor VF without a record of ours that PVE has reserved for this very VM. */
static int adopt_reserved_vf(struct adoption *a, const struct want *w, struct err *e)
{
	AUTO_RESERVATIONS struct reservation_list l = { 0 };
	int rc = reservation_read(&a->c->root, &l, e);

	for (size_t i = 0; i < l.n && rc == 0; i++) {
		const struct gpu *g = inventory_gpu_of(a->inv, &l.r[i].dev);
		bool taken = false;

		if (l.r[i].vmid != a->vmid || !g || g->framework != FRAMEWORK_NVIDIA_VFIO)
			continue;
		for (size_t k = 0; k < a->now->nvgpus; k++)
			taken |= bdf_eq(&a->now->vgpus[k].parent, &l.r[i].dev);
		/* Nor is what `create` or another VM has on record: PVE's line is a leftover then. */
		const struct vgpu *there = inventory_on(a->inv, &l.r[i].dev);

		taken |= there && (there->owner == OWNER_STANDALONE ||
				   (there->owner == OWNER_VM && there->vmid != a->vmid));
		/* What is on record is no find: it serves its own index or is not ours. */
		for (size_t k = 0; k < a->old->nvgpus; k++)
			taken |= bdf_eq(&a->old->vgpus[k].parent, &l.r[i].dev);
		for (size_t k = 0; k < w->nchoices && !taken; k++) {
			struct candidate c = {
				.type = w->choices[k], .gpu = g, .parent = l.r[i].dev, .room = 1,
			};
			struct vgpu v;

			plan_vgpu(&c, w, &v);
			rc = framework_nvidia_vfio.present(&a->c->root, &v, e);
			if (rc > 0 && want_is_served_by(w, &v) && !is_foreign(a, &v))
				rc = adopt_vf(a, w, &v, true, e);
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
static int take_over(struct adoption *a, struct err *e)
{
	int rc = scan_taken(&a->c->root, a->catalog, a->vmid, a->inv, e);

	for (size_t i = 0; i < a->nwants && rc == 0; i++) {
		const struct want *w = &a->wants[i];

		rc = adopt_mdev(a, w, e);
		if (rc == 0 && !runstate_index(a->now, w->index))
			rc = adopt_recorded_vf(a, w, e);
		if (rc == 0 && !runstate_index(a->now, w->index))
			rc = adopt_reserved_vf(a, w, e);
	}
	return rc;
}

static bool is_wanted(const struct adoption *a, unsigned int index)
{
	for (size_t i = 0; i < a->nwants; i++)
		if (a->wants[i].index == index)
			return true;
	return false;
}

/* What is on record for an index that is wanted no more. */
static int drop_unwanted(struct adoption *a, struct err *e)
{
	for (size_t i = 0; i < a->old->nvgpus; i++) {
		const struct vgpu *v = &a->old->vgpus[i];
		int rc = is_wanted(a, v->index) ? 0 : remove_stale(a, v, e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/*
 * What the record names and is not there any more (the driver has removed it,
 * or somebody by hand) must not stand in the way of the VM's own start.
 */
static int forget_gone(struct adoption *a, struct err *e)
{
	bool any = false;

	for (size_t i = 0; i < a->old->nvgpus; i++) {
		const struct vgpu *v = &a->old->vgpus[i];
		const struct vgpu *kept = runstate_index(a->now, v->index);

		if (kept && bdf_eq(&kept->parent, &v->parent))
			continue;
		any = true;
		release_reservation(a->c, v);
	}
	if (!any)
		return 0;
	a->now->phase = a->old->phase;
	a->now->claimed_ms = a->old->claimed_ms;
	a->now->qemu = a->old->qemu;
	return runstate_write(&a->c->root, a->now, e);
}

int adopt(struct adoption *a, struct err *e)
{
	int rc = take_over(a, e);

	if (rc == 0)
		rc = drop_unwanted(a, e);
	return rc == 0 ? forget_gone(a, e) : rc;
}
