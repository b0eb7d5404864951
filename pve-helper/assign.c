/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "assign.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "framework.h"
#include "gc.h"
#include "lock.h"
#include "release.h"
#include "reservation.h"
#include "scan.h"
#include "scheduler_file.h"
#include "xalloc.h"

/* Longest wait for one GPU where another one could serve. */
#define BUSY_GPU_MS	15000
/* For a claim of another size to become a vGPU, or to go. */
#define CLAIM_MS	5000
#define CLAIM_STEP_MS	50
/* For the removal of what was just made. */
#define UNDO_MS		5000
/* However short start-grace is: qemu-server reserves the VF itself soon after pre-start. */
#define RESERVE_MIN_S	60

struct job {
	struct assignment *a;
	struct runstate *s;
	struct refusal_list refused;
	struct candidate doubt;		/* type set: to be settled before the next plan */
	int64_t claims_until;		/* how long claims of another size are waited for; 0: none was met yet */
	bool collected;			/* leftovers of dead VMs were looked for */
	bool alternatives;		/* the last plan had more than one candidate */
	size_t adopted;			/* vGPUs that s had before: the first ones */
	bool fatal;			/* the failure is not the place's: no other will do better */
	char *last;			/* what the last place said that refused */
};

int64_t reservation_seconds(const struct settings *s)
{
	return s->start_grace_s > RESERVE_MIN_S ? s->start_grace_s : RESERVE_MIN_S;
}

static bool is_served(const struct job *j, const struct want *w)
{
	return runstate_index(j->s, w->index);
}

static int reserve(const struct job *j, const struct vgpu *v, struct err *e)
{
	int64_t until = clock_epoch() + reservation_seconds(j->a->settings);

	if (v->framework != FRAMEWORK_NVIDIA_VFIO || !j->s->vmid)
		return 0;
	return reservation_set(&j->a->c->root, &v->parent, 1, j->s->vmid, until, 0,
			       j->a->deadline, e);
}

/* Whose the parent is that the VM's config names; NULL: it is free. */
static char *pinned_holder(const struct inventory *inv, const struct want *w)
{
	const struct vgpu *v = inventory_on(inv, &w->parent);

	if (!v)
		return NULL;
	if (v->vmid)
		return xasprintf("  %s is vm %u's", v->parent_name, v->vmid);
	if (v->owner == OWNER_STANDALONE)
		return xasprintf("  %s has a vGPU of `pve-vgpu create`", v->parent_name);
	return xasprintf("  %s is a stranger's%s%s%s", v->parent_name, *v->uuid ? " (" : "", v->uuid,
			 *v->uuid ? ")" : "");
}

/*
 * How to have several sizes on a GPU, where those are what keeps a type out; only
 * known of GPUs with SR-IOV. Freed by the caller.
 */
static char *mode_hint(const struct root *r, const struct plan *p)
{
	AUTO_FREE char *fixed = NULL;

	for (size_t i = 0; i < p->nouts; i++) {
		const struct gpu *g = p->outs[i].gpu;
		AUTO_FREE char *against = NULL;

		if (!p->outs[i].size || !g->sriov)
			continue;
		against = scheduler_against_sizes(r, &g->addr);
		if (!against)
			return xasprintf("; for several sizes on one GPU: `nvidia-smi vgpu -i %s -shm 1` "
					 "once its SR-IOV is enabled, before its first vGPU",
					 BDF_STR(&g->addr));
		if (!fixed)
			fixed = xasprintf("; no several sizes on GPU %s: %s", BDF_STR(&g->addr), against);
	}
	return fixed ? take_ptr(fixed) : xstrdup("");
}

static bool made_nothing(const struct refusal_list *refused)
{
	for (size_t i = 0; i < refused->n; i++)
		if (refused->r[i].nothing)
			return true;
	return false;
}

