/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sriov_node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "boards.h"
#include "cleanup.h"
#include "gpu_model.h"
#include "node_conf_file.h"
#include "quote.h"
#include "scan.h"
#include "xalloc.h"

void sriov_node_free(struct sriov_node *n)
{
	health_free(&n->health);
	inventory_free(&n->inv);
	catalog_free(&n->catalog);
	node_conf_free(&n->conf);
}

int sriov_node_look(struct sriov_node *n, struct err *e)
{
	const struct root *r = &n->c->root;
	int rc;

	health_free(&n->health);
	inventory_free(&n->inv);
	n->inv = (struct inventory){ 0 };
	rc = scan_gpus(r, &n->catalog, &n->inv, e);
	if (rc == 0)
		rc = scan_all(r, &n->catalog, &n->inv, e);
	if (rc == 0)
		health_check(r, &n->catalog, &n->inv, false, &n->health);
	return rc;
}

int sriov_node_read(struct sriov_node *n, struct err *e)
{
	int rc = node_conf_read(&n->c->root, &n->conf, e);

	if (rc < 0)
		return rc;
	catalog_load(&n->catalog, &n->c->root);
	return sriov_node_look(n, e);
}

bool sriov_node_is_board(const struct sriov_node *n, const struct bdf *gpu, const char *board)
{
	const struct gpu *g = inventory_gpu(&n->inv, gpu);
	AUTO_FREE char *model = gpu_model(&n->c->root, gpu);

	return (g && gpu_is_board(g, board)) || (model && gpu_model_is(model, board));
}

struct question {
	const struct sriov_node *n;
	const struct bdf *gpu;
};

static bool is_board(void *arg, const char *board)
{
	const struct question *q = arg;

	return sriov_node_is_board(q->n, q->gpu, board);
}

int sriov_node_keys(const struct sriov_node *n, const struct bdf *gpu, struct node_keys *out,
		    struct err *e)
{
	struct question q = { .n = n, .gpu = gpu };
	int rc = node_conf_gpu(&n->conf, gpu, is_board, &q, out, e);

	if (rc < 0)
		err_hint(e, "mend that line; `man pve-vgpu-node.conf` has the keys");
	return rc;
}

int sriov_node_select(const struct sriov_node *n, const char *word, struct bdf_list *out,
		      struct err *e)
{
	AUTO_BDF_LIST struct bdf_list all = { 0 };
	struct bdf addr;
	int rc;

	if (bdf_parse(word, &addr) == 0) {
		bdf_list_add(out, &addr);
		return 0;
	}
	rc = sriov_list(&n->c->root, &all, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < all.n; i++)
		if (!strcmp(word, "all") || sriov_node_is_board(n, &all.b[i], word))
			bdf_list_add(out, &all.b[i]);
	if (out->n || !strcmp(word, "all"))
		return 0;
	fail(e, -ENODEV, "%s is no address, and no GPU with SR-IOV here is of that board", QUOTED(word));
	err_hint(e, "`pve-vgpu sriov status` shows the GPUs of this node");
	return -ENODEV;
}

void sriov_node_warn(const struct sriov_node *n)
{
	AUTO_STRLIST struct strlist faults = { 0 };

	node_conf_faults(&n->conf, &faults);
	for (size_t i = 0; i < faults.n; i++)
		fprintf(stderr, "pve-vgpu: %s\n", faults.s[i]);
}
