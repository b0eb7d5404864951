/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "framework.h"
#include "health.h"
#include "mig.h"
#include "quote.h"
#include "scan.h"
#include "xalloc.h"

/* Cures that a hint holds; `types` shows them all. */
#define MAX_CURES	3

struct story {
	const struct ctx *c;
	const struct explain *x;
	struct strlist lines, cures;
	bool others;			/* a GPU that is well could serve */
};

static void story_free(struct story *s)
{
	strlist_free(&s->lines);
	strlist_free(&s->cures);
}

static void tell(struct story *s, const struct bdf *gpu, const char *cause, const char *cure)
{
	strlist_take(&s->lines, xasprintf("  GPU %s: %s", BDF_STR(gpu), cause));
	if (!strlist_has(&s->cures, cure))
		strlist_add(&s->cures, cure);
}

/* It serves in part: told where that part is too small, and other cures stand before its own. */
static void tell_part(struct story *s, const struct sick_gpu *sick, int rc)
{
	AUTO_FREE char *cure = health_cure(sick->what, &sick->addr);

	if (rc == -ENOSPC)
		strlist_take(&s->lines, xasprintf("  GPU %s: %s; %s", BDF_STR(&sick->addr),
						  health_cause(sick->what), cure));
}

static bool want_allows(const struct explain *x, const struct want *w, const struct bdf *gpu)
{
	const struct gpu *g = w->pinned ? inventory_gpu_of(x->inv, &w->parent) : NULL;

	if (w->pinned)
		return g && bdf_eq(&g->addr, gpu);
	for (size_t i = 0; i < w->ngpus; i++)
		if (bdf_eq(&w->gpus[i], gpu))
			return true;
	return !w->ngpus;
}

static bool concerns(const struct explain *x, const struct bdf *gpu)
{
	if (x->gpu)
		return bdf_eq(x->gpu, gpu);
	if (x->by_board)
		return true;
	for (size_t i = 0; i < x->nwants; i++)
		if (want_allows(x, &x->wants[i], gpu))
			return true;
	return !x->nwants;
}

/* What MIG has against this type on this GPU. */
static bool tell_mig(struct story *s, const struct mig *m, const struct gpu *g,
		     const struct vgpu_type *t)
{
	AUTO_FREE char *cause = NULL, *cure = NULL;

	if (!mig_against(m, g, t, &cause, &cure))
		return false;
	tell(s, &g->addr, cause, cure);
	return true;
}

/* An instance is free: it was another want, or another fault, that made the refusal. */
static bool has_instance(const struct story *s, const struct mig *m, const struct gpu *g,
			 const struct vgpu_type *t)
{
	enum refused reach;

	if (m->mode != MIG_ON || !m->instances || !vgpu_type_is_mig(t))
		return false;
	for (size_t i = 0; i < g->nparents; i++)
		if (parent_is_free(s->x->inv, g, &g->parents[i]))
			return framework_ops(g->framework)->room(&s->c->root, s->x->catalog, g,
				&g->parents[i], t, &reach, NULL) > 0;
	return false;
}

/* The types that are wanted; what MIG has against them is told once. */
static void judge_wants(struct story *s, const struct mig *m, const struct gpu *g)
{
	bool told = false;

	for (size_t i = 0; i < s->x->nwants; i++) {
		const struct want *w = &s->x->wants[i];

		for (size_t k = 0; k < w->nchoices && want_allows(s->x, w, &g->addr); k++) {
			const struct vgpu_type *t = w->choices[k];

			if (!gpu_offer(g, t))
				continue;
			if (!told && !has_instance(s, m, g, t))
				told = tell_mig(s, m, g, t);
			if (!told)
				s->others = true;
		}
	}
}

/* "A100-1-5C" is of the board of "A100-4C". */
static bool same_board(const struct vgpu_type *a, const struct vgpu_type *b)
{
	const char *x = vgpu_type_name(a), *y = vgpu_type_name(b);
	size_t len = strcspn(x, "-");

	return len == strcspn(y, "-") && !strncasecmp(x, y, len);
}

