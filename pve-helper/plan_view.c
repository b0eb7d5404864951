/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "plan_view.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "explain.h"
#include "framework.h"
#include "intent.h"
#include "json_util.h"
#include "mig_instances.h"
#include "mig_outs.h"
#include "plan_asked.h"
#include "runstate.h"
#include "scan.h"
#include "scheduler_file.h"
#include "settings_file.h"
#include "vmconf_file.h"
#include "xalloc.h"

struct view {
	const struct ctx *c;
	unsigned int vmid;
	struct settings settings;
	struct vmconf conf;
	struct catalog catalog;
	struct inventory inv;
	struct want_list wants;
	struct json_object *out;	/* NULL: print text */
	size_t unserved;
	struct mig_asker asker;
};

static void view_free(struct view *v)
{
	json_put(&v->out);
	want_list_free(&v->wants);
	inventory_free(&v->inv);
	catalog_free(&v->catalog);
	vmconf_free(&v->conf);
	settings_free(&v->settings);
}

/* How it would reach QEMU; NULL where nothing attaches it. */
static const char *mode_of(const struct view *v, const struct want *w)
{
	return vm_mode_name(attach_mode(v->wants.attach[w - v->wants.w]));
}

static void print_plan(const struct view *v, const struct want *w, const struct plan *p)
{
	AUTO_FREE char *reasons = plan_reasons(p, "  out: ");
	const char *mode = mode_of(v, w);

	printf("hostpci%u: %s%s%s\n", w->index, vgpu_type_name(w->choices[0]), mode ? ", mode " : "",
	       mode ? mode : "");
	for (size_t i = 0; i < p->ncandidates; i++) {
		const struct candidate *k = &p->candidates[i];

		printf("  %zu. %s (%s) on %s, GPU %s, room for %u\n", i + 1, vgpu_type_name(k->type),
		       k->type->key, BDF_STR(&k->parent), BDF_STR(&k->gpu->addr), k->room);
	}
	if (!p->ncandidates)
		puts("  no place");
	if (*reasons)
		puts(reasons);
}

/*
 * One wanted vGPU. mapping: qemu-server picks the place from it, or NULL. has:
 * what there is already, taken over; NULL: nothing.
 */
static struct json_object *json_row(unsigned int index, const char *mode, const char *mapping,
				    struct json_object *has)
{
	struct json_object *o = json_object_new_object();

	json_add_num(o, "index", index);
	json_add_str(o, "mode", mode);
	json_add_str(o, "mapping", mapping);
	json_object_object_add(o, "has", has);
	json_object_object_add(o, "candidates", json_object_new_array());
	json_object_object_add(o, "out", json_object_new_array());
	return o;
}

static void json_plan(struct view *v, const struct want *w, const struct plan *p)
{
	struct json_object *o = json_row(w->index, mode_of(v, w), NULL, NULL);
	struct json_object *candidates = json_arr(o, "candidates"), *outs = json_arr(o, "out");

	for (size_t i = 0; i < p->ncandidates; i++) {
		const struct candidate *k = &p->candidates[i];
		struct json_object *row = json_object_new_object();

		json_add_str(row, "type", k->type->key);
		json_add_str(row, "name", vgpu_type_name(k->type));
		json_add_str(row, "gpu", BDF_STR(&k->gpu->addr));
		json_add_str(row, "parent", BDF_STR(&k->parent));
		json_add_num(row, "room", k->room);
		json_object_array_add(candidates, row);
	}
	for (size_t i = 0; i < p->nouts; i++) {
		struct json_object *row = json_object_new_object();

		json_add_str(row, "type", p->outs[i].type->key);
		json_add_str(row, "name", vgpu_type_name(p->outs[i].type));
		json_add_str(row, "gpu", BDF_STR(&p->outs[i].gpu->addr));
		json_add_str(row, "why", p->outs[i].why);
		json_object_array_add(outs, row);
	}
	json_object_array_add(v->out, o);
}

/* The VM's own vGPU of that index, which a start takes over. */
static const struct vgpu *has_already(const struct view *v, const struct want *w)
{
	for (size_t i = 0; i < v->inv.nvgpus; i++) {
		const struct vgpu *own = &v->inv.vgpus[i];

		if (own->vmid == v->vmid && own->index == w->index && own->exists)
			return own;
	}
	return NULL;
}

