/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a process has from whoever started it, made what the rest of the program
 * counts on: descriptors, signals, the mask of new files, limits. What programs
 * of the admin's are to have again is remembered.
 */
#ifndef SURROUNDINGS_H
#define SURROUNDINGS_H

#include <sys/resource.h>
#include <sys/types.h>

#include "err.h"

struct surroundings {
	mode_t umask;
	struct rlimit files, size;	/* RLIMIT_NOFILE, RLIMIT_FSIZE */
};

/*
 * Settle them; *before is how they were. Returns 0, or -errno where it cannot be
 * worked with what there is: -EMFILE: too few descriptors; -EFBIG: no files of the
 * size of ours; or no /dev/null for a standard stream that is closed.
 */
int surroundings_settle(struct surroundings *before, struct err *e);

/* In a child, before it becomes another program: mask and limits as they were, and no signal ignored by us. */
void surroundings_restore(const struct surroundings *before);

#endif
