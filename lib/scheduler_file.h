/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A GPU's scheduler, out of /proc/driver/nvidia/params. */
#ifndef SCHEDULER_FILE_H
#define SCHEDULER_FILE_H

#include "root.h"
#include "scheduler.h"

/* 0, or -errno where the driver shows no parameters: then *out is NVIDIA's default. */
int scheduler_read(const struct root *r, const struct bdf *gpu, struct scheduler *out);

/*
 * What the scheduler has against vGPUs of several sizes on this GPU, to follow
 * "GPU <address>: ": NVIDIA supports mixed sizes with best effort and equal share
 * alone. NULL: nothing. The caller frees it.
 */
char *scheduler_against_sizes(const struct root *r, const struct bdf *gpu);

#endif
