/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files of the guest's vendor data: a token that is read, data that is written. */
#ifndef GUEST_FILE_H
#define GUEST_FILE_H

#include "root.h"

/* Read a file named on the command line, of at most 64 KiB. *text is the caller's. Returns 0 or -errno. */
int guest_file_read(const char *file, char **text, size_t *len, struct err *e);

/*
 * The path below the root of a volume that is to be written. Shared storages
 * will do: what a VM needs at its start should be where it migrates to, too.
 *
 * Returns 0; -ENOENT: there is no such storage on this node, it holds no
 * snippets, or its directory is not there; or -errno. The caller frees *path.
 */
int guest_file_path(const struct root *r, const char *storage, const char *volid, char **path,
		    struct err *e);

/*
 * Write vendor data in one step; readable by root alone where a token is in it.
 * r NULL: file is a path as on the command line, else one below the root.
 *
 * Returns 1, or 0 where the file has that text already; -EEXIST where the file
 * is none of ours, or has a token that would be lost; or -errno.
 */
int guest_file_write(const struct root *r, const char *file, const char *text, const char *token,
		     bool dry_run, struct err *e);

#endif
