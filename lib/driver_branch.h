/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Branches of NVIDIA's driver, by its version. Pure. */
#ifndef DRIVER_BRANCH_H
#define DRIVER_BRANCH_H

/* The branch, 550 of "550.163.02"; 0 for a text that is no version. */
unsigned int driver_branch(const char *version);

/*
 * The release of NVIDIA's vGPU software that has this branch as its host driver,
 * 17 for 550; 0: not known here.
 * Source: NVIDIA vGPU software documentation, release notes of each release
 */
unsigned int driver_vgpu_release(unsigned int branch);

#endif
