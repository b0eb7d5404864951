/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sriov_view.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "gpu_model.h"
#include "json_util.h"
#include "sriov_units.h"
#include "sriov_use.h"
#include "term.h"
#include "xalloc.h"

void sriov_rows_free(struct sriov_rows *l)
{
	for (size_t i = 0; i < l->n; i++) {
		strlist_free(&l->r[i].done);
		err_clear(&l->r[i].err);
	}
	free(take_ptr(l->r));
	l->n = 0;
}

/* One GPU, with all that is to be said of it. */
struct view {
	struct sriov s;
	struct node_keys keys;
	bool has_keys;
	char *model, *unit;
	struct strlist users;
	bool users_known;
	char *problem, *cure;		/* NULL: none */
};

static void view_free(struct view *v)
{
	sriov_free(&v->s);
	free(v->model);
	free(v->unit);
	strlist_free(&v->users);
	free(v->problem);
	free(v->cure);
}

/* What is wrong: with the settings, with the GPU; and VFs that are asked for and not there. */
static void find_problem(const struct sriov_node *n, struct view *v, struct err *conf)
{
	const struct sick_gpu *sick = health_of(&n->health, &v->s.addr);

	if (conf->msg) {
		v->problem = xstrdup(conf->msg);
		v->cure = conf->hint ? xstrdup(conf->hint) : NULL;
	} else if (sick && (sick->what != AILMENT_NO_VFS || v->keys.sriov == SAID_YES)) {
		v->problem = xstrdup(health_cause(sick->what));
		v->cure = sick->what == AILMENT_NO_VFS ?
			xasprintf("pve-vgpu sriov enable %s", BDF_STR(&v->s.addr)) :
			health_cure(sick->what, &v->s.addr);
	} else if (v->keys.sriov == SAID_YES && !v->s.capable) {
		v->problem = xstrdup("it has no SR-IOV, and is to have VFs");
		v->cure = xasprintf("[gpu %s] sriov = no in /" NODE_CONF_PATH, BDF_STR(&v->s.addr));
	} else if (v->keys.sriov == SAID_YES && !v->s.num) {
		v->problem = xstrdup("its VFs are not there");
		v->cure = xasprintf("pve-vgpu sriov enable %s", BDF_STR(&v->s.addr));
	}
}

static int look(const struct sriov_node *n, const struct bdf *gpu, struct view *v, struct err *e)
{
	AUTO_ERR struct err conf = { 0 };
	int rc = sriov_look(&n->c->root, gpu, &v->s, e);

	if (rc < 0)
		return rc;
	v->has_keys = sriov_node_keys(n, gpu, &v->keys, &conf) == 0;
	v->model = gpu_model(&n->c->root, gpu);
	v->unit = v->s.vendor == PCI_VENDOR_NVIDIA ? sriov_pve_unit(&n->c->root, gpu) : NULL;
	v->users_known = sriov_users(&n->c->root, &n->inv, &v->s, &v->users, NULL) == 0;
	find_problem(n, v, &conf);
	return 0;
}

static void add_list(struct json_object *o, const char *key, const struct strlist *l)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < l->n; i++)
		json_object_array_add(a, json_object_new_string(l->s[i]));
	json_object_object_add(o, key, a);
}

static void add_said(struct json_object *o, const char *key, enum said said)
{
	if (said == SAID_NOTHING)
		json_add_str(o, key, NULL);
	else
		json_add_flag(o, key, said == SAID_YES);
}

static void add_view(struct json_object *o, const struct view *v)
{
	json_add_str(o, "vendor", sriov_vendor_name(v->s.vendor, (char[8]){ 0 }));
	json_add_str(o, "model", v->model);
	json_add_str(o, "driver", *v->s.driver ? v->s.driver : NULL);
	json_add_flag(o, "sriov", v->s.capable);
	json_add_num(o, "totalvfs", v->s.total);
	json_add_num(o, "numvfs", v->s.num);
	json_add_num(o, "bound", v->s.bound);
	if (v->users_known)
		add_list(o, "in_use", &v->users);
	else
		json_add_str(o, "in_use", NULL);
	add_said(o, "configured", v->keys.sriov);
	add_said(o, "mixed_size", v->keys.mixed_size);
	json_add_str(o, "other_unit", v->unit);
	json_add_str(o, "problem", v->problem);
	json_add_str(o, "cure", v->cure);
}

static struct json_object *row_json(const struct sriov_node *n, const struct sriov_row *row)
{
	__attribute__((cleanup(view_free))) struct view v = { 0 };
	AUTO_ERR struct err e = { 0 };
	struct json_object *o = json_object_new_object();

	json_add_str(o, "gpu", BDF_STR(&row->gpu));
	if (look(n, &row->gpu, &v, &e) < 0) {
		v.s.driver = xstrdup("");
		v.problem = take_ptr(e.msg);
		v.cure = take_ptr(e.hint);
	}
	add_view(o, &v);
	add_list(o, "done", &row->done);
	json_add_str(o, "error", row->err.msg);
	return o;
}

void sriov_print_json(const struct sriov_node *n, const struct sriov_rows *l)
{
	AUTO_JSON struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < l->n; i++)
		json_object_array_add(all, row_json(n, &l->r[i]));

	AUTO_FREE char *text = json_print(all);

	fputs(text, stdout);
}

static const char *configured(const struct view *v)
{
	if (v->unit)
		return v->unit;
	if (!v->has_keys)
		return "?";
	return v->keys.sriov == SAID_YES ? v->keys.mixed_size == SAID_YES ? "yes, mixed sizes" : "yes" : "no";
}

static void print_row(const struct view *v, struct table *t)
{
	AUTO_FREE char *vfs = v->s.capable ? xasprintf("%u/%u", v->s.num, v->s.total) : xstrdup("-");
	AUTO_FREE char *bound = xasprintf("%zu", v->s.bound);
	AUTO_FREE char *users = v->users_known ? xasprintf("%zu", v->users.n) : xstrdup("?");
	const char *what = v->model ? v->model : sriov_vendor_name(v->s.vendor, (char[8]){ 0 });

	TABLE_ROW(t, v->problem ? STYLE_WARN : STYLE_NONE, BDF_STR(&v->s.addr), what,
		  *v->s.driver ? v->s.driver : "-", vfs, bound, users, configured(v));
}

void sriov_print_status(const struct sriov_node *n, const struct sriov_rows *l)
{
	AUTO_TABLE struct table t = { 0 };
	AUTO_STRLIST struct strlist remarks = { 0 };

	TABLE_HEADER(&t, "GPU", "MODEL", "DRIVER", "VFS", "BOUND", "IN USE", "AT BOOT");
	for (size_t i = 0; i < l->n; i++) {
		__attribute__((cleanup(view_free))) struct view v = { 0 };
		AUTO_ERR struct err e = { 0 };
		const char *at = BDF_STR(&l->r[i].gpu);

		if (look(n, &l->r[i].gpu, &v, &e) < 0) {
			strlist_take(&remarks, xasprintf("pve-vgpu: %s\nhint: %s", e.msg, e.hint ? e.hint : "dmesg"));
			continue;
		}
		print_row(&v, &t);
		if (v.problem)
			strlist_take(&remarks, xasprintf("pve-vgpu: GPU %s: %s%s%s", at, v.problem,
							 v.cure ? "\nhint: " : "", v.cure ? v.cure : ""));
	}
	table_print(&t, stdout);
	fflush(stdout);
	for (size_t i = 0; i < remarks.n; i++)
		fprintf(stderr, "%s\n", remarks.s[i]);
}