static int no_room(const struct root *r, const struct inventory *inv, const struct want *w,
		   const struct plan *p, const struct refusal_list *refused, struct err *e)
{
	AUTO_FREE char *reasons = plan_reasons(p, "  ");
	AUTO_FREE char *mode = mode_hint(r, p);
	const char *name = vgpu_type_name(w->choices[0]);

	if (!p->nouts)
		fail(e, -ENOSPC, "%s: %s is no place for a vGPU on this node", name,
		     BDF_STR(&w->parent));
	else if (w->pinned && !w->vmid)
		fail(e, -ENOSPC, "%s: %s has no room:\n%s", name, BDF_STR(&w->parent), reasons);
	else if (w->pinned) {
		AUTO_FREE char *holder = pinned_holder(inv, w);

		fail(e, -ENOSPC, "hostpci%u: %s: the VM's config names %s, which has no room:\n%s",
		     w->index, name, BDF_STR(&w->parent), holder ? holder : reasons);
	} else if (w->vmid)
		fail(e, -ENOSPC, "hostpci%u: %s: no GPU of this node has room:\n%s", w->index, name,
		     reasons);
	else
		fail(e, -ENOSPC, "%s: no GPU of this node has room:\n%s", name, reasons);
	if (made_nothing(refused))
		err_hint(e, "the driver made nothing: dmesg and `journalctl -b -u nvidia-vgpu-mgr` may tell why; "
			 "`pve-vgpu list` shows VFs under different drivers");
	else if (w->pinned && w->vmid)
		err_hint(e, "stop the VM that has it, or name another address in hostpci%u; `pve-vgpu list` shows "
			 "what is taken%s", w->index, mode);
	else if (w->vmid)
		err_hint(e, "stop a VM or choose another type; `pve-vgpu types` shows what fits, "
			 "`pve-vgpu plan %u` why%s", w->vmid, mode);
	else
		err_hint(e, "remove a vGPU or choose another type; `pve-vgpu types` shows what fits%s", mode);
	return -ENOSPC;
}

static const struct want *want_of(const struct job *j, const struct vgpu *v)
{
	for (size_t i = 0; i < j->a->nwants; i++)
		if (j->a->wants[i].index == v->index)
			return &j->a->wants[i];
	return &j->a->wants[0];
}

static const struct vgpu_type *type_of(const struct want *w, const struct vgpu *v)
{
	for (size_t i = 0; i < w->nchoices; i++)
		if (!strcmp(w->choices[i]->key, v->type))
			return w->choices[i];
	return w->choices[0];
}

/* The UUID must be free on the whole node, or the kernel refuses with EEXIST. */
static int check_uuid(const struct job *j, const struct vgpu *v, struct err *e)
{
	const struct vgpu *other = *v->uuid ? inventory_by_uuid(j->a->inv, v->uuid) : NULL;

	if (!other)
		return 0;
	fail(e, -EEXIST, "UUID %s is in use by a %s on %s", v->uuid,
	     other->name ? other->name : other->type, other->parent_name);
	err_hint(e, "`pve-vgpu list` shows whose it is");
	return -EEXIST;
}

/*
 * Choose a place for one want and put it into s and the inventory, as a claim.
 * -EAGAIN: the best place is in doubt, which is to be settled without the lock.
 */
static int claim_one(struct job *j, const struct want *w, struct err *e)
{
	struct assignment *a = j->a;
	AUTO_PLAN struct plan p = { 0 };
	struct want asking = *w;
	struct vgpu v;
	int rc;

	asking.ask = true;
	plan_want(a->inv, &asking, &j->refused, &p);
	if (!p.ncandidates)
		return no_room(&a->c->root, a->inv, w, &p, &j->refused, e);
	j->alternatives = p.ncandidates > 1;
	if (p.candidates[0].doubt) {
		j->doubt = p.candidates[0];
		return -EAGAIN;
	}
	plan_vgpu(&p.candidates[0], w, &v);
	if (a->uuid && v.framework == FRAMEWORK_MDEV)
		memcpy(v.uuid, a->uuid, UUID_TEXT_LEN);
	rc = check_uuid(j, &v, e);
	if (rc == 0) {
		runstate_add(j->s, &v);
		inventory_add(a->inv, &v);
	}
	vgpu_clear(&v);
	return rc;
}

