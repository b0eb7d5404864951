/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where the settings come from. */
#ifndef SETTINGS_FILE_H
#define SETTINGS_FILE_H

#include "err.h"
#include "root.h"
#include "settings.h"

#define SETTINGS_PATH	"etc/pve/pve-vgpu.conf"

/*
 * Read the settings of the cluster. A file that is not there is an empty one.
 * Faults in the text are no failure here: settings_vm() tells them.
 *
 * Returns 0; -ENOENT if /etc/pve is not there or has nothing in it, which is
 * what a node shows while pmxcfs is not mounted; else -errno.
 * Release with settings_free().
 */
int settings_read(const struct root *r, struct settings *out, struct err *e);

/*
 * The same, and the text that it was read from, for those who change it: *text ends in a
 * NUL behind *len bytes, is empty where there is no file, and is the caller's.
 */
int settings_read_text(const struct root *r, char **text, size_t *len, struct settings *out,
		       struct err *e);

#endif
