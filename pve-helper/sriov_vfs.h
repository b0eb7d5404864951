/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Make and remove the VFs of one GPU. */
#ifndef SRIOV_VFS_H
#define SRIOV_VFS_H

#include <stdint.h>

#include "sriov_node.h"

struct sriov_job {
	struct sriov_node *n;
	struct bdf gpu;
	bool configured;		/* as node.conf has it, and nothing without it */
	struct strlist done;		/* what was done, or would be, or was left; finished lines */
};

void sriov_job_free(struct sriov_job *j);

/*
 * Enable SR-IOV: VFs, each with its driver, and with their types, and mixed
 * sizes where node.conf asks for them. What is there already is success.
 * Returns 0 or -errno; with c->dry_run only says what it would do.
 */
int sriov_enable(struct sriov_job *j, struct err *e);

/* Remove the VFs; refused while one is used. */
int sriov_disable(struct sriov_job *j, struct err *e);

#endif
