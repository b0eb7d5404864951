/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "create_configured.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assign.h"
#include "cleanup.h"
#include "clock.h"
#include "explain.h"
#include "framework.h"
#include "intent.h"
#include "json_util.h"
#include "lock.h"
#include "node_conf_file.h"
#include "quote.h"
#include "scan.h"
#include "standalone.h"
#include "xalloc.h"

#define WHO	"create --configured"
/* Above lock-wait: by then a `create` by hand has made its vGPU or has taken its claim back. */
#define UNDONE_MS	10000

enum outcome { FAILED, THERE, MADE, WOULD_MAKE };

static const char *const words[] = {
	[FAILED] = "failed", [THERE] = "there", [MADE] = "made", [WOULD_MAKE] = "would-make",
};

/* A [vgpu] and what came of it. */
struct row {
	const struct node_vgpu *conf;
	enum outcome outcome;
	struct vgpu v;		/* but for FAILED */
	struct err err;
};

struct rows {
	struct row *r;
	size_t n;
};

static void rows_free(struct rows *l)
{
	for (size_t i = 0; i < l->n; i++) {
		vgpu_clear(&l->r[i].v);
		err_clear(&l->r[i].err);
	}
	free(l->r);
}

/* --- what the section asks for -------------------------------------------- */

/* A UUID that qemu-server would give a VM's vGPU is that VM's, here as in gc. */
static int check_name(const struct node_vgpu *conf, struct err *e)
{
	unsigned int vmid, index;

	if (conf->on_vf || !vgpu_pve_uuid_parse(conf->name, &vmid, &index))
		return 0;
	fail(e, -EINVAL, "the UUID is what Proxmox gives hostpci%u of vm %u", index, vmid);
	err_hint(e, "take another one: `uuidgen` makes it");
	return -EINVAL;
}

static int check_vf(const struct node_vgpu *conf, const struct inventory *inv, struct err *e)
{
	const struct gpu *g = inventory_gpu_of(inv, &conf->vf);

	if (!conf->on_vf || (g && g->framework == FRAMEWORK_NVIDIA_VFIO))
		return 0;
	if (g) {
		fail(e, -EINVAL, "%s is on the mdev bus, where a vGPU is named by a UUID", conf->name);
		err_hint(e, "write [vgpu <uuid>] (`uuidgen` makes one), and gpu = %s", BDF_STR(&g->addr));
		return -EINVAL;
	}
	fail(e, -ENODEV, "%s is no VF of a GPU with vGPUs", conf->name);
	err_hint(e, "`pve-vgpu types` shows the GPUs of this node, `pve-vgpu sriov status` whether their VFs are there");
	return -ENODEV;
}

/* An mdev is asked for by its UUID, and vendor VFIO has none. */
static int check_framework(const struct node_vgpu *conf, const struct inventory *inv, struct err *e)
{
	for (size_t i = 0; i < inv->ngpus && !conf->on_vf; i++)
		if (inv->gpus[i].framework == FRAMEWORK_MDEV)
			return 0;
	if (conf->on_vf || !inv->ngpus)
		return 0;
	fail(e, -EINVAL, "with vendor VFIO, as here, a vGPU has no UUID");
	err_hint(e, "write the VF in its place: [vgpu %s]", BDF_STR(&inv->gpus[0].parents[0]));
	return -EINVAL;
}

/* The GPUs that 'gpu =' means. */
static int find_gpus(const struct ctx *c, const struct node_vgpu *conf, struct standalone *n,
		     struct err *e)
{
	AUTO_STRLIST struct strlist out = { 0 };

	for (size_t i = 0; i < conf->n_gpus; i++) {
		const struct bdf *at = &conf->gpus[i];

		if (!inventory_gpu(&n->inv, at)) {
			strlist_take(&out, xasprintf("%s is no GPU with vGPUs", BDF_STR(at)));
			continue;
		}

		struct bdf *may = GROW(n->gpus, n->ngpus);

		*may = *at;
	}
	intent_boards(c, &conf->boards, &n->catalog, &n->inv, n->who, n->deadline, &n->gpus, &n->ngpus,
		      &out);
	if (n->ngpus || !out.n)
		return 0;

	AUTO_FREE char *list = strlist_join(&out, "; ");

	fail(e, -ENODEV, "gpu: %s", list);
	err_hint(e, "`pve-vgpu types` shows the GPUs of this node, `pve-vgpu sriov status` those that lack their VFs");
	return -ENODEV;
}

/* --- what is there -------------------------------------------------------- */

static bool is_there(const struct ctx *c, const struct runstate *s)
{
	for (size_t i = 0; i < s->nvgpus; i++)
		if (framework_ops(s->vgpus[i].framework)->present(&c->root, &s->vgpus[i], NULL) != 0)
			return true;
	return false;
}

