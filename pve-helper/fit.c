/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "fit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "cleanup.h"
#include "inventory.h"
#include "json_util.h"
#include "mig_instances.h"
#include "mig_outs.h"
#include "plan.h"
#include "room.h"
#include "scan.h"
#include "strlist.h"
#include "term.h"
#include "xalloc.h"

struct fit {
	struct catalog catalog;
	struct inventory inv;
	struct mig *migs;		/* of each GPU */
	const struct vgpu_type **types;
	size_t ntypes;
};

static void fit_free(struct fit *f)
{
	free(f->types);
	free(f->migs);
	inventory_free(&f->inv);
	catalog_free(&f->catalog);
}

static void add_type(struct fit *f, const struct vgpu_type *t)
{
	for (size_t i = 0; i < f->ntypes; i++)
		if (f->types[i] == t)
			return;

	const struct vgpu_type **slot = GROW(f->types, f->ntypes);

	*slot = t;
}

/* By size, then by number, as `types` has them. */
static int by_size(const void *a, const void *b)
{
	const struct vgpu_type *x = *(const struct vgpu_type *const *)a;
	const struct vgpu_type *y = *(const struct vgpu_type *const *)b;

	if (x->framebuffer_mib != y->framebuffer_mib)
		return x->framebuffer_mib < y->framebuffer_mib ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return strcmp(x->key, y->key);
}

static void collect_types(struct fit *f)
{
	for (size_t i = 0; i < f->inv.ngpus; i++)
		for (size_t k = 0; k < f->inv.gpus[i].noffers; k++)
			add_type(f, f->inv.gpus[i].offers[k].type);
	if (f->ntypes)
		qsort(f->types, f->ntypes, sizeof(*f->types), by_size);
}

static unsigned int room_on(const struct gpu *g, const struct vgpu_type *t)
{
	const struct offer *o = gpu_offer(g, t);

	return o && o->known ? o->available : 0;
}

static unsigned int room_for(const struct fit *f, const struct vgpu_type *t)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < f->inv.ngpus; i++)
		sum += room_on(&f->inv.gpus[i], t);
	return sum;
}

static bool at_least_on(const struct gpu *g, const struct vgpu_type *t)
{
	const struct offer *o = gpu_offer(g, t);

	return o && o->at_least;
}

static bool at_least_for(const struct fit *f, const struct vgpu_type *t)
{
	for (size_t i = 0; i < f->inv.ngpus; i++)
		if (at_least_on(&f->inv.gpus[i], t))
			return true;
	return false;
}

/* The driver takes a size beside another one: the rules of equal sizes are not its rules. */
static bool takes_other_sizes(const struct fit *f, const struct gpu *g)
{
	for (size_t i = 0; i < g->noffers; i++)
		if (room_on(g, g->offers[i].type) && gpu_holds_other_size(&f->inv, g, g->offers[i].type))
			return true;
	return false;
}

static bool has_answered(const struct gpu *g, const struct vgpu_type *t)
{
	const struct offer *o = gpu_offer(g, t);

	return (o && o->known) || (g->framework == FRAMEWORK_NVIDIA_VFIO && g->asked);
}

/* What the drivers have said: it counts where the rules leave the type open. */
static void add_answers(const struct fit *f, const struct vgpu_type *t, struct refusal_list *l)
{
	for (size_t i = 0; i < f->inv.ngpus; i++) {
		const struct gpu *g = &f->inv.gpus[i];
		bool answered = has_answered(g, t);

		if (answered && gpu_holds_other_size(&f->inv, g, t))
			size_answer_add(l, &g->addr, t, room_on(g, t));
		if (!room_on(g, t) && g->nparents)
			refusal_add(l, &g->addr, &g->parents[0], true, t, answered ?
				    "the driver has no room for it" : "the driver could not be asked");
	}
}

/* The driver has the last word: a GPU with room is not out, whatever the rules say. */
static void heed_driver(const struct fit *f, struct plan *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->nouts; i++) {
		struct plan_out *o = &p->outs[i];

		if (room_on(o->gpu, o->type)) {
			free(o->why);
			continue;
		}
		if (gpu_offer(o->gpu, o->type) && takes_other_sizes(f, o->gpu)) {
			free(o->why);
			o->why = xstrdup("refused: the driver has no room for it");
		}
		p->outs[kept++] = *o;
	}
	p->nouts = kept;
}

/* Release with plan_free(). */
static void plan_type(const struct fit *f, const struct vgpu_type *t, struct plan *p)
{
	AUTO_FREE const struct vgpu_type **choices = xcalloc(1, sizeof(*choices));
	struct want w = { .choices = choices, .nchoices = 1, .placement = PLACEMENT_FIRST };
	AUTO_REFUSALS struct refusal_list answers = { 0 };

	choices[0] = t;
	add_answers(f, t, &answers);
	plan_want(&f->inv, &w, &answers, p);
	heed_driver(f, p);
	for (size_t i = 0; i < f->inv.ngpus; i++)
		mig_outs_explain(p, &w, &f->inv.gpus[i], &f->migs[i]);
}

