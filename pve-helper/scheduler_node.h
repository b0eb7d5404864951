/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The schedulers of this node's GPUs: what node.conf asks for, what the driver
 * was loaded with and what it has written of it into the kernel's log, and what
 * the file for its next load has.
 */
#ifndef SCHEDULER_NODE_H
#define SCHEDULER_NODE_H

#include "scheduler.h"
#include "scheduler_log.h"
#include "sriov_node.h"

/* Where modprobe finds them, and which of the driver's parameters is written. */
#define SCHEDULER_DIR	"etc/modprobe.d"
#define SCHEDULER_NAME	"pve-vgpu.conf"
#define SCHEDULER_PATH	SCHEDULER_DIR "/" SCHEDULER_NAME
#define SCHEDULER_PARAM	"NVreg_RegistryDwordsPerDevice"

/* What a new driver has to find in the initramfs, where that holds modprobe's files and the driver. */
#define SCHEDULER_DUE	"update-initramfs -u -k all, and reboot: the driver takes it when it is loaded"

enum scheduler_state {
	SCHEDULER_NOT_ASKED,	/* node.conf does not say */
	SCHEDULER_ACTIVE,	/* it is as node.conf has it */
	SCHEDULER_REBOOT,	/* the file is, the driver is not yet */
	SCHEDULER_APPLY,	/* the file is not */
	SCHEDULER_DIFFERS,	/* the driver was loaded with it, and says that another one runs */
	SCHEDULER_FAULT,	/* what node.conf says cannot be */
};

struct scheduler_gpu {
	struct bdf addr;
	char *model;			/* or NULL */
	struct scheduler wanted;	/* set: node.conf says it */
	bool loaded;			/* running is known */
	struct scheduler running;	/* by the driver's parameters */
	struct scheduler_report report;	/* known: by the kernel's log, which counts for more */
	struct scheduler next;		/* set: the file has it */
	enum scheduler_state state;
	struct err err;			/* of SCHEDULER_FAULT and SCHEDULER_DIFFERS */
};

struct scheduler_node {
	struct scheduler_gpu *gpus;	/* NVIDIA's, and those that node.conf names by address */
	size_t n;
	char *file;			/* the text that the file has, or NULL */
	char *value;			/* of the parameter in it, or NULL */
	char *no_log;			/* why a GPU's line may be missing in the kernel's log */
};

void scheduler_node_free(struct scheduler_node *n);
#define AUTO_SCHEDULER_NODE __attribute__((cleanup(scheduler_node_free)))

int scheduler_node_read(const struct sriov_node *node, struct scheduler_node *out, struct err *e);

/*
 * Write the file for what the GPUs are to have, or take it away where they are
 * to have nothing; *done says which, the caller's. Refused, with nothing
 * written: a GPU with a fault, and another file or the kernel's command line
 * that sets the same parameter, of which the last one alone would count. With
 * dry_run nothing is written, and *done has the text.
 */
int scheduler_apply(const struct sriov_node *node, const struct scheduler_node *n, char **done,
		    struct err *e);

/* What the admin does next for a GPU, or NULL; the caller frees it. */
char *scheduler_mend(const struct scheduler_gpu *g);

/* Whether a GPU waits for the driver to be loaded anew. */
bool scheduler_waits(const struct scheduler_node *n);

/* What runs on a GPU as far as log and parameters tell; false where neither does. */
bool scheduler_runs(const struct scheduler_gpu *g, struct scheduler *out);

/* "equal share, 3 ms", "fixed share, 480 Hz, averaging factor 33"; the caller frees it. */
char *scheduler_text(const struct scheduler *s);

#endif