/*
 * A record whose vGPU is not there is of a try that was killed, or its vGPU was
 * taken away; it must not keep us from the place. Nobody else makes this UUID
 * while we have the lock of standalone vGPUs; on a VF a `create` may be at work.
 */
static int forget(const struct ctx *c, const struct node_vgpu *conf, const struct standalone *n,
		  struct err *e)
{
	AUTO_RUNSTATE_LIST struct runstate_list states = { 0 };
	AUTO_STRLIST struct strlist problems = { 0 };
	int rc = c->dry_run ? 0 : runstate_list_read(&c->root, &states, &problems, e);

	for (size_t i = 0; i < states.n && rc == 0; i++) {
		struct runstate *s = &states.s[i];
		int64_t age_ms = clock_ms() - s->claimed_ms;

		if (s->vmid || strcmp(s->id, conf->name) || is_there(c, s))
			continue;
		if (conf->on_vf && age_ms >= 0 &&
		    age_ms < (int64_t)n->settings.lock_wait_s * 1000 + UNDONE_MS)
			continue;
		while (s->nvgpus)
			runstate_drop(s, s->nvgpus - 1);
		rc = runstate_write(&c->root, s, e);
	}
	return rc;
}

/* Whether what is there is what is asked for. */
static int judge(const struct node_vgpu *conf, const struct vgpu *v, const struct vgpu_type *type,
		 struct err *e)
{
	const char *name = v->name ? v->name : v->type;

	if (v->vmid) {
		fail(e, -EBUSY, "%s is vm %u's", v->parent_name, v->vmid);
		err_hint(e, "stop that VM and start pve-vgpu-standalone.service, or name another VF");
		return -EBUSY;
	}
	if (!v->exists) {
		fail(e, -EBUSY, "%s is claimed by a `create` that is at work, or was killed a moment ago", v->parent_name);
		err_hint(e, "again in two minutes: systemctl restart pve-vgpu-standalone.service");
		return -EBUSY;
	}
	if (strcmp(v->type, type->key)) {
		fail(e, -EEXIST, "it is there as %s on %s, and node.conf has %s", name, v->parent_name,
		     vgpu_type_name(type));
		err_hint(e, v->owner == OWNER_STANDALONE ? "`pve-vgpu remove %s` and then again, or type = %s in its section" :
			 "whoever made %s has to remove it, or type = %s in its section", conf->name, name);
		return -EEXIST;
	}
	return 0;
}

static const struct vgpu *find_there(const struct node_vgpu *conf, const struct inventory *inv)
{
	return conf->on_vf ? inventory_on(inv, &conf->vf) : inventory_by_uuid(inv, conf->name);
}

/* --- one of them ---------------------------------------------------------- */

/* See what there is and what is taken, and find the type that is meant. */
static int look(const struct ctx *c, const struct node_vgpu *conf, struct standalone *n,
		const struct vgpu_type **type, struct err *e)
{
	int rc = standalone_read(c, n, e);

	if (rc == 0)
		rc = check_vf(conf, &n->inv, e);
	if (rc == 0)
		rc = check_framework(conf, &n->inv, e);
	if (rc == 0)
		rc = scan_resolve(&c->root, &n->catalog, &n->inv, conf->type, n->who, n->deadline, type, e);
	inventory_assume_offers(&n->inv);
	if (rc == 0)
		rc = find_gpus(c, conf, n, e);
	if (rc == 0)
		rc = forget(c, conf, n, e);
	/* Nobody's VF: what was set on it by hand shows in its own file alone. */
	return rc < 0 ? rc : scan_all(&c->root, &n->catalog, &n->inv, e);
}

static int make(const struct ctx *c, struct standalone *n, const struct want *w, struct row *row,
		struct err *e)
{
	AUTO_RUNSTATE struct runstate state = { 0 };
	struct assignment a = {
		.c = c, .settings = &n->settings, .catalog = &n->catalog, .inv = &n->inv, .wants = w,
		.nwants = 1, .who = WHO, .deadline = n->deadline, .uuid = row->conf->name,
	};
	int rc;

	if (c->dry_run) {
		rc = standalone_plan(c, n, w, row->conf->name, &row->v, e);
		row->outcome = rc < 0 ? FAILED : WOULD_MAKE;
		return rc;
	}
	rc = assign(&a, &state, e);
	if (rc < 0)
		return rc;
	vgpu_copy(&row->v, &state.vgpus[0]);
	row->outcome = MADE;
	return 0;
}

static int serve_type(const struct ctx *c, struct standalone *n, const struct vgpu_type *type,
		      struct row *row, struct err *e)
{
	const struct node_vgpu *conf = row->conf;
	const struct vgpu *there = find_there(conf, &n->inv);
	struct want w = {
		.choices = &type, .nchoices = 1, .pinned = conf->on_vf, .parent = conf->vf,
		.gpus = n->gpus, .ngpus = n->ngpus, .mdev_only = !conf->on_vf, .params = conf->params,
	};
	char *asked = conf->type;
	const struct strlist names = { .s = &asked, .n = 1 };
	struct explain x = {
		.catalog = &n->catalog, .inv = &n->inv, .wants = &w, .nwants = 1, .asked = &names,
		.by_board = conf->boards.n,
	};
	int rc;

