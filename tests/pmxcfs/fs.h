/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The file system as one node sees it; private_data is its struct node.
 */
#ifndef PMXCFS_FS_H
#define PMXCFS_FS_H

#include "fuse.h"

extern const struct fuse_operations fs_ops;

#endif
