/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Text for people and for pipes: on a terminal columns and colour (not with
 * NO_COLOR), in a pipe one record a line, fields between tabs, no header.
 */
#ifndef TERM_H
#define TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum style { STYLE_NONE, STYLE_BOLD, STYLE_FAINT, STYLE_WARN };

bool term_is_tty(FILE *f);

/* The sequence that begins or ends a style on f; "" where there is no colour. */
const char *term_on(FILE *f, enum style s);
const char *term_off(FILE *f, enum style s);

/*
 * A bar of `width` cells, `part` of `whole` of them full. whole 0 gives an empty
 * one. The caller frees it.
 */
char *term_bar(unsigned long part, unsigned long whole, int width);

struct table_row {
	char **cell;
	size_t n;
	enum style style;
};

struct table {
	struct table_row *row;	/* the first is the header */
	size_t n;
};

/* Append a row; the cells are copied. The first row is the header. */
void table_add(struct table *t, enum style s, const char *const *cells, size_t n);

#define TABLE_ROW(t, s, ...) \
	table_add((t), (s), (const char *const[]){ __VA_ARGS__ }, \
		  sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))
#define TABLE_HEADER(t, ...)	TABLE_ROW((t), STYLE_BOLD, __VA_ARGS__)

void table_print(const struct table *t, FILE *f);
void table_free(struct table *t);
#define AUTO_TABLE __attribute__((cleanup(table_free)))

#endif
