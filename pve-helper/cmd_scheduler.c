/* SPDX-License-Identifier: AGPL-3.0-or-later */
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
#include "scheduler_node.h"
#include "term.h"
#include "xalloc.h"

static const char *const states[] = {
	[SCHEDULER_NOT_ASKED] = "not-asked", [SCHEDULER_ACTIVE] = "active", [SCHEDULER_REBOOT] = "reboot",
	[SCHEDULER_APPLY] = "apply", [SCHEDULER_DIFFERS] = "differs", [SCHEDULER_FAULT] = "fault",
};

/* --- JSON ----------------------------------------------------------------- */

static void add_scheduler(struct json_object *o, const char *key, const struct scheduler *s)
{
	struct json_object *of;

	if (!s) {
		json_add_str(o, key, NULL);
		return;
	}
	of = json_object_new_object();
	json_add_str(of, "policy", scheduler_policy_word(s->policy));
	json_add_known(of, "time_slice_ms", s->timeslice_ms);
	json_add_known(of, "frequency_hz", s->frequency_hz);
	json_add_known(of, "averaging_factor", s->averaging_factor);
	json_object_object_add(o, key, of);
}

static void add_report(struct json_object *o, const struct scheduler_report *s)
{
	struct json_object *of;

	if (!s->known) {
		json_add_str(o, "reported", NULL);
		return;
	}
	of = json_object_new_object();
	json_add_str(of, "policy", scheduler_policy_word(s->policy));
	json_add_flag(of, "enabled", s->enabled);
	json_add_known(of, "time_slice_ms", s->timeslice_ms);
	json_object_object_add(o, "reported", of);
}

static struct json_object *gpu_json(const struct scheduler_node *n, const struct scheduler_gpu *g)
{
	struct json_object *o = json_object_new_object();
	AUTO_FREE char *cure = scheduler_mend(g);

	json_add_str(o, "gpu", BDF_STR(&g->addr));
	json_add_str(o, "model", g->model);
	add_scheduler(o, "wanted", g->wanted.set ? &g->wanted : NULL);
	add_scheduler(o, "running", g->loaded ? &g->running : NULL);
	add_report(o, &g->report);
	json_add_str(o, "unreported", g->report.known ? NULL : g->loaded ? n->no_log : "the driver is not loaded");
	add_scheduler(o, "file", g->next.set ? &g->next : NULL);
	json_add_str(o, "state", states[g->state]);
	json_add_str(o, "problem", g->err.msg);
	json_add_str(o, "cure", cure);
	return o;
}

static void print_json(const struct scheduler_node *n)
{
	AUTO_JSON struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < n->n; i++)
		json_object_array_add(all, gpu_json(n, &n->gpus[i]));

	AUTO_FREE char *text = json_print(all);

	fputs(text, stdout);
}

/* --- text ----------------------------------------------------------------- */

static void print_row(const struct scheduler_gpu *g, struct table *t)
{
	static const char *const tell[] = {
		[SCHEDULER_NOT_ASKED] = "-", [SCHEDULER_ACTIVE] = "active", [SCHEDULER_REBOOT] = "after a reboot",
		[SCHEDULER_APPLY] = "not applied", [SCHEDULER_DIFFERS] = "not taken", [SCHEDULER_FAULT] = "cannot be",
	};
	AUTO_FREE char *wanted = g->wanted.set ? scheduler_text(&g->wanted) : xstrdup("-");
	struct scheduler runs;
	AUTO_FREE char *running = scheduler_runs(g, &runs) ? scheduler_text(&runs) : xstrdup("?");

	TABLE_ROW(t, g->state > SCHEDULER_ACTIVE ? STYLE_WARN : STYLE_NONE, BDF_STR(&g->addr),
		  g->model ? g->model : "-", wanted, running, tell[g->state]);
}

/* What is to be done, once for all GPUs that it mends. */
static void print_remarks(const struct scheduler_node *n)
{
	bool told[ARRAY_SIZE(states)] = { false };

	for (size_t i = 0; i < n->n; i++) {
		const struct scheduler_gpu *g = &n->gpus[i];
		AUTO_FREE char *cure = scheduler_mend(g);

		if (g->err.msg)
			fprintf(stderr, "pve-vgpu: GPU %s: %s\n", BDF_STR(&g->addr), g->err.msg);
		if (cure && (g->state == SCHEDULER_FAULT || !told[g->state]))
			fprintf(stderr, "hint: %s\n", cure);
		told[g->state] = true;
	}
}

