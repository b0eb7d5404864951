/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * VFs of NVIDIA's GPUs, by NVIDIA's own sriov-manage: its driver takes no other
 * way. It unbinds the GPU from its driver, so no vGPU may live there; it can say
 * that it has done it and have done nothing; and it gives up while another
 * program has the GPU («unbindLock»).
 */
#ifndef SRIOV_NVIDIA_H
#define SRIOV_NVIDIA_H

#include "sriov_vfs.h"

#define SRIOV_MANAGE	"usr/lib/nvidia/sriov-manage"

/* Whether something stands in the way that has to be mended first, as another driver. 0 or -errno. */
int sriov_nvidia_check(const struct sriov_job *j, struct err *e);

/*
 * Bring one GPU to where its VFs are there, bound, and show types. The locks are
 * held. s is what the GPU looks like now, and follows what is done.
 */
int sriov_nvidia_enable(struct sriov_job *j, struct sriov *s, int64_t deadline, struct err *e);

int sriov_nvidia_disable(struct sriov_job *j, struct sriov *s, int64_t deadline, struct err *e);

#endif
