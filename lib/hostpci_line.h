/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A hostpci<N> value for a vGPU of an intent. Pure. */
#ifndef HOSTPCI_LINE_H
#define HOSTPCI_LINE_H

#include <stdbool.h>

/*
 * "mapping=vgpu-A40,mdev=nvidia-575,pcie=1,x-vga=1". What the line has besides
 * (rombar=0 and the like) stays behind it, in its order; a line that says all of
 * it already comes back as it is, byte for byte.
 *
 * @has: the line that is there, or NULL
 * @where: "mapping=<id>" or an address
 *
 * Returns the value, which the caller frees.
 */
char *hostpci_line(const char *has, const char *where, const char *mdev, bool pcie, bool x_vga);

#endif
