/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* systemd's unit files, as far as their order goes. Pure. */
#ifndef UNIT_FILE_H
#define UNIT_FILE_H

#include <stdbool.h>

/*
 * Whether a list of [Unit] ("Before", "After") has this word in the text of a unit,
 * with its drop-ins behind it. Each line adds to the list, and an empty one
 * begins it anew.
 * Source: systemd.unit(5), systemd.syntax(7)
 */
bool unit_file_lists(const char *text, const char *key, const char *word);

#endif
