/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The digest by which PVE's tools see that a file was changed meanwhile.
 * Source: pve-guest-common src/PVE/AbstractConfig.pm, load_config();
 * pve-common src/PVE/SectionConfig.pm, parse_config()
 */
#ifndef DIGEST_H
#define DIGEST_H

#include <stddef.h>

/* Of the whole text of the file, in hexadecimal; the caller frees it. */
char *digest_of(const char *text, size_t len);

#endif
