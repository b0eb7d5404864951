/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Versions of installed Debian packages. */
#ifndef PKG_VERSION_H
#define PKG_VERSION_H

#include <stdbool.h>

#include "err.h"
#include "root.h"

/*
 * The version of a package that is on this node, from dpkg's own list. One that
 * is unpacked and not yet configured counts: its files are there.
 * Returns 0 and *version, which the caller frees; -ENOENT: it is not installed;
 * or -errno.
 */
int package_version(const struct root *r, const char *package, char **version, struct err *e);

/* The same in the text of that list; NULL: it is not installed. The caller frees it. Pure. */
char *package_version_in(const char *text, size_t len, const char *package);

/*
 * Whether version is not before since, in dpkg's order: "8.2.5" is behind
 * "7.2-4", "8.0~rc1" before "8.0".
 * Source: Debian Policy, 5.6.12 Version
 */
bool version_at_least(const char *version, const char *since);

#endif