static void drop_claims(struct job *j, size_t from)
{
	while (j->s->nvgpus > from) {
		release_reservation(j->a->c, &j->s->vgpus[j->s->nvgpus - 1]);
		runstate_drop(j->s, j->s->nvgpus - 1);
	}
}

static void note_last(struct job *j, const struct vgpu *v, const char *why)
{
	free(j->last);
	j->last = xasprintf("%s on %s: %s", v->name, v->parent_name, why);
}

/*
 * PVE's reservations for what is claimed, after the record: a reservation
 * without a record is what a start takes for PVE's own, and adopts.
 * -EAGAIN: one of the VFs is another VM's by now, and counts as refused.
 */
static int reserve_claims(struct job *j, size_t from, struct err *e)
{
	for (size_t i = from; i < j->s->nvgpus; i++) {
		const struct vgpu *v = &j->s->vgpus[i];
		AUTO_ERR struct err why = { 0 };
		int rc = reserve(j, v, &why);

		if (rc == -EBUSY) {
			refusal_add(&j->refused, &v->gpu, &v->parent, false,
				    type_of(want_of(j, v), v), why.msg);
			note_last(j, v, why.msg);
			return -EAGAIN;
		}
		/* All else would be the same with the next one. */
		if (rc < 0)
			return err_move(e, &why, rc);
	}
	return 0;
}

/*
 * Claim a place for every want that has none, in one session under the node
 * lock: see what is taken, plan, write. Files and links alone, no driver.
 * -EAGAIN: plan again, something is taken that was not.
 */
static int claim(struct job *j, struct err *e)
{
	struct assignment *a = j->a;
	AUTO_LOCK struct lock node = LOCK_NONE;
	size_t had = j->s->nvgpus;
	bool wrote = false;
	int rc = lock_node(&a->c->root, a->who, a->deadline, &node, e);

	if (rc == 0)
		rc = scan_taken(&a->c->root, a->catalog, j->s->vmid, a->inv, e);
	/* What was adopted may not be on file yet. */
	if (rc == 0)
		runstate_merge(j->s, 1, a->inv);
	for (size_t i = 0; i < a->nwants && rc == 0; i++)
		if (!is_served(j, &a->wants[i]))
			rc = claim_one(j, &a->wants[i], e);
	if (rc == 0) {
		j->s->claimed_ms = clock_ms();
		j->s->phase = RUN_CLAIMED;
		rc = runstate_write(&a->c->root, j->s, e);
		wrote = rc == 0;
	}
	/* The record is the claim; what follows may wait for PVE, and others need not wait with it. */
	lock_drop(&node);
	if (wrote)
		rc = reserve_claims(j, had, e);
	if (rc < 0)
		drop_claims(j, had);
	if (rc < 0 && wrote)
		runstate_write(&a->c->root, j->s, NULL);
	return rc;
}

/* No room: perhaps dead VMs hold it. True if that has changed anything. */
static bool collect_dead(struct job *j)
{
	AUTO_GC_REPORT struct gc_report rep = { 0 };

	if (j->collected || j->a->c->dry_run)
		return false;
	j->collected = true;
	if (gc_collect(j->a->c, j->a->settings, j->s->vmid, j->a->who, &rep, NULL) < 0)
		return false;
	for (size_t i = 0; i < rep.removed.n; i++)
		fprintf(stderr, "pve-vgpu: %s: made room: %s\n", j->a->who, rep.removed.s[i]);
	/* What was full may not be any more. */
	if (rep.removed.n)
		refusal_list_free(&j->refused);
	return rep.removed.n;
}

/*
 * A vendor VF bears no mark of its maker. So the record says, before it is
 * written to, that the VF was seen free under the GPU's lock and is ours from
 * here on; after a crash before this, what is on it is somebody else's.
 */