static struct json_object *gpus_json(const struct fit *f, const struct vgpu_type *t)
{
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < f->inv.ngpus; i++) {
		const struct gpu *g = &f->inv.gpus[i];
		struct json_object *row;

		if (!room_on(g, t))
			continue;
		row = json_object_new_object();
		json_add_str(row, "gpu", BDF_STR(&g->addr));
		json_add_num(row, "available", room_on(g, t));
		json_add_flag(row, "available_at_least", at_least_on(g, t));
		json_object_array_add(rows, row);
	}
	return rows;
}

static struct json_object *outs_json(const struct plan *p)
{
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < p->nouts; i++) {
		struct json_object *row = json_object_new_object();

		json_add_str(row, "gpu", BDF_STR(&p->outs[i].gpu->addr));
		json_add_str(row, "why", p->outs[i].why);
		json_object_array_add(rows, row);
	}
	return rows;
}

static void print_json(const struct fit *f)
{
	AUTO_JSON struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < f->ntypes; i++) {
		const struct vgpu_type *t = f->types[i];
		struct json_object *row = json_object_new_object();
		AUTO_PLAN struct plan p = { 0 };

		plan_type(f, t, &p);
		json_add_str(row, "type", t->key);
		json_add_str(row, "name", vgpu_type_name(t));
		json_add_known(row, "framebuffer_mib", t->framebuffer_mib);
		json_add_num(row, "available", room_for(f, t));
		json_add_flag(row, "available_at_least", at_least_for(f, t));
		json_object_object_add(row, "gpus", gpus_json(f, t));
		json_object_object_add(row, "out", outs_json(&p));
		json_object_array_add(all, row);
	}

	AUTO_FREE char *text = json_print(all);

	fputs(text, stdout);
}

static void split_lines(char *text, struct strlist *lines)
{
	char *rest = text;

	while (rest && *rest)
		strlist_add(lines, strsep(&rest, "\n"));
}

/* In a pipe the reasons are one field; on a terminal each has a line of its own. */
static void add_row(struct table *out, const struct fit *f, const struct vgpu_type *t, bool tty)
{
	AUTO_FREE char *more = xasprintf("%u%s", room_for(f, t), at_least_for(f, t) ? "+" : "");
	enum style style = room_for(f, t) ? STYLE_NONE : STYLE_FAINT;
	AUTO_STRLIST struct strlist lines = { 0 };
	AUTO_PLAN struct plan p = { 0 };

	plan_type(f, t, &p);

	AUTO_FREE char *reasons = plan_reasons(&p, "");

	split_lines(reasons, &lines);

	AUTO_FREE char *all = strlist_join(&lines, "; ");

	TABLE_ROW(out, style, vgpu_type_name(t), t->key, more, !tty ? all : lines.n ? lines.s[0] : "");
	for (size_t i = 1; tty && i < lines.n; i++)
		TABLE_ROW(out, style, "", "", "", lines.s[i]);
}

static void print_text(const struct fit *f)
{
	AUTO_TABLE struct table t = { 0 };

	TABLE_HEADER(&t, "NAME", "TYPE", "MORE", "OUT");
	for (size_t i = 0; i < f->ntypes; i++)
		add_row(&t, f, f->types[i], term_is_tty(stdout));
	table_print(&t, stdout);
}

static int gather(const struct ctx *c, struct fit *f, struct err *e)
{
	struct mig_asker asker = { 0 };
	int rc;

	catalog_load(&f->catalog, &c->root);
	rc = scan_gpus(&c->root, &f->catalog, &f->inv, e);
	if (rc == 0)
		rc = scan_all(&c->root, &f->catalog, &f->inv, e);
	if (rc < 0)
		return rc;
	f->migs = xcalloc(f->inv.ngpus, sizeof(*f->migs));
	for (size_t i = 0; i < f->inv.ngpus; i++) {
		room_ask(&c->root, &f->catalog, &f->inv, &f->inv.gpus[i]);
		mig_look(&c->root, &f->inv, &f->inv.gpus[i], &f->migs[i]);
		mig_learn_instances(&c->root, &f->inv, &f->inv.gpus[i], &f->migs[i], &asker);
	}
	catalog_save(&f->catalog, &c->root, NULL);
	/* As a start has it: a GPU that is too full to list a type is no GPU without it. */
	inventory_assume_offers(&f->inv);
	collect_types(f);
	return 0;
}

int fit_view(const struct ctx *c, struct err *e)
{
	__attribute__((cleanup(fit_free))) struct fit f = { 0 };
	int rc = gather(c, &f, e);

	if (rc < 0)
		return fail_in(e, rc, "plan");
	if (c->json)
		print_json(&f);
	else
		print_text(&f);
	for (size_t i = 0; i < f.inv.problems.n; i++)
		fprintf(stderr, "pve-vgpu: %s\n", f.inv.problems.s[i]);
	if (!f.inv.ngpus)
		fputs("pve-vgpu: no GPU of this node offers vGPUs\n"
		      "hint: `pve-vgpu types` says what to look at\n", stderr);
	return 0;
}
