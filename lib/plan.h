/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Placement: inventory and intent in, ordered candidates out, with the reason
 * against every GPU that is none. Opens nothing, prints nothing; what
 * `pve-vgpu plan` shows is what a start does.
 */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "inventory.h"
#include "refusal.h"
#include "settings.h"

/* One vGPU that somebody is to get. All borrowed. */
struct want {
	unsigned int vmid;			/* 0: for no VM */
	unsigned int index;			/* of hostpci<index> */
	const struct vgpu_type **choices;	/* in order */
	size_t nchoices;
	bool pinned;				/* on this parent and no other */
	struct bdf parent;
	const struct bdf *gpus;			/* on these GPUs alone; ngpus 0: on any */
	size_t ngpus;
	struct bdf *among;			/* on one of these parents alone; namong 0: on any */
	size_t namong;
	const struct bdf *others;		/* never on these: the VM's config gives them to other hostpci<N> */
	size_t nothers;
	bool mdev_only;				/* what attaches it knows mdevs alone */
	enum placement placement;
	bool ask;				/* a driver can be asked: a GPU in doubt is a candidate */
	const char *params;			/* for vgpu_params, or NULL */
};

/*
 * vGPUs of several sizes share a GPU only in NVIDIA's mixed-size mode, and that
 * mode shows nowhere but in what the driver answers.
 */
enum doubt {
	DOUBT_NONE,
	DOUBT_MODE,		/* a vGPU of another size is there: room() of this parent tells */
	DOUBT_CLAIM,		/* one is claimed, and not made yet: nothing tells before that */
};

struct candidate {
	const struct vgpu_type *type;
	const struct gpu *gpu;
	struct bdf parent;
	unsigned int room;			/* how many more fit there, by the rules */
	enum doubt doubt;			/* only where the want says ask */
};

/* Why a GPU is out for a type. */
struct plan_out {
	const struct vgpu_type *type;
	const struct gpu *gpu;
	char *why;				/* owned */
	bool size;				/* for the sizes that it holds */
	bool refused;				/* by the driver, not by a rule */
};

struct plan {
	/* Best first, one for each GPU and choice; those in doubt behind all others of their choice. */
	struct candidate *candidates;
	size_t ncandidates;
	struct plan_out *outs;
	size_t nouts;
};

/* Whether w may be on this GPU at all. */
bool want_may_use(const struct want *w, const struct bdf *gpu);

/* Whether a vGPU that is there is what w asks for: one of its types, where it may be. */
bool want_is_served_by(const struct want *w, const struct vgpu *v);

/* Fill *out; no candidate is no failure. Release with plan_free(). */
void plan_want(const struct inventory *inv, const struct want *w,
	       const struct refusal_list *refused, struct plan *out);
void plan_free(struct plan *p);
#define AUTO_PLAN __attribute__((cleanup(plan_free)))

/*
 * The reasons against all GPUs as text, one line a reason, GPUs with the same
 * reason together. The caller frees it.
 */
char *plan_reasons(const struct plan *p, const char *indent);

/* The vGPU that a candidate would become. Release with vgpu_clear(). */
void plan_vgpu(const struct candidate *c, const struct want *w, struct vgpu *out);

#endif
