/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libfuse's high-level interface: pmxcfs uses the same, so what it leaves to
 * the library is done here as there.
 */
#ifndef PMXCFS_FUSE_H
#define PMXCFS_FUSE_H

#define FUSE_USE_VERSION 35
#include <fuse.h>

#endif
