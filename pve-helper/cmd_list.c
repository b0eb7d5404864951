/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "commands.h"
#include "framework.h"
#include "health.h"
#include "json_util.h"
#include "options.h"
#include "runstate.h"
#include "scan.h"
#include "term.h"
#include "vmproc.h"
#include "xalloc.h"

#define BAR_WIDTH	20

struct listing {
	struct inventory inv;
	struct vfio_users users;
	struct runstate_list states;
};

static pid_t open_by(const struct ctx *c, const struct listing *l, const struct vgpu *v)
{
	AUTO_STRLIST struct strlist names = { 0 };

	/* Without a user of /dev/vfio nothing can be open: the links need not be read. */
	if (!l->users.n || !v->exists)
		return 0;
	vgpu_vfio_names(&c->root, v, &names);
	return vfio_user_of(&l->users, &names);
}

static const char *owner_text(const struct vgpu *v)
{
	switch (v->owner) {
	case OWNER_VM:
		return "vm";
	case OWNER_STANDALONE:
		return "standalone";
	case OWNER_PVE:
		return "pve";
	case OWNER_UNKNOWN:
		break;
	}
	return "foreign";
}

static const char *name_of(const struct vgpu *v)
{
	return v->name ? v->name : v->type ? v->type : "?";
}

/* How it reaches the VM's QEMU; NULL where nothing tells. */
static const char *mode_of(const struct listing *l, const struct vgpu *v)
{
	for (size_t i = 0; i < l->states.n && v->owner == OWNER_VM; i++)
		if (l->states.s[i].vmid == v->vmid && v->index < SETTINGS_HOSTPCI_MAX)
			return vm_mode_name(l->states.s[i].modes[v->index]);
	return NULL;
}

static struct json_object *vgpu_json(const struct ctx *c, const struct listing *l,
				     const struct vgpu *v)
{
	struct json_object *o = json_object_new_object();

	json_add_str(o, "uuid", *v->uuid ? v->uuid : NULL);
	json_add_known(o, "vmid", v->vmid);
	/* PVE's reservation of a vendor VF has the VM alone. */
	if (v->vmid && v->owner != OWNER_UNKNOWN && !(v->owner == OWNER_PVE && !*v->uuid))
		json_add_num(o, "index", v->index);
	else
		json_add_str(o, "index", NULL);
	json_add_str(o, "gpu", v->on_gpu ? BDF_STR(&v->gpu) : NULL);
	json_add_str(o, "parent", v->parent_name);
	json_add_str(o, "type", v->type);
	json_add_str(o, "name", v->name);
	json_add_known(o, "framebuffer_mib", v->framebuffer_mib);
	json_add_str(o, "framework", framework_name(v->framework));
	json_add_str(o, "owner", owner_text(v));
	json_add_flag(o, "exists", v->exists);
	json_add_flag(o, "in_use", open_by(c, l, v));
	json_add_str(o, "mode", mode_of(l, v));
	return o;
}

static void print_json(const struct ctx *c, const struct listing *l)
{
	AUTO_JSON struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < l->inv.nvgpus; i++)
		json_object_array_add(all, vgpu_json(c, l, &l->inv.vgpus[i]));

	AUTO_FREE char *text = json_print(all);

	fputs(text, stdout);
}

static char *owner_label(const struct vgpu *v)
{
	return v->vmid ? xasprintf("vm %u", v->vmid) : xstrdup(owner_text(v));
}

static const char *state_text(const struct ctx *c, const struct listing *l, const struct vgpu *v)
{
	if (!v->exists)
		return "claimed";
	return open_by(c, l, v) ? "in use" : "idle";
}

static void print_records(const struct ctx *c, const struct listing *l)
{
	AUTO_TABLE struct table t = { 0 };

	TABLE_HEADER(&t, "GPU", "PARENT", "NAME", "TYPE", "VGPU", "OWNER", "STATE", "MODE");
	for (size_t i = 0; i < l->inv.nvgpus; i++) {
		const struct vgpu *v = &l->inv.vgpus[i];
		AUTO_FREE char *owner = owner_label(v);

		TABLE_ROW(&t, STYLE_NONE, v->on_gpu ? BDF_STR(&v->gpu) : "-", v->parent_name,
			  name_of(v), v->type ? v->type : "-", *v->uuid ? v->uuid : "-", owner,
			  state_text(c, l, v), mode_of(l, v) ? mode_of(l, v) : "-");
	}
	table_print(&t, stdout);
}

