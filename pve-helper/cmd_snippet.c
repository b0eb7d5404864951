/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The hookscript as a snippet: a link to the program in a local storage. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "commands.h"
#include "json_util.h"
#include "options.h"
#include "quote.h"
#include "snippet.h"
#include "xalloc.h"

enum { OPT_STORAGE = 512, OPT_ENABLE };

struct asked {
	const char *storage;
	bool enable;
};

static void set_option(void *arg, int val, const char *value)
{
	struct asked *a = arg;

	if (val == OPT_STORAGE)
		a->storage = value;
	else
		a->enable = true;
}

/* --- install --- */

static int install(const struct ctx *c, const struct asked *a, struct err *e)
{
	AUTO_STRLIST struct strlist said = { 0 };
	AUTO_FREE char *volid = NULL;
	int rc = snippet_install(&c->root, a->storage, a->enable, c->dry_run, &volid, &said, e);

	for (size_t i = 0; i < said.n; i++)
		printf("%s%s\n", c->dry_run ? "would " : "", said.s[i]);
	if (rc < 0)
		return fail_in(e, rc, "snippet install");
	printf("%s: %s\n", volid, said.n ? c->dry_run ? "not there yet" : "installed" : "is there");
	printf("a VM gets it with: qm set <vmid> --hookscript %s\n", volid);
	return 0;
}

/* --- status --- */

static const char *link_word(enum snippet_link l)
{
	static const char *const words[] = { "none", "ours", "foreign" };

	return words[l];
}

static struct json_object *vmids_json(const struct snippet_place *p)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < p->nvms; i++)
		json_object_array_add(list, json_object_new_int((int)p->vms[i]));
	return list;
}

static struct json_object *place_json(const struct snippet_place *p)
{
	struct json_object *o = json_object_new_object();

	json_add_str(o, "storage", p->storage->id);
	json_add_str(o, "kind", p->storage->type);
	json_add_flag(o, "local", storage_is_local(p->storage));
	json_add_flag(o, "snippets", storage_has_snippets(p->storage));
	json_add_str(o, "volume", p->volid);
	json_add_str(o, "path", p->path);
	json_add_str(o, "link", link_word(p->link));
	json_object_object_add(o, "vms", vmids_json(p));
	return o;
}

static void print_json(const struct snippet_places *l)
{
	AUTO_JSON struct json_object *list = json_object_new_array();
	AUTO_FREE char *text = NULL;

	for (size_t i = 0; i < l->n; i++)
		json_object_array_add(list, place_json(&l->p[i]));
	text = json_print(list);
	fputs(text, stdout);
}

static void print_place(const struct snippet_place *p)
{
	printf("%s\t%s\t", p->storage->id, p->storage->type);
	if (p->link == SNIPPET_OURS)
		printf("%s", p->volid);
	else if (p->link == SNIPPET_FOREIGN)
		printf("%s is something else", p->path);
	else if (!storage_is_local(p->storage))
		printf("shared: not for the hookscript");
	else
		printf("%s", storage_has_snippets(p->storage) ? "not installed" : "holds no snippets");
	for (size_t i = 0; i < p->nvms; i++)
		printf("%s%u", i ? "," : "\t", p->vms[i]);
	putchar('\n');
}

static int status(const struct ctx *c, struct err *e)
{
	AUTO_PLACES struct snippet_places l = { 0 };
	AUTO_FREE char *volid = NULL;
	int rc = snippet_look(&c->root, &l, e);

	if (rc < 0)
		return fail_in(e, rc, "snippet status");
	if (c->json)
		print_json(&l);
	for (size_t i = 0; i < l.n && !c->json; i++)
		print_place(&l.p[i]);
	for (size_t i = 0; i < l.lost.n; i++)
		fprintf(stderr, "pve-vgpu: %s\n", l.lost.s[i]);
	for (size_t i = 0; i < l.unread.n; i++)
		fprintf(stderr, "pve-vgpu: %s\n", l.unread.s[i]);
	rc = snippet_volume(&c->root, &volid, e);
	return rc == -ENOENT ? fail_in(e, rc, "snippet status") : rc;
}

/* --- remove --- */

static int remove_link(const struct ctx *c, const struct asked *a, struct err *e)
{
	AUTO_STRLIST struct strlist said = { 0 };
	int rc = snippet_remove(&c->root, a->storage, c->dry_run, &said, e);

	for (size_t i = 0; i < said.n; i++)
		printf("%s%s\n", c->dry_run ? "would " : "", said.s[i]);
	if (rc < 0)
		return fail_in(e, rc, "snippet remove");
	if (!said.n)
		puts("the hookscript is in no local storage of this node");
	return 0;
}

int cmd_snippet(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option longopts[] = {
		{ "storage", required_argument, NULL, OPT_STORAGE },
		{ "enable", no_argument, NULL, OPT_ENABLE },
		{ NULL, 0, NULL, 0 },
	};
	struct asked a = { 0 };
	const struct option_set set = {
		.longopts = longopts, .json = true, .dry_run = true, .set = set_option, .arg = &a,
	};
	int rc = options_count(options_read(c, argc, argv, &set, e), 1, 1, "install, status or remove", e);
	bool is_install, is_status;

	if (rc < 0)
		return rc;
	is_install = !strcmp(argv[0], "install");
	is_status = !strcmp(argv[0], "status");
	if (!is_install && !is_status && strcmp(argv[0], "remove"))
		return fail(e, RC_USAGE, "snippet %s: it is install, status or remove", QUOTED(argv[0]));
	if (a.enable && !is_install)
		return fail(e, RC_USAGE, "option '--enable' is for snippet install");
	if (c->json && !is_status)
		return fail(e, RC_USAGE, "option '--json' is for snippet status");
	if (is_status && (a.storage || c->dry_run))
		return fail(e, RC_USAGE, "snippet status takes no other option than --json");
	return is_install ? install(c, &a, e) : is_status ? status(c, e) : remove_link(c, &a, e);
}
