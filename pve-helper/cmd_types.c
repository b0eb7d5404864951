/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "commands.h"
#include "foreign.h"
#include "framework.h"
#include "health.h"
#include "instances_view.h"
#include "json_util.h"
#include "mig.h"
#include "mig_instances.h"
#include "options.h"
#include "room.h"
#include "scan.h"
#include "scheduler_file.h"
#include "term.h"
#include "xalloc.h"

/* true, false, or null where the mode is not known. */
static void add_mig(struct json_object *row, const struct mig *m)
{
	if (m->mode == MIG_UNKNOWN)
		json_add_str(row, "mig", NULL);
	else
		json_add_flag(row, "mig", m->mode == MIG_ON);
	if (m->instances < 0)
		json_add_str(row, "gpu_instances", NULL);
	else
		json_add_num(row, "gpu_instances", (uint64_t)m->instances);
}

/* Where a row is of a parent that is no GPU; for a GPU's own these are empty. */
static void add_foreign(struct json_object *row, const struct foreign_parent *p)
{
	json_add_flag(row, "offered", !p);
	json_add_str(row, "parent", p ? p->name : NULL);
	json_add_str(row, "path", p ? p->path : NULL);
	json_add_str(row, "driver", p ? p->driver : NULL);
}

/* Of such a type no more is known than its name, and that nothing is made of it here. */
static struct json_object *foreign_json(const struct foreign_parent *p, const char *type)
{
	static const struct mig none = { .mode = MIG_UNKNOWN, .instances = -1 };
	struct json_object *row = json_object_new_object();
	const char *dash = strchr(type, '-');

	json_add_str(row, "gpu", NULL);
	json_add_str(row, "framework", framework_name(FRAMEWORK_MDEV));
	json_add_str(row, "type", type);
	json_add_str(row, "id", dash ? dash + 1 : type);
	json_add_str(row, "name", type);
	json_add_str(row, "full_name", type);
	json_add_known(row, "framebuffer_mib", 0);
	json_add_known(row, "max_instance", 0);
	json_add_num(row, "available", 0);
	json_add_flag(row, "available_at_least", false);
	add_mig(row, &none);
	json_object_object_add(row, "instances", json_object_new_array());
	add_foreign(row, p);
	return row;
}

static struct json_object *offer_json(const struct inventory *inv, const struct gpu *g,
				      const struct offer *o, const struct mig *m)
{
	const struct vgpu_type *t = o->type;
	struct json_object *row = json_object_new_object();

	json_add_str(row, "gpu", BDF_STR(&g->addr));
	json_add_str(row, "framework", framework_name(g->framework));
	json_add_str(row, "type", t->key);
	if (t->number)
		json_add_num(row, "id", t->number);
	else
		json_add_str(row, "id", vgpu_type_id(t));
	json_add_str(row, "name", vgpu_type_name(t));
	json_add_str(row, "full_name", t->full_name);
	json_add_known(row, "framebuffer_mib", t->framebuffer_mib);
	json_add_known(row, "max_instance", t->max_instance);
	if (o->known)
		json_add_num(row, "available", o->available);
	else
		json_add_str(row, "available", NULL);
	json_add_flag(row, "available_at_least", o->at_least);
	add_mig(row, m);
	json_object_object_add(row, "instances", instances_json(inv, g, o));
	add_foreign(row, NULL);
	return row;
}

static void print_json(const struct inventory *inv, const struct mig *migs,
		       const struct foreign_list *foreign)
{
	AUTO_JSON struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < inv->ngpus; i++)
		for (size_t k = 0; k < inv->gpus[i].noffers; k++)
			json_object_array_add(all, offer_json(inv, &inv->gpus[i],
								  &inv->gpus[i].offers[k], &migs[i]));
	for (size_t i = 0; i < foreign->n; i++)
		for (size_t k = 0; k < foreign->p[i].types.n; k++)
			json_object_array_add(all, foreign_json(&foreign->p[i], foreign->p[i].types.s[k]));

	AUTO_FREE char *text = json_print(all);

	fputs(text, stdout);
}

