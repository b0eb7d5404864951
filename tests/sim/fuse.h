/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libfuse's low-level interface, as 3.10 and later have it.
 */
#ifndef SIM_FUSE_H
#define SIM_FUSE_H

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#endif
