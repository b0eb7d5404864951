/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "commands.h"
#include "options.h"
#include "quote.h"
#include "sriov.h"
#include "sriov_vfs.h"
#include "sriov_view.h"
#include "xalloc.h"

static const char *const actions[] = { "status", "enable", "disable" };
enum action { STATUS, ENABLE, DISABLE };

static int read_action(const char *word, enum action *out, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(word, actions[i])) {
			*out = (enum action)i;
			return 0;
		}
	return fail(e, RC_USAGE, "%s is none of status, enable and disable", QUOTED(word));
}

static void set_option(void *arg, int val, const char *value)
{
	(void)val;
	(void)value;
	*(bool *)arg = true;
}

/* GPUs that node.conf names by address belong to the picture, be they there or not. */
static void add_named(const struct sriov_node *n, struct bdf_list *gpus)
{
	for (size_t i = 0; i < n->conf.n_gpus; i++) {
		const struct node_gpu *g = &n->conf.gpus[i];

		if (g->by_address && !bdf_list_has(gpus, &g->addr))
			bdf_list_add(gpus, &g->addr);
	}
	bdf_list_sort(gpus);
}

/* Boards of node.conf that no GPU is of, which may be a slip. */
static void warn_boards(const struct sriov_node *n, const struct bdf_list *gpus)
{
	for (size_t i = 0; i < n->conf.n_gpus; i++) {
		const struct node_gpu *g = &n->conf.gpus[i];
		bool found = g->by_address;

		for (size_t k = 0; k < gpus->n && !found; k++)
			found = sriov_node_is_board(n, &gpus->b[k], g->name);
		if (!found)
			fprintf(stderr, "pve-vgpu: %s:%u: no GPU with SR-IOV here is known to be a %s\n", n->conf.file,
				g->line, g->name);
	}
}

static int select_gpus(const struct sriov_node *n, const char *word, bool all_named,
		       struct bdf_list *out, struct err *e)
{
	int rc = sriov_node_select(n, word, out, e);

	if (rc < 0 || strcmp(word, "all"))
		return rc;
	if (all_named)
		add_named(n, out);
	warn_boards(n, out);
	return 0;
}

/* Whether there is what was asked for by name. Of `all` the others are shown beside one that is not there. */
static int check_named(const struct sriov_node *n, const struct bdf_list *gpus, struct err *e)
{
	for (size_t i = 0; i < gpus->n; i++) {
		AUTO_SRIOV struct sriov s = { 0 };
		int rc = sriov_look(&n->c->root, &gpus->b[i], &s, e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static void act(struct sriov_node *n, enum action action, bool configured, struct sriov_row *row)
{
	struct sriov_job j = { .n = n, .gpu = row->gpu, .configured = configured };

	if (action == ENABLE)
		sriov_enable(&j, &row->err);
	else if (action == DISABLE)
		sriov_disable(&j, &row->err);
	row->done = j.done;
}

/* What was done at each GPU, and why not. Of one alone main prints the failure. */
static void print_done(const struct sriov_rows *l, const char *action)
{
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < l->r[i].done.n; k++)
			printf("%s: %s\n", BDF_STR(&l->r[i].gpu), l->r[i].done.s[k]);
	fflush(stdout);
	for (size_t i = 0; i < l->n && l->n > 1; i++) {
		const struct err *e = &l->r[i].err;

		if (!e->msg)
			continue;
		fprintf(stderr, "pve-vgpu: sriov %s: GPU %s: %s\n", action, BDF_STR(&l->r[i].gpu), e->msg);
		if (e->hint)
			fprintf(stderr, "hint: %s\n", e->hint);
	}
}

static int conclude(struct sriov_rows *l, const char *action, struct err *e)
{
	size_t failed = 0;

	for (size_t i = 0; i < l->n; i++)
		failed += l->r[i].err.msg != NULL;
	if (!failed)
		return 0;
	if (l->n == 1)
		return fail_in(e, err_move(e, &l->r[0].err, -EIO), "sriov %s: GPU %s", action,
			       BDF_STR(&l->r[0].gpu));
	return fail(e, -EIO, "sriov %s: %zu of %zu GPUs failed", action, failed, l->n);
}

static int run(struct ctx *c, enum action action, const char *word, bool configured, struct err *e)
{
	AUTO_SRIOV_NODE struct sriov_node n = { .c = c };
	AUTO_BDF_LIST struct bdf_list gpus = { 0 };
	AUTO_SRIOV_ROWS struct sriov_rows rows = { 0 };
	int rc = sriov_node_read(&n, e);

	if (rc == 0)
		rc = select_gpus(&n, word, configured || action == STATUS, &gpus, e);
	if (rc == 0 && action == STATUS && strcmp(word, "all") != 0)
		rc = check_named(&n, &gpus, e);
	if (rc < 0)
		return fail_in(e, rc, "sriov %s", actions[action]);
	for (size_t i = 0; i < gpus.n; i++) {
		struct sriov_row *row = GROW(rows.r, rows.n);

		row->gpu = gpus.b[i];
		act(&n, action, configured, row);
	}
	/* JSON shows what has come of it. */
	if (c->json && action != STATUS)
		rc = sriov_node_look(&n, e);
	if (rc < 0)
		return rc;
	if (c->json)
		sriov_print_json(&n, &rows);
	else if (action == STATUS)
		sriov_print_status(&n, &rows);
	else
		print_done(&rows, actions[action]);
	if (!gpus.n && !c->json)
		fputs("pve-vgpu: no GPU of this node has SR-IOV\n", stderr);
	if (action == STATUS)
		sriov_node_warn(&n);
	return conclude(&rows, actions[action], e);
}

int cmd_sriov(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option longopts[] = {
		{ "configured", no_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	bool configured = false;
	const struct option_set set = {
		.longopts = longopts, .json = true, .dry_run = true, .set = set_option, .arg = &configured,
	};
	enum action action = STATUS;
	int words = options_read(c, argc, argv, &set, e);
	int rc = options_count(words, 0, 2, "", e);

	if (rc == 0 && words)
		rc = read_action(argv[0], &action, e);
	if (rc < 0)
		return rc;
	if (configured && action != ENABLE)
		return fail(e, RC_USAGE, "--configured goes with enable alone");
	if (c->dry_run && action == STATUS)
		return fail(e, RC_USAGE, "option '--dry-run' is not known here");
	if (words < 2 && action != STATUS && !configured)
		return fail(e, RC_USAGE, "<GPU> or 'all' missing");
	return run(c, action, words > 1 ? argv[1] : "all", configured, e);
}
