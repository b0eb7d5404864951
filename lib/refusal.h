/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What drivers have answered in one start: what they refused, which sizes they
 * take side by side, and which parents are not to be trusted.
 */
#ifndef REFUSAL_H
#define REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

#include "inventory.h"

/* What a driver has turned down while we tried. */
struct refusal {
	struct bdf gpu, parent;
	bool whole_gpu;				/* the type has no place on the GPU at all */
	const struct vgpu_type *type;
	char *why;				/* owned */
	bool nothing;				/* it took the create and made nothing */
	int rc;					/* -errno; 0: not of a create, or not known */
};

/* What a driver said of a type on a GPU that holds vGPUs of another size. */
struct size_answer {
	struct bdf gpu;
	const struct vgpu_type *type;
	bool yes;
};

struct refusal_list {
	struct refusal *r;
	size_t n;
	struct size_answer *sizes;
	size_t nsizes;
	struct bdf *shunned;			/* parents to be tried when no other is left */
	size_t nshunned;
};

void refusal_add(struct refusal_list *l, const struct bdf *gpu, const struct bdf *parent,
		 bool whole_gpu, const struct vgpu_type *type, const char *why);
void size_answer_add(struct refusal_list *l, const struct bdf *gpu, const struct vgpu_type *type,
		     bool yes);
/* This parent is to be tried only when no other is left. */
void refusal_shun(struct refusal_list *l, const struct bdf *parent);
void refusal_list_free(struct refusal_list *l);
#define AUTO_REFUSALS __attribute__((cleanup(refusal_list_free)))

/* What stands against a type on the whole GPU, or on one parent; NULL: nothing. */
const struct refusal *refusal_of_gpu(const struct refusal_list *l, const struct gpu *g,
				     const struct vgpu_type *t);
const struct refusal *refusal_of_parent(const struct refusal_list *l, const struct bdf *parent,
					const struct vgpu_type *t);
/* The last thing that any parent of the GPU has refused, or NULL. */
const struct refusal *refusal_last(const struct refusal_list *l, const struct gpu *g,
				   const struct vgpu_type *t);
/* NULL: the driver was not asked. */
const struct size_answer *size_answer_of(const struct refusal_list *l, const struct gpu *g,
					 const struct vgpu_type *t);
bool refusal_is_shunned(const struct refusal_list *l, const struct bdf *parent);

#endif