static int begin(struct job *j, struct vgpu *v, struct err *e)
{
	int rc;

	if (v->framework != FRAMEWORK_NVIDIA_VFIO)
		return 0;
	v->exists = true;
	rc = runstate_write(&j->a->c->root, j->s, e);
	if (rc < 0) {
		v->exists = false;
		j->fatal = true;
	}
	return rc;
}

static int write_params(const struct job *j, const struct vgpu *v, struct err *e)
{
	const char *params = want_of(j, v)->params;
	int rc = params ? vgpu_write_params(&j->a->c->root, v, params, e) : 0;

	if (rc < 0 && v->vmid)
		fail_in(e, rc, "hostpci%u: params", v->index);
	return rc;
}

/*
 * What was there before may have come without them: made by somebody else, or
 * by a start that ended between the two. What is open has what it has.
 */
static int write_adopted_params(const struct job *j, struct err *e)
{
	const struct ctx *c = j->a->c;

	for (size_t i = 0; i < j->adopted; i++) {
		const struct vgpu *v = &j->s->vgpus[i];
		AUTO_LOCK struct lock lock = LOCK_NONE;
		AUTO_ERR struct err why = { 0 };
		int rc;

		if (!want_of(j, v)->params || release_opener(c, v))
			continue;
		rc = lock_gpu(&c->root, &v->gpu, j->a->who, j->a->deadline, &lock, &why);
		if (rc == 0)
			rc = write_params(j, v, &why);
		if (rc < 0 && !release_opener(c, v))
			return err_move(e, &why, rc);
	}
	return 0;
}

static int create_locked(struct job *j, struct vgpu *v, const struct gpu *g,
			 const struct vgpu_type *t, enum refused *reach, struct err *e)
{
	const struct framework_ops *ops = framework_ops(v->framework);
	const struct root *r = &j->a->c->root;
	int rc = ops->room(r, j->a->catalog, g, &v->parent, t, reach, e);

	if (rc == 0)
		return fail(e, -ENOSPC, "the driver has no room for it");
	if (rc < 0)
		return rc;
	*reach = REFUSED_PARENT;
	rc = begin(j, v, e);
	if (rc < 0)
		return rc;
	rc = ops->create(r, v, e);
	v->exists = rc == 0 || (rc == -ENOTRECOVERABLE && ops->remove(r, v, UNDO_MS, NULL) < 0);
	if (rc < 0) {
		/* Where it is there all the same it stays on record, and that is no place for another. */
		j->fatal = v->exists;
		return rc;
	}
	rc = write_params(j, v, e);
	if (rc < 0) {
		/* No other place would take them either. */
		j->fatal = true;
		v->exists = ops->remove(r, v, UNDO_MS, NULL) < 0;
	}
	return rc;
}

/* How long to wait for one GPU: half of the time that is left, so that the others get their turn. */
static int64_t gpu_deadline(const struct job *j)
{
	int64_t now = clock_ms(), until = j->a->deadline;

	if (j->alternatives && until > now)
		until = now + (until - now) / 2;
	if (j->alternatives && until > now + BUSY_GPU_MS)
		until = now + BUSY_GPU_MS;
	return until;
}

/* Make one claimed vGPU. *reach is set where that fails for a reason of the place. */
static int create_one(struct job *j, struct vgpu *v, enum refused *reach, struct err *e)
{
	struct assignment *a = j->a;
	const struct gpu *g = inventory_gpu(a->inv, &v->gpu);
	AUTO_LOCK struct lock lock = LOCK_NONE;
	int rc;

	*reach = REFUSED_GPU;
	rc = lock_gpu(&a->c->root, &v->gpu, a->who, gpu_deadline(j), &lock, e);
	return rc < 0 ? rc : create_locked(j, v, g, type_of(want_of(j, v), v), reach, e);
}

