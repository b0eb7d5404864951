/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid.h>

#include "assign.h"
#include "boards.h"
#include "cleanup.h"
#include "commands.h"
#include "create_configured.h"
#include "explain.h"
#include "intent.h"
#include "json_util.h"
#include "lock.h"
#include "options.h"
#include "params.h"
#include "parse.h"
#include "quote.h"
#include "scan.h"
#include "standalone.h"
#include "xalloc.h"

struct create_options {
	const char *uuid, *gpu, *params;
	bool configured;
	const char *board;	/* what --gpu names, where that is no address; gpu is NULL then */
};

static void set_option(void *arg, int val, const char *value)
{
	struct create_options *o = arg;

	if (val == 'u')
		o->uuid = value;
	else if (val == 'g')
		o->gpu = value;
	else if (val == 'c')
		o->configured = true;
	else
		o->params = value;
}

static int check_options(const struct create_options *o, char uuid[static UUID_TEXT_LEN],
			 struct bdf *gpu, char **params, struct err *e)
{
	uuid_t raw;

	if (o->uuid && (!is_uuid(o->uuid) || uuid_parse(o->uuid, raw) < 0))
		return fail(e, RC_USAGE, "--uuid %s is no UUID", QUOTED(o->uuid));
	if (o->gpu && bdf_parse(o->gpu, gpu) < 0 && !board_is_name(o->gpu))
		return fail(e, RC_USAGE, "--gpu %s is no PCI address such as 0000:3b:00.0, and no board such "
			    "as A40", QUOTED(o->gpu));
	if (o->params && params_parse(o->params, params) < 0)
		return fail(e, RC_USAGE, "--params %s is not of the form " PARAMS_FORM, QUOTED(o->params));
	if (!o->uuid)
		uuid_generate(raw);
	uuid_unparse_lower(raw, uuid);
	return 0;
}

static void print_made(const struct ctx *c, const struct vgpu *v)
{
	if (!c->json) {
		standalone_print(v);
		putchar('\n');
		return;
	}

	AUTO_JSON struct json_object *o = json_object_new_object();

	standalone_json(o, v);

	AUTO_FREE char *text = json_print(o);

	fputs(text, stdout);
}

static int would_create(const struct ctx *c, struct standalone *n, const struct want *w,
			const char *uuid, struct err *e)
{
	struct vgpu v;
	int rc = standalone_plan(c, n, w, uuid, &v, e);

	if (rc < 0)
		return rc;
	if (!c->json)
		fputs("would make ", stdout);
	print_made(c, &v);
	vgpu_clear(&v);
	return 0;
}

static char *owner_of(const struct vgpu *v)
{
	switch (v->owner) {
	case OWNER_VM:
	case OWNER_PVE:
		return xasprintf("vm %u's", v->vmid);
	case OWNER_STANDALONE:
		return xstrdup("a standalone");
	case OWNER_UNKNOWN:
		break;
	}
	return xstrdup("somebody else's");
}

/*
 * Refuse what --uuid asks for and nobody could have. The kernel, and the claim
 * under the node lock, have the last word.
 */
static int check_uuid(const struct inventory *inv, const struct create_options *o,
		      const struct vgpu_type *t, const char *uuid, struct err *e)
{
	const struct vgpu *other = o->uuid ? inventory_by_uuid(inv, uuid) : NULL;
	unsigned int vmid, index;
	bool mdev = false;

	if (other) {
		AUTO_FREE char *whose = owner_of(other);

		fail(e, -EEXIST, "--uuid %s is in use: it is %s %s on %s", uuid, whose,
		     other->name ? other->name : other->type, other->parent_name);
		err_hint(e, "leave --uuid out, and a new one is made");
		return -EEXIST;
	}
	/* qemu-server would take it for that VM's, and remove it behind its stop. */
	if (o->uuid && vgpu_pve_uuid_parse(uuid, &vmid, &index)) {
		fail(e, -EINVAL, "--uuid %s is what Proxmox gives hostpci%u of vm %u", uuid, index, vmid);
		err_hint(e, "leave --uuid out, and a new one is made");
		return -EINVAL;
	}
	for (size_t i = 0; i < inv->ngpus; i++)
		mdev |= inv->gpus[i].framework == FRAMEWORK_MDEV && gpu_offer(&inv->gpus[i], t);
	if (!o->uuid || mdev)
		return 0;
	fail(e, -EINVAL, "--uuid %s: with vendor VFIO, as here, a vGPU has no UUID", uuid);
	err_hint(e, "leave --uuid out; the address of its VF names the vGPU");
	return -EINVAL;
}

static int check_gpu(const struct inventory *inv, const struct create_options *o,
		     const struct bdf *gpu, struct err *e)
{
	if (!o->gpu || inventory_gpu(inv, gpu))
		return 0;
	fail(e, -ENODEV, "--gpu %s is no GPU with vGPUs", QUOTED(o->gpu));
	if (inventory_gpu_of(inv, gpu))
		err_hint(e, "it is a VF: --gpu %s names its GPU",
			 BDF_STR(&inventory_gpu_of(inv, gpu)->addr));
	err_hint(e, "`pve-vgpu types` shows the GPUs of this node");
	return -ENODEV;
}