/* Whose DRIVER is what the driver was loaded with, and why. */
static void print_unreported(const struct scheduler_node *n)
{
	AUTO_STRLIST struct strlist gpus = { 0 };

	for (size_t i = 0; i < n->n; i++)
		if (n->gpus[i].loaded && !n->gpus[i].report.known)
			strlist_add(&gpus, BDF_STR(&n->gpus[i].addr));
	if (!gpus.n)
		return;

	AUTO_FREE char *all = strlist_join(&gpus, ", ");

	fprintf(stderr, "pve-vgpu: GPU %s: what runs is taken from the driver's parameters: %s\n", all, n->no_log);
}

static void print_status(const struct scheduler_node *n)
{
	AUTO_TABLE struct table t = { 0 };

	TABLE_HEADER(&t, "GPU", "MODEL", "NODE.CONF", "DRIVER", "STATE");
	for (size_t i = 0; i < n->n; i++)
		print_row(&n->gpus[i], &t);
	table_print(&t, stdout);
	fflush(stdout);
	if (!n->n)
		fputs("pve-vgpu: this node has no GPU of NVIDIA's\n", stderr);
	print_unreported(n);
	print_remarks(n);
}

/* A board that no GPU is of may be a slip; or another node has it. */
static void warn_boards(const struct sriov_node *node, const struct scheduler_node *n)
{
	for (size_t i = 0; i < node->conf.n_gpus; i++) {
		const struct node_gpu *g = &node->conf.gpus[i];
		bool found = g->by_address || !g->keys.scheduler.line;

		for (size_t k = 0; k < n->n && !found; k++)
			found = sriov_node_is_board(node, &n->gpus[k].addr, g->name);
		if (!found)
			fprintf(stderr, "pve-vgpu: %s:%u: no GPU of NVIDIA's here is known to be a %s\n",
				node->conf.file, g->line, g->name);
	}
}

/* --- the command ---------------------------------------------------------- */

static int status(const struct ctx *c, const struct sriov_node *node, struct err *e)
{
	AUTO_SCHEDULER_NODE struct scheduler_node n = { 0 };
	int rc = scheduler_node_read(node, &n, e);

	if (rc < 0)
		return rc;
	if (c->json) {
		print_json(&n);
		return 0;
	}
	print_status(&n);
	warn_boards(node, &n);
	/* Faults of a GPU's section are told with the GPU. */
	if (node->conf.fault || node->conf.lost)
		sriov_node_warn(node);
	return 0;
}

static int apply(const struct ctx *c, const struct sriov_node *node, struct err *e)
{
	AUTO_SCHEDULER_NODE struct scheduler_node before = { 0 }, after = { 0 };
	AUTO_FREE char *done = NULL;
	int rc = scheduler_node_read(node, &before, e);

	if (rc == 0)
		rc = scheduler_apply(node, &before, &done, e);
	/* What has come of it. */
	if (rc == 0)
		rc = scheduler_node_read(node, &after, e);
	if (rc < 0)
		return rc;
	warn_boards(node, &before);
	if (c->json) {
		print_json(&after);
		return 0;
	}
	printf("%s%s", done, done[strlen(done) - 1] == '\n' ? "" : "\n");
	if (!c->dry_run && (scheduler_waits(&after) || strcmp(before.file ? before.file : "", after.file ? after.file : "")))
		puts("a reboot is due: " SCHEDULER_DUE);
	return 0;
}

int cmd_scheduler(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option_set set = { .json = true, .dry_run = true };
	AUTO_SRIOV_NODE struct sriov_node node = { .c = c };
	bool change = false;
	int words = options_read(c, argc, argv, &set, e);
	int rc = options_count(words, 0, 1, "", e);

	if (rc < 0)
		return rc;
	if (words && strcmp(argv[0], "apply") && strcmp(argv[0], "status"))
		return fail(e, RC_USAGE, "%s is neither status nor apply", QUOTED(argv[0]));
	change = words && !strcmp(argv[0], "apply");
	if (!change && c->dry_run)
		return fail(e, RC_USAGE, "option '--dry-run' is not known here");
	rc = sriov_node_read(&node, e);
	if (rc == 0)
		rc = change ? apply(c, &node, e) : status(c, &node, e);
	return rc < 0 ? fail_in(e, rc, "scheduler%s", change ? " apply" : "") : 0;
}
