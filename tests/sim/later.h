/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Requests that are answered later: delayed ones, and writers that wait for a
 * vGPU to be let go. One thread looks after all of them, so however many
 * block, none of libfuse's threads does. It also removes the vGPUs that the
 * driver tidies up itself.
 */
#ifndef SIM_LATER_H
#define SIM_LATER_H

#include "fuse.h"
#include "model.h"

struct later {
	struct later *next;
	fuse_req_t req;
	uint64_t due;	/* ms; 0: something else ends the wait */

	/*
	 * Looked at when it is due, interrupted, or something changed.
	 * True: answered, and freed by the callee.
	 */
	bool (*step)(struct later *it, bool interrupted);
};

/* 0 or -1 with errno. */
int later_start(struct sim *sim);
void later_add(struct later *it);

/* Something changed that somebody may wait for. */
void later_poke(void);

#endif