/* Whether the GPU takes the type beside another size: one question to the driver. */
static void ask_mode(struct job *j, const struct candidate *c)
{
	struct assignment *a = j->a;
	AUTO_LOCK struct lock lock = LOCK_NONE;
	AUTO_ERR struct err why = { 0 };
	enum refused reach = REFUSED_GPU;
	int rc = lock_gpu(&a->c->root, &c->gpu->addr, a->who, gpu_deadline(j), &lock, &why);

	if (rc == 0)
		rc = framework_ops(c->gpu->framework)->room(&a->c->root, a->catalog, c->gpu, &c->parent,
							    c->type, &reach, &why);
	if (rc < 0 || (rc == 0 && reach == REFUSED_PARENT))
		refusal_add(&j->refused, &c->gpu->addr, &c->parent, reach == REFUSED_GPU, c->type,
			    why.msg ? why.msg : "the driver has no room for it");
	else
		size_answer_add(&j->refused, &c->gpu->addr, c->type, rc > 0);
}

/*
 * Settle what stood in the way of a claim. A claim of another size is no answer
 * yet, and asking before it is made would take the place from it.
 */
static void settle_doubt(struct job *j)
{
	struct candidate c = j->doubt;

	/* By the clock: where many wait for the node lock each look takes longer than the sleep. */
	if (c.doubt != DOUBT_MODE && !j->claims_until)
		j->claims_until = clock_ms() + CLAIM_MS;
	j->doubt.type = NULL;
	free(j->last);
	j->last = xasprintf("%s on %s: other sizes are on the GPU", vgpu_type_name(c.type),
			    BDF_STR(&c.parent));
	if (c.doubt == DOUBT_MODE) {
		ask_mode(j, &c);
	} else if (clock_ms() < j->claims_until) {
		clock_sleep_ms(CLAIM_STEP_MS);
	} else {
		size_answer_add(&j->refused, &c.gpu->addr, c.type, false);
	}
}

/*
 * A parent took a create and made nothing: on a real host those bound to one
 * driver did so and those bound to another worked, so the latter come first.
 */
static void shun_like(struct job *j, const struct vgpu *v)
{
	const struct gpu *g = inventory_gpu(j->a->inv, &v->gpu);
	AUTO_FREE struct bdf *like = NULL;
	size_t n = 0;

	for (size_t i = 0; i < j->refused.nshunned; i++)
		if (bdf_eq(&j->refused.shunned[i], &v->parent))
			return;
	refusal_shun(&j->refused, &v->parent);
	if (v->framework == FRAMEWORK_MDEV)
		mdev_parents_like(&j->a->c->root, g, &v->parent, &like, &n);
	for (size_t i = 0; i < n; i++)
		refusal_shun(&j->refused, &like[i]);
}

/* Refusals of one type on one GPU with the same errno: they are told together. */
static bool is_alike(const struct refusal *a, const struct refusal *b)
{
	return a->rc == b->rc && a->type == b->type && bdf_eq(&a->gpu, &b->gpu);
}

/* Where r stands among those like it: 0 for the first; *n is how many there are. */
static size_t place_among(const struct refusal_list *l, const struct refusal *r, size_t *n)
{
	size_t before = 0;

	*n = 0;
	for (size_t i = 0; i < l->n; i++) {
		before += &l->r[i] < r && is_alike(&l->r[i], r);
		*n += is_alike(&l->r[i], r);
	}
	return before;
}

/* The place is found; what the many places before it said, each kind once. */
static void tell_refusals(const struct job *j)
{
	for (size_t i = 0; i < j->refused.n; i++) {
		const struct refusal *r = &j->refused.r[i];
		size_t n;

		if (r->rc && !r->nothing && !place_among(&j->refused, r, &n) && n > 1)
			fprintf(stderr, "pve-vgpu: %s: %s: %zu VFs of GPU %s refused, the first one %s: %s\n",
				j->a->who, vgpu_type_name(r->type), n, BDF_STR(&r->gpu),
				BDF_STR(&r->parent), strerror(-r->rc));
	}
}

