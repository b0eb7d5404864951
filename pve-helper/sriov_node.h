/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `sriov` and `scheduler` know of the node: its settings, GPUs, vGPUs, and what ails it. */
#ifndef SRIOV_NODE_H
#define SRIOV_NODE_H

#include "catalog.h"
#include "ctx.h"
#include "health.h"
#include "inventory.h"
#include "node_conf.h"
#include "sriov.h"

struct sriov_node {
	const struct ctx *c;
	struct node_conf conf;
	struct catalog catalog;
	struct inventory inv;
	struct health health;
};

void sriov_node_free(struct sriov_node *n);
#define AUTO_SRIOV_NODE __attribute__((cleanup(sriov_node_free)))

/* Read settings and node; n is empty but for c. */
int sriov_node_read(struct sriov_node *n, struct err *e);

/* Look at GPUs and vGPUs anew, as after a change. */
int sriov_node_look(struct sriov_node *n, struct err *e);

/* Whether the GPU is of this board, by its types, or before it shows any by its model. */
bool sriov_node_is_board(const struct sriov_node *n, const struct bdf *gpu, const char *board);

/* What node.conf says of a GPU, as node_conf_gpu(). */
int sriov_node_keys(const struct sriov_node *n, const struct bdf *gpu, struct node_keys *out,
		    struct err *e);

/*
 * Append the GPUs that a word means: "all" those with SR-IOV, an address, or a
 * board. Whether an address is a GPU's is not checked. -ENODEV: a board that no
 * GPU with SR-IOV is of.
 */
int sriov_node_select(const struct sriov_node *n, const char *word, struct bdf_list *out,
		      struct err *e);

/* Faults of node.conf that nobody was refused for, to standard error. */
void sriov_node_warn(const struct sriov_node *n);

#endif
