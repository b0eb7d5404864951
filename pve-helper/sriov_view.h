/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `sriov status`, and what `enable` and `disable` have made of it. */
#ifndef SRIOV_VIEW_H
#define SRIOV_VIEW_H

#include "sriov_node.h"

/* A GPU that was asked for. */
struct sriov_row {
	struct bdf gpu;
	struct strlist done;		/* as in struct sriov_job */
	struct err err;			/* msg NULL: none */
};

struct sriov_rows {
	struct sriov_row *r;
	size_t n;
};

void sriov_rows_free(struct sriov_rows *l);
#define AUTO_SRIOV_ROWS __attribute__((cleanup(sriov_rows_free)))

void sriov_print_json(const struct sriov_node *n, const struct sriov_rows *l);

/* Columns, and what ails each GPU to standard error. */
void sriov_print_status(const struct sriov_node *n, const struct sriov_rows *l);

#endif
