/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One line of the settings, as settings.h has the grammar: what it is, and
 * where in it name and value stand. Who reads the file and who changes it both
 * ask here, so that they cannot differ. Pure.
 */
#ifndef SETTINGS_LINE_H
#define SETTINGS_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define SETTINGS_BOM	"\xef\xbb\xbf"	/* passed over at the start of the file */

enum line_kind {
	LINE_COMMENT,		/* or nothing but blanks */
	LINE_DEFAULTS,		/* [defaults] */
	LINE_VM,		/* [vm <vmid>] */
	LINE_LOST,		/* a header that cannot be read */
	LINE_KEY,		/* name = value */
	LINE_GARBLED,		/* has a character that no line may have */
	LINE_FAULT,		/* none of these */
};

struct settings_line {
	enum line_kind kind;
	unsigned int vmid;		/* LINE_VM */
	char *why;			/* LINE_LOST, LINE_GARBLED, LINE_FAULT: what is wrong, without place */
	size_t name_len;		/* LINE_KEY: the name begins the line */
	size_t value, value_len;	/* LINE_KEY: without the blanks around it */
	size_t comment;			/* LINE_KEY: of the ';' behind the value, or 0 */
};

/*
 * Take the next line off a text: from *next up to its newline or end. Returns
 * where it starts; *len is without the newline and a CR before that, and *next
 * is behind it. NULL: there are no more.
 */
const char *settings_line_cut(const char **next, const char *end, size_t *len);

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
