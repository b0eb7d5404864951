/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What NVIDIA's driver writes of a GPU's scheduler into the kernel's log when it
 * takes the GPU up. Messages in, struct out; lib/kernel_log.h reads them.
 * Source: NVIDIA vGPU user guide, "Changing Scheduling Behavior"
 */
#ifndef SCHEDULER_LOG_H
#define SCHEDULER_LOG_H

#include "scheduler.h"
#include "strlist.h"

#define SCHEDULER_LOG_PREFIX	"NVRM: "

struct scheduler_report {
	bool known;			/* the last line of this GPU was understood */
	bool enabled;			/* the software scheduler, as the driver calls it */
	enum scheduler_policy policy;
	unsigned int timeslice_ms;	/* 0: not told, or not of which GPU */
};

/*
 * What messages, the oldest first, say of a GPU: its last line counts. The line
 * with the time slice names no GPU, so it counts for the one whose line it
 * follows, and for none where two GPUs' lines wait for one.
 */
void scheduler_report_read(const struct strlist *messages, const struct bdf *gpu,
			   struct scheduler_report *out);

#endif
