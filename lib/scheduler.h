/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How a GPU shares its time between vGPUs, as the driver's parameters have it.
 * Text in, struct out; lib/scheduler_file.h reads the file.
 *
 * The parameters hold what the module was loaded with; what nvidia-smi has set
 * since does not show there.
 * Source: NVIDIA open-gpu-kernel-modules src/nvidia/interface/nvrm_registry.h,
 * NV_REG_STR_RM_PVMRL; NVIDIA vGPU user guide, "Changing Scheduling Behavior"
 */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "bdf.h"

enum scheduler_policy {
	SCHEDULER_BEST_EFFORT,		/* NVIDIA's default */
	SCHEDULER_EQUAL_SHARE,
	SCHEDULER_FIXED_SHARE,
};

struct scheduler {
	bool set;			/* RmPVMRL is there; else all is NVIDIA's default */
	bool of_gpu;			/* for this GPU alone */
	uint32_t value;			/* of RmPVMRL */
	enum scheduler_policy policy;
	bool strict_round_robin;	/* with equal and fixed share */
	/* 0: NVIDIA's default, which depends on the type */
	unsigned int timeslice_ms;	/* without strict round robin */
	unsigned int frequency_hz;	/* with it */
	unsigned int averaging_factor;	/* with it */
};

/* "best effort", "equal share", "fixed share" */
const char *scheduler_policy_name(enum scheduler_policy p);

/* The same as an admin writes it, "best-effort" and so on: 0, or -EINVAL for a text that is none. */
int scheduler_policy_parse(const char *text, enum scheduler_policy *out);
const char *scheduler_policy_word(enum scheduler_policy p);

/*
 * The value of RmPVMRL for a policy with its times, which must be within NVIDIA's
 * limits: with a time slice scheduling is without strict round robin, else with it.
 */
uint32_t scheduler_encode(const struct scheduler *s);

/* Take a value of RmPVMRL apart; whether a field is within NVIDIA's limits is not checked. */
void scheduler_decode(uint32_t value, struct scheduler *out);

/*
 * What params, the text of /proc/driver/nvidia/params, says of a GPU: its own
 * entry of RegistryDwordsPerDevice, else RegistryDwords; of several the last.
 * Entries that cannot be read are passed over.
 */
void scheduler_parse(const char *params, const struct bdf *gpu, struct scheduler *out);

#endif