static char *number_or(unsigned int n, bool known)
{
	return known ? xasprintf("%u", n) : xstrdup("?");
}

/* Where a GPU's row has the friendly name these have a mark; none has room. */
static void add_foreign_rows(struct table *t, const struct foreign_parent *p)
{
	AUTO_FREE char *mark = xasprintf("(%s: no GPU, not offered)", p->driver);

	for (size_t i = 0; i < p->types.n; i++)
		TABLE_ROW(t, STYLE_FAINT, p->name, mark, p->types.s[i], "?", "?", "0");
}

static void print_text(const struct inventory *inv, const struct foreign_list *foreign)
{
	AUTO_TABLE struct table t = { 0 };

	TABLE_HEADER(&t, "GPU", "NAME", "TYPE", "MIB", "MAX", "AVAILABLE");
	for (size_t i = 0; i < inv->ngpus; i++)
		for (size_t k = 0; k < inv->gpus[i].noffers; k++) {
			const struct gpu *g = &inv->gpus[i];
			const struct offer *o = &g->offers[k];
			AUTO_FREE char *mib = number_or(o->type->framebuffer_mib, o->type->framebuffer_mib);
			AUTO_FREE char *max = number_or(o->type->max_instance, o->type->max_instance);
			AUTO_FREE char *available = o->at_least ? xasprintf("%u+", o->available) :
				number_or(o->available, o->known);

			TABLE_ROW(&t, o->known && !o->available ? STYLE_FAINT : STYLE_NONE,
				  BDF_STR(&g->addr), vgpu_type_name(o->type), o->type->key, mib, max,
				  available);
		}
	for (size_t i = 0; i < foreign->n; i++)
		add_foreign_rows(&t, &foreign->p[i]);
	table_print(&t, stdout);
	instances_print(inv);
}

