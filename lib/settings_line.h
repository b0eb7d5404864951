/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One line of the settings, as settings.h has the grammar. Who reads the file
 * and who changes it both ask here, so that they cannot differ. Pure.
 */
#ifndef SETTINGS_LINE_H
#define SETTINGS_LINE_H

#include "conf_line.h"

/* [vm <vmid>], the one kind of section that the settings have besides [defaults] */
#define LINE_VM		LINE_SECTION

extern const struct conf_sections settings_sections;

/*
 * The vmid of a [vm <name>]; line is the whole of it. Returns NULL and *vmid, or
 * what is wrong, without place, which the caller frees.
 */
char *settings_vmid(const char *line, const char *name, unsigned int *vmid);

struct settings_line {
	enum line_kind kind;
	unsigned int vmid;		/* LINE_VM */
	char *why;			/* LINE_LOST, LINE_GARBLED, LINE_FAULT: what is wrong, without place */
	size_t name_len;		/* LINE_KEY: the name begins the line */
	size_t value, value_len;	/* LINE_KEY: without the blanks around it */
	size_t comment;			/* LINE_KEY: of the ';' behind the value, or 0 */
};

/*
 * Read a line, without its end. A key line longer than max characters is a
 * fault. Release with settings_line_free().
 */
void settings_line_read(const char *line, size_t max, struct settings_line *out);
void settings_line_free(struct settings_line *l);

/* Whether the line is a section's header, be it one that cannot be read. */
static inline bool settings_line_is_header(const struct settings_line *l)
{
	return l->kind == LINE_DEFAULTS || l->kind == LINE_VM || l->kind == LINE_LOST;
}

#define AUTO_SETTINGS_LINE __attribute__((cleanup(settings_line_free)))

#endif