static int find_board(const struct ctx *c, const char *board, struct standalone *n, struct err *e)
{
	AUTO_STRLIST struct strlist boards = { 0 }, unknown = { 0 };

	strlist_add(&boards, board);
	intent_boards(c, &boards, &n->catalog, &n->inv, n->who, n->deadline, &n->gpus, &n->ngpus, &unknown);
	if (n->ngpus)
		return 0;
	fail(e, -ENODEV, "--gpu %s", unknown.s[0]);
	err_hint(e, "a board is the name of its types without the size: `pve-vgpu types`");
	return -ENODEV;
}

/* See what there is and what is taken, and find the type that is meant. */
static int look(const struct ctx *c, const char *asked, const struct create_options *o,
		const struct bdf *gpu, struct standalone *n, const struct vgpu_type **type,
		struct err *e)
{
	int rc = standalone_read(c, n, e);

	if (rc == 0)
		rc = check_gpu(&n->inv, o, gpu, e);
	if (rc == 0)
		rc = scan_resolve(&c->root, &n->catalog, &n->inv, asked, n->who, n->deadline, type, e);
	inventory_assume_offers(&n->inv);
	if (rc == 0 && o->board)
		rc = find_board(c, o->board, n, e);
	return rc < 0 ? rc : scan_taken(&c->root, &n->catalog, 0, &n->inv, e);
}

/* A refusal, with the GPUs that could serve and do not. w: NULL where no type was found. */
static int explain(const struct ctx *c, struct standalone *n, char *asked, const struct want *w,
		   const struct create_options *o, const struct bdf *gpu, int rc, struct err *e)
{
	const struct strlist names = { .s = &asked, .n = 1 };
	struct explain x = {
		.catalog = &n->catalog, .inv = &n->inv, .wants = w, .nwants = w ? 1 : 0,
		.asked = &names, .gpu = o->gpu ? gpu : NULL, .by_board = o->board,
	};

	return explain_refusal(c, &x, rc, e);
}

static int create(struct ctx *c, char *asked, const struct create_options *o,
		  const char *uuid, const struct bdf *gpu, struct err *e)
{
	AUTO_FREE char *who = xasprintf("create %s", QUOTED(asked));
	AUTO_STANDALONE struct standalone n = { .who = c->dry_run ? NULL : who };
	AUTO_LOCK struct lock lock = LOCK_NONE;
	AUTO_RUNSTATE struct runstate state = { 0 };
	const struct vgpu_type *type = NULL;
	struct want w = {
		.choices = &type, .nchoices = 1, .gpus = gpu, .ngpus = o->gpu ? 1 : 0,
		.params = o->params,
	};
	struct assignment a = {
		.c = c, .settings = &n.settings, .catalog = &n.catalog, .inv = &n.inv, .wants = &w,
		.nwants = 1, .who = who, .uuid = uuid,
	};
	int rc = look(c, asked, o, gpu, &n, &type, e);

	if (rc == 0)
		rc = check_uuid(&n.inv, o, type, uuid, e);
	if (o->board) {
		w.gpus = n.gpus;
		w.ngpus = n.ngpus;
	}
	a.deadline = n.deadline;
	/* `create --configured` may be after the same UUID. */
	if (rc == 0 && o->uuid && !c->dry_run)
		rc = lock_standalone(&c->root, who, n.deadline, &lock, e);
	if (rc == 0)
		rc = c->dry_run ? would_create(c, &n, &w, uuid, e) :
			assign(&a, &state, e);
	if (rc < 0)
		explain(c, &n, asked, type ? &w : NULL, o, gpu, rc, e);
	if (c->dry_run)
		return rc;
	catalog_save(&n.catalog, &c->root, NULL);
	if (rc == 0)
		print_made(c, &state.vgpus[0]);
	return rc;
}

int cmd_create(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option longopts[] = {
		{ "uuid", required_argument, NULL, 'u' },
		{ "gpu", required_argument, NULL, 'g' },
		{ "params", required_argument, NULL, 'p' },
		{ "configured", no_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	struct create_options o = { 0 };
	const struct option_set set = {
		.longopts = longopts, .json = true, .dry_run = true, .set = set_option, .arg = &o,
	};
	char uuid[UUID_TEXT_LEN];
	AUTO_FREE char *params = NULL;
	struct bdf gpu = { 0 };
	int words = options_read(c, argc, argv, &set, e);
	int rc = options_count(words, o.configured ? 0 : 1, 1, "<type>", e);

	if (rc == 0 && o.configured && (words || o.uuid || o.gpu || o.params))
		return fail(e, RC_USAGE, "--configured makes what node.conf has: no type, UUID, GPU or params go with it");
	if (rc == 0 && o.configured)
		return create_configured(c, e);
	if (rc == 0)
		rc = check_options(&o, uuid, &gpu, &params, e);
	if (rc < 0)
		return rc;
	o.params = params;
	if (o.gpu && bdf_parse(o.gpu, &gpu) < 0) {
		o.board = o.gpu;
		o.gpu = NULL;
	}
	rc = create(c, argv[0], &o, uuid, &gpu, e);
	return rc < 0 ? fail_in(e, rc, "create %s", QUOTED(argv[0])) : 0;
}