static void show_existing(struct view *v, const struct want *w, const struct vgpu *there)
{
	struct json_object *row, *has;

	if (!v->out) {
		printf("hostpci%u: has %s on %s already\n", w->index,
		       there->name ? there->name : there->type, there->parent_name);
		return;
	}
	has = json_object_new_object();
	json_add_str(has, "type", there->type);
	json_add_str(has, "name", there->name);
	json_add_str(has, "gpu", BDF_STR(&there->gpu));
	json_add_str(has, "parent", there->parent_name);
	row = json_row(w->index, mode_of(v, w), NULL, has);
	json_object_array_add(v->out, row);
}

/* GPUs that are out for the sizes they hold, and whose scheduler takes no others. */
static void remark_sizes(const struct view *v, const struct plan *p)
{
	for (size_t i = 0; i < p->nouts; i++) {
		const struct bdf *gpu = &p->outs[i].gpu->addr;
		AUTO_FREE char *against = p->outs[i].size ?
			scheduler_against_sizes(&v->c->root, gpu) : NULL;

		if (against)
			fprintf(stderr, "pve-vgpu: vm %u: GPU %s: %s\n", v->vmid, BDF_STR(gpu), against);
	}
}

/* A GPU that MIG keeps from serving: the mode is asked for, and what instances there are. */
static void explain_mig(struct view *v, const struct want *w, struct plan *p)
{
	for (size_t i = 0; i < v->inv.ngpus; i++) {
		struct gpu *g = &v->inv.gpus[i];
		struct mig m;

		if (!mig_outs_concern(p, w, g))
			continue;
		mig_ask(&v->c->root, &v->catalog, &v->inv, g, &m);
		if (mig_outs_need_instances(p, w, g, &m))
			mig_learn_instances(&v->c->root, &v->inv, g, &m, &v->asker);
		mig_outs_explain(p, w, g, &m);
	}
}

static void view_want(struct view *v, const struct want *w)
{
	const struct vgpu *there = has_already(v, w);
	AUTO_PLAN struct plan p = { 0 };

	if (there) {
		show_existing(v, w, there);
		return;
	}
	plan_asked(&v->c->root, &v->catalog, &v->inv, w, &p);
	explain_mig(v, w, &p);
	if (v->out)
		json_plan(v, w, &p);
	else
		print_plan(v, w, &p);
	remark_sizes(v, &p);
	if (!p.ncandidates) {
		v->unserved++;
		return;
	}

	/* The next one is planned with this one in its place, as a start does. */
	struct vgpu taken;

	plan_vgpu(&p.candidates[0], w, &taken);
	inventory_add(&v->inv, &taken);
	vgpu_clear(&taken);
}

static const struct want *want_of(const struct view *v, unsigned int index)
{
	for (size_t i = 0; i < v->wants.n; i++)
		if (v->wants.w[i].index == index)
			return &v->wants.w[i];
	return NULL;
}

/*
 * What the VM has from before: a start takes over what serves, and gives the
 * rest back before it looks for places.
 */
static void settle_own(struct view *v)
{
	for (size_t i = v->inv.nvgpus; i-- > 0;) {
		struct vgpu *own = &v->inv.vgpus[i];
		const struct want *w = want_of(v, own->index);

		if (own->vmid != v->vmid || (own->owner != OWNER_VM && !w))
			continue;
		/* On vendor VFIO the record alone has been read until now. */
		if (!own->exists && own->framework == FRAMEWORK_NVIDIA_VFIO)
			own->exists = framework_nvidia_vfio.present(&v->c->root, own, NULL) > 0;
		if (!own->exists || !w || !want_is_served_by(w, own))
			inventory_drop(&v->inv, i);
	}
}

static int gather(struct view *v, const struct vm_settings *vs, struct err *e)
{
	int rc;

	catalog_load(&v->catalog, &v->c->root);
	rc = scan_gpus(&v->c->root, &v->catalog, &v->inv, e);
	if (rc == 0)
		rc = intent_wants(v->c, vs, &v->conf, &v->catalog, &v->inv, NULL, 0, &v->wants, e);
	if (rc == 0)
		rc = scan_taken(&v->c->root, &v->catalog, v->vmid, &v->inv, e);
	if (rc == 0)
		settle_own(v);
	return rc;
}