/* A place did not work: remember why, give the claim back, and plan again. */
static void refuse(struct job *j, size_t i, enum refused reach, int rc, const char *why)
{
	struct vgpu *v = &j->s->vgpus[i];
	bool nothing = rc == -ENODATA, again = j->refused.nshunned;
	struct refusal *r;
	size_t n;

	refusal_add(&j->refused, &v->gpu, &v->parent, reach == REFUSED_GPU,
		    type_of(want_of(j, v), v), why);
	r = &j->refused.r[j->refused.n - 1];
	r->nothing = nothing;
	r->rc = rc;
	if (nothing)
		shun_like(j, v);
	/* Of dozens of VFs that do the same, the first one is news. */
	if (nothing ? !again : !place_among(&j->refused, r, &n))
		fprintf(stderr, "pve-vgpu: %s: %s on %s: %s; trying the next place\n", j->a->who,
			v->name, v->parent_name, why);
	note_last(j, v, why);
	release_reservation(j->a->c, v);
	runstate_drop(j->s, i);
	/* Where this fails the claim stands a little longer, which harms nobody. */
	runstate_write(&j->a->c->root, j->s, NULL);
}

/* Create what is claimed. -EAGAIN: a place refused, and its claim is gone. */
static int create_claimed(struct job *j, struct err *e)
{
	for (size_t i = j->adopted; i < j->s->nvgpus; i++) {
		AUTO_ERR struct err why = { 0 };
		enum refused reach;

		if (j->s->vgpus[i].exists)
			continue;
		int rc = create_one(j, &j->s->vgpus[i], &reach, &why);

		if (rc < 0 && j->fatal)
			return err_move(e, &why, rc);
		if (rc < 0) {
			refuse(j, i, reach, rc, why.msg);
			return -EAGAIN;
		}
	}
	return 0;
}

/* Backwards over what this call has made. What cannot be removed stays on record for gc. */
static void undo(struct job *j)
{
	int64_t deadline = clock_ms() + UNDO_MS;

	/* There is to be no QEMU for which the wrapper could do anything. */
	runstate_clear_devices(j->s);
	for (size_t i = j->s->nvgpus; i-- > j->adopted;) {
		struct vgpu *v = &j->s->vgpus[i];
		AUTO_ERR struct err why = { 0 };

		if (v->exists && release_one(j->a->c, v, j->a->who, deadline, &why) < 0) {
			/* gc takes none that is for no VM. */
			fprintf(stderr, "pve-vgpu: %s: %s on %s is left for `pve-vgpu %s%s`: %s\n",
				j->a->who, v->name, v->parent_name, v->vmid ? "gc" : "remove ",
				v->vmid ? "" : *v->uuid ? v->uuid : v->parent_name, why.msg);
			continue;
		}
		release_reservation(j->a->c, v);
		runstate_drop(j->s, i);
	}
	runstate_write(&j->a->c->root, j->s, NULL);
}

static int run(struct job *j, struct err *e)
{
	for (;;) {
		int rc = claim(j, e);

		if (rc == -ENOSPC && collect_dead(j))
			continue;
		if (rc == 0)
			rc = create_claimed(j, e);
		/* A driver's own EAGAIN is a failure like another. */
		if (rc != -EAGAIN || j->fatal)
			return rc;
		if (j->doubt.type)
			settle_doubt(j);
		if (clock_ms() >= j->a->deadline) {
			fail(e, -ETIMEDOUT, "no place worked within %u s (lock-wait); the last one, %s",
			     j->a->settings->lock_wait_s, j->last ? j->last : "none was tried");
			err_hint(e, "try again; dmesg and `pve-vgpu list` show what the driver is busy with");
			return -ETIMEDOUT;
		}
	}
}

int assign(struct assignment *a, struct runstate *s, struct err *e)
{
	struct job j = { .a = a, .s = s, .adopted = s->nvgpus };
	int rc = write_adopted_params(&j, e);

	if (rc == 0)
		rc = run(&j, e);
	if (rc == 0) {
		tell_refusals(&j);
		s->phase = RUN_CREATED;
		rc = runstate_write(&a->c->root, s, e);
	}
	if (rc < 0)
		undo(&j);
	refusal_list_free(&j.refused);
	free(j.last);
	return rc;
}
