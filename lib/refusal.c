/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "refusal.h"

#include <stdlib.h>

#include "cleanup.h"
#include "xalloc.h"

void refusal_add(struct refusal_list *l, const struct bdf *gpu, const struct bdf *parent,
		 bool whole_gpu, const struct vgpu_type *type, const char *why)
{
	struct refusal *r = GROW(l->r, l->n);

	*r = (struct refusal){
		.gpu = *gpu, .parent = *parent, .whole_gpu = whole_gpu, .type = type, .why = xstrdup(why),
	};
}

void size_answer_add(struct refusal_list *l, const struct bdf *gpu, const struct vgpu_type *type,
		     bool yes)
{
	struct size_answer *a = GROW(l->sizes, l->nsizes);

	*a = (struct size_answer){ *gpu, type, yes };
}

void refusal_shun(struct refusal_list *l, const struct bdf *parent)
{
	struct bdf *slot = GROW(l->shunned, l->nshunned);

	*slot = *parent;
}

bool refusal_is_shunned(const struct refusal_list *l, const struct bdf *parent)
{
	for (size_t i = 0; i < l->nshunned; i++)
		if (bdf_eq(&l->shunned[i], parent))
			return true;
	return false;
}

void refusal_list_free(struct refusal_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->r[i].why);
	free(take_ptr(l->r));
	free(take_ptr(l->sizes));
	free(take_ptr(l->shunned));
	l->n = l->nsizes = l->nshunned = 0;
}

const struct refusal *refusal_of_gpu(const struct refusal_list *l, const struct gpu *g,
				     const struct vgpu_type *t)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->r[i].whole_gpu && l->r[i].type == t && bdf_eq(&l->r[i].gpu, &g->addr))
			return &l->r[i];
	return NULL;
}

const struct refusal *refusal_of_parent(const struct refusal_list *l, const struct bdf *parent,
					const struct vgpu_type *t)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->r[i].whole_gpu && l->r[i].type == t && bdf_eq(&l->r[i].parent, parent))
			return &l->r[i];
	return NULL;
}

const struct refusal *refusal_last(const struct refusal_list *l, const struct gpu *g,
				   const struct vgpu_type *t)
{
	const struct refusal *last = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (l->r[i].type == t && bdf_eq(&l->r[i].gpu, &g->addr))
			last = &l->r[i];
	return last;
}

const struct size_answer *size_answer_of(const struct refusal_list *l, const struct gpu *g,
					 const struct vgpu_type *t)
{
	for (size_t i = 0; i < l->nsizes; i++)
		if (l->sizes[i].type == t && bdf_eq(&l->sizes[i].gpu, &g->addr))
			return &l->sizes[i];
	return NULL;
}
