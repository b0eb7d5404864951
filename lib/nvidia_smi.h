/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * NVIDIA's own tool, asked for what shows in no file. It takes a second or more
 * and may hang with its driver: for those who look at the node, never for a start.
 */
#ifndef NVIDIA_SMI_H
#define NVIDIA_SMI_H

#include "root.h"

/* What it may take: with a driver that is not kept loaded, seconds. */
#define NVIDIA_SMI_MS	15000

/*
 * Run usr/bin/nvidia-smi of this root by its path, with these arguments (args
 * ends with NULL and does not hold the program's name) and an environment of our
 * own. *text is what it printed on both streams, the caller's, also where it
 * failed with a status; else NULL.
 *
 * Returns 0; -ENOENT: it is not there; -ETIMEDOUT: it has been killed, or left
 * behind where even that does not end it; -EIO: it failed.
 */
int nvidia_smi(const struct root *r, const char *const *args, int timeout_ms, char **text,
	       struct err *e);

#endif
