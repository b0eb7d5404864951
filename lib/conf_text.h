/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The text of a file of ours, line by line through inih, which sees no line that
 * it would read as anything but what it says. Its user judges each line first
 * (conf_line.h). Pure.
 */
#ifndef CONF_TEXT_H
#define CONF_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct conf_text {
	const char *next, *end;
	unsigned int line;		/* of the one that is being read, from 1 */
	/* Judge a line, without its end; true if inih is to see it. */
	bool (*see)(void *arg, const char *line, size_t max);
	/* The line holds a NUL byte. */
	void (*nul)(void *arg);
	/* A key line that see() has let pass. */
	void (*key)(void *arg, const char *name, const char *value);
	void *arg;
};

/*
 * Read len bytes of text; the caller has set the functions. Returns 0, or as
 * ini_parse_stream(): a line that inih cannot read, or -2 without memory.
 */
int conf_text_read(struct conf_text *t, const char *text, size_t len);

#endif