/* An incoming migration starts with the config as it is. */
static int read_conf(struct view *v, struct err *e)
{
	const char *from = v->c->migrated_from;

	return from && *from ? vmconf_read(&v->c->root, v->vmid, from, &v->conf, e) :
		vmconf_read_next(&v->c->root, v->vmid, &v->conf, e);
}

static int read_vm(struct view *v, bool need_intent, const struct vm_settings **vs, struct err *e)
{
	int rc = settings_read(&v->c->root, &v->settings, e);

	if (rc == 0)
		rc = settings_vm(&v->settings, v->vmid, vs, e);
	if (rc == 0)
		rc = read_conf(v, e);
	if (rc < 0 || v->conf.template)
		return rc;
	rc = *vs ? intent_check_identity(*vs, &v->conf, e) : 0;
	if (rc == 0)
		rc = intent_check_carried(v->c, &v->settings, v->vmid, &v->conf, e);
	if (rc < 0 || *vs || !need_intent)
		return rc;
	fail(e, -ENOENT, "the VM has no intent");
	err_hint(e, "add to /etc/pve/pve-vgpu.conf: [vm %u] and below it hostpci0 = <type>", v->vmid);
	return -ENOENT;
}

/* A refusal, with the GPUs that could serve and do not. */
static int explain(struct view *v, const struct vm_settings *vs, int rc, struct err *e)
{
	AUTO_STRLIST struct strlist asked = { 0 };
	struct explain x = {
		.catalog = &v->catalog, .inv = &v->inv, .wants = v->wants.w, .nwants = v->wants.n,
		.asked = &asked, .vmid = v->vmid, .by_board = vs && vs->boards.n,
	};

	for (size_t i = 0; vs && i < vs->n_intents; i++)
		for (size_t k = 0; k < vs->intents[i].choices.n; k++)
			strlist_add(&asked, vs->intents[i].choices.s[k]);
	return explain_refusal(v->c, &x, rc, e);
}

int plan_view(const struct ctx *c, unsigned int vmid, bool need_intent, struct err *e)
{
	__attribute__((cleanup(view_free))) struct view v = { .c = c, .vmid = vmid };
	const struct vm_settings *vs = NULL;
	int rc = read_vm(&v, need_intent, &vs, e);

	if (rc == 0 && v.conf.template)
		fprintf(stderr, "pve-vgpu: vm %u: is a template: nothing is made for it\n", vmid);
	else if (rc == 0 && !vs)
		fprintf(stderr, "pve-vgpu: vm %u: has no intent: nothing is made for it\n", vmid);
	else if (rc == 0) {
		rc = gather(&v, vs, e);
		explain(&v, vs, rc, e);
	}
	if (rc < 0)
		return fail_in(e, rc, "vm %u: plan", vmid);
	for (size_t i = 0; i < v.wants.notes.n; i++)
		fprintf(stderr, "pve-vgpu: vm %u: %s\n", vmid, v.wants.notes.s[i]);
	if (c->json)
		v.out = json_object_new_array();
	for (size_t i = 0; i < v.wants.n; i++)
		view_want(&v, &v.wants.w[i]);
	for (size_t i = 0; i < v.wants.nleft && v.out; i++)
		json_object_array_add(v.out, json_row(v.wants.left[i].index, vm_mode_name(MODE_NATIVE),
						      v.wants.left[i].mapping, NULL));
	if (v.out) {
		AUTO_FREE char *text = json_print(v.out);

		fputs(text, stdout);
	}
	if (v.unserved) {
		fail(e, -ENOSPC, "vm %u: plan: no place for %zu of its %zu vGPUs", vmid, v.unserved,
		     v.wants.n);
		err_hint(e, "stop a VM or choose another type; `pve-vgpu types` shows what fits");
		return explain(&v, vs, -ENOSPC, e);
	}
	return 0;
}

int plan_view_release(const struct ctx *c, unsigned int vmid, const char *phase,
		      struct err *e)
{
	AUTO_RUNSTATE struct runstate s = { 0 };
	int rc = runstate_read(&c->root, vmid, &s, e);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	err_clear(e);
	for (size_t i = 0; i < s.nvgpus && !strcmp(phase, "post-stop"); i++)
		printf("vm %u: would remove %s on %s\n", vmid,
		       s.vgpus[i].name ? s.vgpus[i].name : s.vgpus[i].type, s.vgpus[i].parent_name);
	return 0;
}