/* A name that no GPU shows may be one of the types that the other MIG mode has. */
static void judge_names(struct story *s, struct gpu *g)
{
	const struct vgpu_type *shown = g->noffers ? g->offers[0].type : NULL;

	for (size_t i = 0; shown && s->x->asked && i < s->x->asked->n; i++) {
		char *name = s->x->asked->s[i];
		struct vgpu_type t = { .key = name, .number = 1, .full_name = name };
		struct mig m;

		if (!same_board(shown, &t) || vgpu_type_is_mig(shown) == vgpu_type_is_mig(&t))
			continue;
		mig_ask(&s->c->root, s->x->catalog, s->x->inv, g, &m);
		if ((m.mode == MIG_ON) != vgpu_type_is_mig(&t) && tell_mig(s, &m, g, &t))
			return;
		shown = g->noffers ? g->offers[0].type : NULL;
	}
	s->others |= shown != NULL;
}

static void judge_gpu(struct story *s, struct gpu *g)
{
	struct mig m;

	if (!s->x->nwants) {
		judge_names(s, g);
		return;
	}
	if (mig_board(g))
		mig_ask(&s->c->root, s->x->catalog, s->x->inv, g, &m);
	else
		mig_look(&s->c->root, s->x->inv, g, &m);
	judge_wants(s, &m, g);
}

static void gather(struct story *s, int rc)
{
	AUTO_HEALTH struct health h = { 0 };
	struct inventory *inv = s->x->inv;

	scan_taken(&s->c->root, s->x->catalog, s->x->vmid, inv, NULL);
	health_check(&s->c->root, s->x->catalog, inv, false, &h);
	for (size_t i = 0; i < h.n; i++) {
		AUTO_FREE char *cure = health_cure(h.sick[i].what, &h.sick[i].addr);

		if (!concerns(s->x, &h.sick[i].addr))
			continue;
		if (h.sick[i].serves)
			tell_part(s, &h.sick[i], rc);
		else
			tell(s, &h.sick[i].addr, health_cause(h.sick[i].what), cure);
	}
	for (size_t i = 0; i < inv->ngpus; i++) {
		const struct sick_gpu *sick = health_of(&h, &inv->gpus[i].addr);

		if (concerns(s->x, &inv->gpus[i].addr) && (!sick || sick->serves))
			judge_gpu(s, &inv->gpus[i]);
	}
}

static char *joined(const struct strlist *l, const char *between, size_t most)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < l->n && i < most; i++)
		fprintf(f, "%s%s", i ? between : "", l->s[i]);
	if (l->n > most)
		fputs("; `pve-vgpu types` shows the rest", f);
	fclose(f);
	return text;
}

static void write_hint(const struct story *s, int rc, struct err *e)
{
	AUTO_FREE char *cures = joined(&s->cures, "; ", MAX_CURES);
	AUTO_FREE char *before = take_ptr(e->hint);

	if (!s->others)
		err_hint(e, "%s", cures);
	else if (rc == -ENOSPC || !before)
		e->hint = take_ptr(before);
	else
		err_hint(e, "%s; for the GPUs that do not serve now: %s", before, cures);
}

int explain_refusal(const struct ctx *c, const struct explain *x, int rc, struct err *e)
{
	__attribute__((cleanup(story_free))) struct story s = { .c = c, .x = x };

	if (!e || !e->msg || (rc != -ENOENT && rc != -ENODEV && rc != -ENOSPC))
		return rc;
	gather(&s, rc);
	if (!s.lines.n)
		return rc;

	AUTO_FREE char *lines = joined(&s.lines, "\n", s.lines.n);
	AUTO_FREE char *before = take_ptr(e->msg);

	e->msg = xasprintf("%s\n%s", before, lines);
	write_hint(&s, rc, e);
	return rc;
}
