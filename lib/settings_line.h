/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One line of the settings, as settings.h has the grammar. Who reads the file
 * and who changes it both ask here, so that they cannot differ. Pure.
 */
#ifndef SETTINGS_LINE_H
#define SETTINGS_LINE_H

#include "conf_line.h"

/* [vm <vmid>]; a header with another name than a vmid cannot be read. */
extern const struct conf_sections settings_sections;

/* conf_line_read() for the settings; release with conf_line_free(). */
void settings_line_read(const char *line, struct conf_line *out);

/* Whether the line is the header of this VM's section. */
bool settings_line_is_vm(const struct conf_line *l, unsigned int vmid);

#endif