/* By size, then by name: the order in which people look for a type. */
static int by_size(const void *a, const void *b)
{
	const struct vgpu_type *x = ((const struct offer *)a)->type;
	const struct vgpu_type *y = ((const struct offer *)b)->type;

	if (x->framebuffer_mib != y->framebuffer_mib)
		return x->framebuffer_mib < y->framebuffer_mib ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void remark_mig(const struct gpu *g, const struct mig *m)
{
	const char *at = BDF_STR(&g->addr);

	if (!mig_board(g) || m->mode == MIG_UNKNOWN)
		return;
	if (m->mode == MIG_OFF)
		fprintf(stderr, "pve-vgpu: GPU %s: MIG mode is off: its MIG-backed types have no room (nvidia-smi -i %s "
			"-mig 1, with its VFs disabled, turns it on)\n", at, at);
	else if (!m->instances)
		fprintf(stderr, "pve-vgpu: GPU %s: MIG mode is on and there is no GPU instance: none of its "
			"types has room\nhint: nvidia-smi mig -i %s -cgi <profile> -C (nvidia-smi mig -i %s -lgip "
			"lists the profiles)\n", at, at, at);
	else if (m->instances > 0)
		fprintf(stderr, "pve-vgpu: GPU %s: MIG mode is on, %d GPU instance%s: its time-sliced types have no room\n",
			at, m->instances, m->instances == 1 ? "" : "s");
	else
		fprintf(stderr, "pve-vgpu: GPU %s: MIG mode is on: its time-sliced types have no room\n", at);
}

/* Whether the driver takes a size beside another one that is there, or has done so. */
static bool takes_other_sizes(const struct inventory *inv, const struct gpu *g)
{
	for (size_t i = 0; i < g->noffers; i++) {
		const struct vgpu_type *t = g->offers[i].type;
		bool has = g->offers[i].available;

		for (size_t k = 0; k < inv->nvgpus && !has; k++)
			has = inv->vgpus[k].exists && inv->vgpus[k].on_gpu && inv->vgpus[k].type &&
				bdf_eq(&inv->vgpus[k].gpu, &g->addr) && !strcmp(inv->vgpus[k].type, t->key);
		if (has && gpu_holds_other_size(inv, g, t))
			return true;
	}
	return false;
}

/* Several sizes on a GPU with a scheduler that is not made for them. */
static void remark_scheduler(const struct root *r, const struct inventory *inv, const struct gpu *g)
{
	AUTO_FREE char *against = takes_other_sizes(inv, g) ?
		scheduler_against_sizes(r, &g->addr) : NULL;

	if (against)
		fprintf(stderr, "pve-vgpu: GPU %s: is in mixed-size mode: %s\n", BDF_STR(&g->addr), against);
}

/* What keeps GPUs from serving, one remark each. */
static void print_remarks(const struct ctx *c, struct catalog *catalog, struct inventory *inv,
			  const struct mig *migs)
{
	AUTO_HEALTH struct health h = { 0 };

	health_check(&c->root, catalog, inv, true, &h);
	for (size_t i = 0; i < h.n; i++) {
		const struct sick_gpu *s = &h.sick[i];
		AUTO_FREE char *cure = health_cure(s->what, &s->addr);

		fprintf(stderr, "pve-vgpu: GPU %s: %s\nhint: %s\n", BDF_STR(&s->addr),
			health_cause(s->what), cure);
	}
	for (size_t i = 0; i < inv->ngpus; i++)
		remark_scheduler(&c->root, inv, &inv->gpus[i]);
	for (size_t i = 0; i < inv->ngpus; i++)
		if (!health_of(&h, &inv->gpus[i].addr) || health_of(&h, &inv->gpus[i].addr)->serves)
			remark_mig(&inv->gpus[i], &migs[i]);
}

int cmd_types(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option_set set = { .json = true };
	AUTO_CATALOG struct catalog catalog = { 0 };
	AUTO_INVENTORY struct inventory inv = { 0 };
	AUTO_FOREIGN struct foreign_list foreign = { 0 };
	AUTO_FREE struct mig *migs = NULL;
	struct mig_asker asker = { 0 };
	int rc = options_count(options_read(c, argc, argv, &set, e), 0, 0, "", e);

	if (rc < 0)
		return rc;
	catalog_load(&catalog, &c->root);
	rc = scan_gpus(&c->root, &catalog, &inv, e);
	if (rc == 0)
		rc = scan_all(&c->root, &catalog, &inv, e);
	mdev_check_drivers(&c->root, &inv);
	if (rc < 0)
		return fail_in(e, rc, "types");
	migs = xcalloc(inv.ngpus, sizeof(*migs));
	for (size_t i = 0; i < inv.ngpus; i++) {
		room_ask(&c->root, &catalog, &inv, &inv.gpus[i]);
		if (inv.gpus[i].noffers)
			qsort(inv.gpus[i].offers, inv.gpus[i].noffers, sizeof(struct offer), by_size);
		mig_look(&c->root, &inv, &inv.gpus[i], &migs[i]);
		mig_learn_instances(&c->root, &inv, &inv.gpus[i], &migs[i], &asker);
	}
	catalog_save(&catalog, &c->root, NULL);
	foreign_read(&c->root, &inv, &foreign);
	if (c->json)
		print_json(&inv, migs, &foreign);
	else
		print_text(&inv, &foreign);
	for (size_t i = 0; i < inv.problems.n; i++)
		fprintf(stderr, "pve-vgpu: %s\n", inv.problems.s[i]);
	print_remarks(c, &catalog, &inv, migs);
	if (!inv.ngpus) {
		fputs("pve-vgpu: no GPU of this node offers vGPUs\n"
		      "hint: is NVIDIA's vGPU host driver loaded (lsmod | grep nvidia_vgpu_vfio), are the VFs "
		      "enabled (/usr/lib/nvidia/sriov-manage -e ALL), is the IOMMU on (dmesg | grep -i iommu)?\n",
		      stderr);
	}
	return 0;
}