static void print_vgpu(const struct ctx *c, const struct listing *l, const struct vgpu *v)
{
	AUTO_FREE char *owner = owner_label(v);
	const char *state = state_text(c, l, v);
	enum style s = v->exists ? STYLE_NONE : STYLE_WARN;
	const char *mode = mode_of(l, v);

	printf("  %s%s  %-10s %-10s %-8s %-7s%s%s%s\n", term_on(stdout, s), v->parent_name, name_of(v),
	       owner, state, mode ? mode : "", *v->uuid ? "  " : "", v->uuid, term_off(stdout, s));
}

static void print_gpu(const struct listing *l, const struct gpu *g)
{
	unsigned int used = gpu_used_mib(&l->inv, g), total = gpu_total_mib(g);
	size_t n = gpu_count(&l->inv, g);
	AUTO_FREE char *bar = term_bar(used, total, BAR_WIDTH);
	AUTO_FREE char *of = total ? xasprintf(" of %u", total) : xstrdup("");

	printf("%sGPU %s%s  %s  %u%s MiB, %zu vGPU%s\n", term_on(stdout, STYLE_BOLD),
	       BDF_STR(&g->addr), term_off(stdout, STYLE_BOLD), bar, used, of, n, n == 1 ? "" : "s");
}

static void print_tree(const struct ctx *c, const struct listing *l)
{
	for (size_t i = 0; i < l->inv.ngpus; i++) {
		const struct gpu *g = &l->inv.gpus[i];

		print_gpu(l, g);
		for (size_t k = 0; k < l->inv.nvgpus; k++)
			if (l->inv.vgpus[k].on_gpu && bdf_eq(&l->inv.vgpus[k].gpu, &g->addr))
				print_vgpu(c, l, &l->inv.vgpus[k]);
	}
	for (size_t k = 0; k < l->inv.nvgpus; k++)
		if (!l->inv.vgpus[k].on_gpu)
			print_vgpu(c, l, &l->inv.vgpus[k]);
}

static int by_place(const void *a, const void *b)
{
	const struct vgpu *x = a, *y = b;
	int rc = bdf_cmp(&x->gpu, &y->gpu);

	if (rc == 0)
		rc = bdf_cmp(&x->parent, &y->parent);
	return rc ? rc : strcmp(x->uuid, y->uuid);
}

/* VFs that came up without their driver; a GPU of such alone has no vGPUs to list. */
static void print_driverless(const struct inventory *inv)
{
	for (size_t i = 0; i < inv->ngpus; i++) {
		const struct gpu *g = &inv->gpus[i];
		AUTO_FREE char *cure = health_cure(AILMENT_SOME_UNBOUND, &g->addr);

		if (g->driverless && !g->unbound)
			fprintf(stderr, "pve-vgpu: GPU %s: %s\nhint: %s\n", BDF_STR(&g->addr),
				health_cause(AILMENT_SOME_UNBOUND), cure);
	}
}

int cmd_list(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option_set set = { .json = true };
	AUTO_CATALOG struct catalog catalog = { 0 };
	AUTO_STRLIST struct strlist untold = { 0 };
	struct listing l = { 0 };
	int rc = options_count(options_read(c, argc, argv, &set, e), 0, 0, "", e);

	if (rc < 0)
		return rc;
	catalog_load(&catalog, &c->root);
	rc = scan_gpus(&c->root, &catalog, &l.inv, e);
	if (rc == 0)
		rc = scan_all(&c->root, &catalog, &l.inv, e);
	if (rc == 0) {
		scan_unseen(&c->root, &catalog, &l.inv);
		if (l.inv.nvgpus)
			qsort(l.inv.vgpus, l.inv.nvgpus, sizeof(struct vgpu), by_place);
		vfio_users_read(&c->root, &l.users);
		/* What cannot be read of them the scan has told. */
		runstate_list_read(&c->root, &l.states, &untold, NULL);
		catalog_save(&catalog, &c->root, NULL);
		if (c->json)
			print_json(c, &l);
		else if (term_is_tty(stdout))
			print_tree(c, &l);
		else
			print_records(c, &l);
		for (size_t i = 0; i < l.inv.problems.n; i++)
			fprintf(stderr, "pve-vgpu: %s\n", l.inv.problems.s[i]);
		print_driverless(&l.inv);
	}
	runstate_list_free(&l.states);
	vfio_users_free(&l.users);
	inventory_free(&l.inv);
	return rc < 0 ? fail_in(e, rc, "list") : 0;
}
