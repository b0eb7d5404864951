/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <uuid.h>

#include "assign.h"
#include "cleanup.h"
#include "clock.h"
#include "commands.h"
#include "json_util.h"
#include "options.h"
#include "parse.h"
#include "quote.h"
#include "scan.h"
#include "settings_file.h"
#include "xalloc.h"

struct create_options {
	const char *uuid, *gpu, *params;
};

static void set_option(void *arg, int val, const char *value)
{
	struct create_options *o = arg;

	if (val == 'u')
		o->uuid = value;
	else if (val == 'g')
		o->gpu = value;
	else
		o->params = value;
}

/*
 * name=value, …: what NVIDIA's plugins take. The names are the driver's to know,
 * the form is checked so that a slip of the pen does not reach it.
 */
static bool are_params(const char *s)
{
	for (;;) {
		size_t name = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

		if (!name || s[name] != '=')
			return false;
		s += name + 1;

		size_t value = strcspn(s, ",");

		if (!value)
			return false;
		for (size_t i = 0; i < value; i++)
			if (!isgraph((unsigned char)s[i]) || s[i] == '=')
				return false;
		s += value;
		if (!*s)
			return true;
		s++;
	}
}

static int check_options(const struct create_options *o, char uuid[static UUID_TEXT_LEN],
			 struct bdf *gpu, struct err *e)
{
	uuid_t raw;

	if (o->uuid && (!is_uuid(o->uuid) || uuid_parse(o->uuid, raw) < 0))
		return fail(e, RC_USAGE, "--uuid %s is no UUID", QUOTED(o->uuid));
	if (o->gpu && bdf_parse(o->gpu, gpu) < 0)
		return fail(e, RC_USAGE, "--gpu %s is no PCI address such as 0000:3b:00.0",
			    QUOTED(o->gpu));
	if (o->params && !are_params(o->params))
		return fail(e, RC_USAGE, "--params %s is not of the form name=value,name=value",
			    QUOTED(o->params));
	if (!o->uuid)
		uuid_generate(raw);
	uuid_unparse_lower(raw, uuid);
	return 0;
}

static void print_made(const struct ctx *c, const struct vgpu *v)
{
	if (!c->json) {
		printf("%s (%s) on %s, GPU %s%s%s\n", v->name, v->type, v->parent_name,
		       BDF_STR(&v->gpu), *v->uuid ? ", mdev " : "", v->uuid);
		return;
	}

	AUTO_JSON struct json_object *o = json_object_new_object();

	json_add_str(o, "uuid", *v->uuid ? v->uuid : NULL);
	json_add_str(o, "gpu", BDF_STR(&v->gpu));
	json_add_str(o, "parent", v->parent_name);
	json_add_str(o, "type", v->type);
	json_add_str(o, "name", v->name);
	json_add_str(o, "framework", framework_name(v->framework));

	AUTO_FREE char *text = json_print(o);

	fputs(text, stdout);
}

static int would_create(const struct ctx *c, struct catalog *catalog, struct inventory *inv,
			const struct want *w, struct err *e)
{
	static const struct refusal_list none = { 0 };
	AUTO_PLAN struct plan p = { 0 };
	int rc = scan_taken(&c->root, catalog, 0, inv, e);

	if (rc < 0)
		return rc;
	plan_want(inv, w, &none, &p);
	if (!p.ncandidates) {
		AUTO_FREE char *reasons = plan_reasons(&p, "  ");

		return fail(e, -ENOSPC, "no GPU of this node has room:\n%s", reasons);
	}
	printf("would make %s (%s) on %s, GPU %s\n", vgpu_type_name(w->choices[0]),
	       w->choices[0]->key, BDF_STR(&p.candidates[0].parent),
	       BDF_STR(&p.candidates[0].gpu->addr));
	return 0;
}

static int check_gpu(const struct inventory *inv, const struct create_options *o,
		     const struct bdf *gpu, struct err *e)
{
	if (!o->gpu || inventory_gpu(inv, gpu))
		return 0;
	fail(e, -ENODEV, "--gpu %s is no GPU with vGPUs", QUOTED(o->gpu));
	err_hint(e, "`pve-vgpu types` shows the GPUs of this node");
	return -ENODEV;
}

static int create(struct ctx *c, const char *asked, const struct create_options *o,
		  const char *uuid, const struct bdf *gpu, struct err *e)
{
	AUTO_SETTINGS struct settings settings = { 0 };
	AUTO_CATALOG struct catalog catalog = { 0 };
	AUTO_INVENTORY struct inventory inv = { 0 };
	AUTO_RUNSTATE struct runstate state = { 0 };
	AUTO_FREE char *who = xasprintf("create %s", asked);
	const struct vgpu_type *type = NULL;
	struct want w = {
		.choices = &type, .nchoices = 1, .gpus = gpu, .ngpus = o->gpu ? 1 : 0,
	};
	struct assignment a = {
		.c = c, .settings = &settings, .catalog = &catalog, .inv = &inv, .wants = &w,
		.nwants = 1, .who = who, .uuid = uuid, .params = o->params,
	};
	int rc;

	/* The settings are a VM's; all that counts here are the waits. */
	if (settings_read(&c->root, &settings, NULL) < 0)
		settings_parse("", 0, SETTINGS_PATH, &settings);
	a.deadline = clock_ms() + (int64_t)settings.lock_wait_s * 1000;
	catalog_load(&catalog, &c->root);
	rc = scan_gpus(&c->root, &catalog, &inv, e);
	if (rc == 0)
		rc = check_gpu(&inv, o, gpu, e);
	if (rc == 0)
		rc = scan_resolve(&c->root, &catalog, &inv, asked, who, a.deadline, &type, e);
	if (rc == 0) {
		inventory_assume_offers(&inv);
		if (c->dry_run)
			rc = would_create(c, &catalog, &inv, &w, e);
		else
			rc = assign(&a, &state, e);
	}
	catalog_save(&catalog, &c->root, NULL);
	if (rc == 0 && !c->dry_run)
		print_made(c, &state.vgpus[0]);
	return rc;
}

int cmd_create(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option longopts[] = {
		{ "uuid", required_argument, NULL, 'u' },
		{ "gpu", required_argument, NULL, 'g' },
		{ "params", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	struct create_options o = { 0 };
	const struct option_set set = {
		.longopts = longopts, .json = true, .dry_run = true, .set = set_option, .arg = &o,
	};
	char uuid[UUID_TEXT_LEN];
	struct bdf gpu = { 0 };
	int rc = options_count(options_read(c, argc, argv, &set, e), 1, 1, "<type>", e);

	if (rc == 0)
		rc = check_options(&o, uuid, &gpu, e);
	if (rc < 0)
		return rc;
	rc = create(c, argv[0], &o, uuid, &gpu, e);
	return rc < 0 ? fail_in(e, rc, "create %s", QUOTED(argv[0])) : 0;
}