	if (there) {
		rc = judge(conf, there, type, e);
		if (rc < 0)
			return rc;
		vgpu_copy(&row->v, there);
		row->outcome = THERE;
		return 0;
	}
	rc = make(c, n, &w, row, e);
	return rc < 0 ? explain_refusal(c, &x, rc, e) : 0;
}

static void serve(const struct ctx *c, const struct node_conf *conf, struct row *row)
{
	AUTO_STANDALONE struct standalone n = { .who = c->dry_run ? NULL : WHO };
	const struct vgpu_type *type = NULL;
	struct err *e = &row->err;
	int rc = node_conf_vgpu(conf, row->conf, e);

	if (rc == 0)
		rc = check_name(row->conf, e);
	if (rc < 0)
		return;
	rc = look(c, row->conf, &n, &type, e);
	if (rc == 0) {
		serve_type(c, &n, type, row, e);
	} else if (!type) {
		char *asked = row->conf->type;
		const struct strlist names = { .s = &asked, .n = 1 };
		struct explain x = { .catalog = &n.catalog, .inv = &n.inv, .asked = &names };

		explain_refusal(c, &x, rc, e);
	}
	if (!c->dry_run)
		catalog_save(&n.catalog, &c->root, NULL);
}

/* --- all of them ---------------------------------------------------------- */

static void print_row(const struct row *row)
{
	static const char *const tell[] = {
		[THERE] = "there", [MADE] = "made", [WOULD_MAKE] = "would make",
	};

	if (row->outcome == FAILED)
		return;
	printf("vgpu %s: %s: ", row->conf->name, tell[row->outcome]);
	standalone_print(&row->v);
	putchar('\n');
}

static struct json_object *row_json(const struct row *row)
{
	struct json_object *o = json_object_new_object();

	json_add_str(o, "vgpu", row->conf->name);
	json_add_str(o, "outcome", words[row->outcome]);
	if (row->outcome != FAILED) {
		standalone_json(o, &row->v);
	} else {
		static const char *const fields[] = { "uuid", "gpu", "parent", "type", "name", "framework" };

		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			json_add_str(o, fields[i], NULL);
	}
	json_add_str(o, "error", row->err.msg);
	json_add_str(o, "hint", row->err.hint);
	return o;
}

static void print_json(const struct rows *l)
{
	AUTO_JSON struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < l->n; i++)
		json_object_array_add(a, row_json(&l->r[i]));

	AUTO_FREE char *text = json_print(a);

	fputs(text, stdout);
}

/* Why each is missing that is. Returns how many are. */
static size_t tell_failures(const struct rows *l)
{
	size_t failed = 0;

	fflush(stdout);
	for (size_t i = 0; i < l->n; i++) {
		const struct row *row = &l->r[i];

		if (row->outcome != FAILED)
			continue;
		failed++;
		fprintf(stderr, "pve-vgpu: vgpu %s: %s\n", row->conf->name, row->err.msg);
		if (row->err.hint)
			fprintf(stderr, "hint: %s\n", row->err.hint);
	}
	return failed;
}

static int conclude(const struct node_conf *conf, const struct rows *l, struct err *e)
{
	size_t failed = tell_failures(l);

	if (failed)
		return fail(e, -EIO, WHO ": %zu of the %zu vGPUs of /" NODE_CONF_PATH " %s not there", failed, l->n,
			    failed == 1 ? "is" : "are");
	/* Nothing of the file, or not all of it, is known. */
	if (conf->fault || conf->lost)
		return fail(e, -EINVAL, WHO ": %s", conf->fault ? conf->fault : conf->lost);
	return 0;
}

int create_configured(const struct ctx *c, struct err *e)
{
	AUTO_NODE_CONF struct node_conf conf = { 0 };
	__attribute__((cleanup(rows_free))) struct rows rows = { 0 };
	AUTO_SETTINGS struct settings settings = { 0 };
	AUTO_LOCK struct lock lock = LOCK_NONE;
	int rc = node_conf_read(&c->root, &conf, e);

	standalone_waits(c, &settings);
	if (rc == 0 && !c->dry_run && conf.n_vgpus)
		rc = lock_standalone(&c->root, WHO, clock_ms() + (int64_t)settings.lock_wait_s * 1000, &lock, e);
	if (rc < 0)
		return fail_in(e, rc, WHO);
	for (size_t i = 0; i < conf.n_vgpus; i++) {
		struct row *row = GROW(rows.r, rows.n);

		row->conf = &conf.vgpus[i];
		serve(c, &conf, row);
		if (!c->json)
			print_row(row);
	}
	if (c->json)
		print_json(&rows);
	return conclude(&conf, &rows, e);
}
