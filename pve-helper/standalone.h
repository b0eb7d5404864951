/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `create` and `create --configured` share: the node as it counts for a vGPU that is no VM's. */
#ifndef STANDALONE_H
#define STANDALONE_H

#include <stdint.h>

#include "catalog.h"
#include "ctx.h"
#include "inventory.h"
#include "plan.h"
#include "settings.h"

struct standalone {
	struct settings settings;	/* of the cluster; all that counts here are the waits */
	struct catalog catalog;
	struct inventory inv;
	struct bdf *gpus;		/* that may be used; ngpus 0: any */
	size_t ngpus;
	const char *who;		/* NULL: only looking, no lock is taken */
	int64_t deadline;		/* clock_ms(), for all waits together */
};

void standalone_free(struct standalone *n);
#define AUTO_STANDALONE __attribute__((cleanup(standalone_free)))

/* The settings of the cluster, of which the waits alone count here: a fault among the VMs' stops nothing. */
void standalone_waits(const struct ctx *c, struct settings *out);

/* Read settings, names and GPUs; n is empty but for who. */
int standalone_read(const struct ctx *c, struct standalone *n, struct err *e);

/* The vGPU that would be made for w now. Returns 0, or -ENOSPC with the reasons. Release with vgpu_clear(). */
int standalone_plan(const struct ctx *c, struct standalone *n, const struct want *w,
		    const char *uuid, struct vgpu *out, struct err *e);

/* A line that tells a vGPU, without its end. */
void standalone_print(const struct vgpu *v);

struct json_object;
/* The same as fields of o. */
void standalone_json(struct json_object *o, const struct vgpu *v);

#endif
