/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The settings of one node, /etc/pve-vgpu/node.conf: text in, struct out.
 *
 *   [defaults]
 *   sriov = yes			; VFs are enabled at boot
 *   vfs = 8				; how many, where SR-IOV allows a number; all
 *   mixed-size = no			; vGPUs of several sizes on a GPU
 *   scheduler = equal-share		; best-effort, equal-share, fixed-share
 *   time-slice = 3			; ms, 1 to 30: without strict round robin
 *   frequency = 480			; Hz, 63 to 960: with strict round robin
 *   averaging-factor = 33		; 1 to 60, with frequency
 *   sriov-wait = 120			; seconds, 1 to 600
 *
 *   [gpu 0000:3b:00.0]			; or a board: [gpu A40]
 *   sriov = no				; the same keys, but for sriov-wait
 *
 *   [vgpu 11111111-2222-4333-8444-555555555555]	; or a VF's address: [vgpu 0000:3b:00.4]
 *   type = A40-24A
 *   gpu = 0000:3b:00.0, A40
 *   params = frame_rate_limiter=0
 *
 * A GPU's section by address wins over the one by board, and that over
 * [defaults], key by key; but the four keys of the scheduler are one: who says
 * one of them says all. The lines are those of settings.h, as are its rules for
 * what is refused.
 *
 * Faults do not stop the reading. Whom they concern:
 *   a section of its own		this GPU or vGPU; a warning for others
 *   [defaults], before any section	all
 *   a NUL byte anywhere		all
 *   a section header that cannot be read: those with no section of their own,
 *   for it may be theirs; a warning for the rest
 */
#ifndef NODE_CONF_H
#define NODE_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "bdf.h"
#include "err.h"
#include "inventory.h"
#include "scheduler.h"
#include "strlist.h"

#define NODE_CONF_PATH	"etc/pve-vgpu/node.conf"

enum said { SAID_NOTHING, SAID_NO, SAID_YES };

struct node_scheduler {
	unsigned int line;		/* of the first of its keys; 0: none is there */
	bool has_policy;
	enum scheduler_policy policy;
	/* 0: NVIDIA's default */
	unsigned int timeslice_ms, frequency_hz, averaging_factor;
};

/* What a section says of GPUs. */
struct node_keys {
	enum said sriov, mixed_size;
	unsigned int mixed_line;	/* of mixed-size */
	bool has_vfs;
	unsigned int vfs;		/* 0: all */
	struct node_scheduler scheduler;
};

struct node_gpu {
	char *name;			/* as written */
	bool by_address;		/* else name is a board */
	struct bdf addr;
	unsigned int line;		/* of the section's header */
	struct node_keys keys;
	char *fault;			/* first fault of this section, a finished line, or NULL */
};

/* A vGPU that is to be there from boot on, for no VM. */
struct node_vgpu {
	char *name;			/* UUID in lower case, or the VF's address */
	bool on_vf;
	struct bdf vf;
	unsigned int line;
	char *type;			/* as written; never NULL without a fault */
	struct bdf *gpus;		/* on these alone; with boards, none: on any */
	size_t n_gpus;
	struct strlist boards;
	char *params;			/* as the driver takes them, or NULL */
	char *fault;
};

struct node_conf {
	unsigned int sriov_wait_s;
	struct node_keys defaults;
	struct node_gpu *gpus;		/* in the order of the file */
	size_t n_gpus;
	struct node_vgpu *vgpus;
	size_t n_vgpus;
	const char *file;		/* its name for messages, borrowed */
	char *fault;			/* first fault that concerns all, or NULL */
	char *lost;			/* first section header that cannot be read, or NULL */
	struct strlist warnings;
};

/*
 * Read text of len bytes. Always fills *out; len == 0 gives the built-in values.
 * file is borrowed and must outlive *out. Release with node_conf_free().
 */
void node_conf_parse(const char *text, size_t len, const char *file, struct node_conf *out);

/* Whether a GPU is of this board. */
typedef bool (*board_test)(void *arg, const char *board);

/*
 * What holds for one GPU. Returns 0 and *out; or -EINVAL with the fault that
 * concerns this GPU, as where two boards' sections are its, or mixed sizes meet
 * fixed share.
 */
int node_conf_gpu(const struct node_conf *c, const struct bdf *addr, board_test is_board, void *arg,
		  struct node_keys *out, struct err *e);

/* Whether one [vgpu] can be served: 0, or -EINVAL with its fault. */
int node_conf_vgpu(const struct node_conf *c, const struct node_vgpu *v, struct err *e);

/* Every fault, one finished line each. */
void node_conf_faults(const struct node_conf *c, struct strlist *out);

/* The value of RmPVMRL that these keys ask for. */
uint32_t node_scheduler_value(const struct node_scheduler *s);

void node_conf_free(struct node_conf *c);
#define AUTO_NODE_CONF __attribute__((cleanup(node_conf_free)))

#endif
