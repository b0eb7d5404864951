/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "term.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "xalloc.h"

bool term_is_tty(FILE *f)
{
	return isatty(fileno(f));
}

static bool has_colour(FILE *f)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return term_is_tty(f) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

const char *term_on(FILE *f, enum style s)
{
	static const char *const on[] = { "", "\033[1m", "\033[2m", "\033[33m" };

	return s != STYLE_NONE && has_colour(f) ? on[s] : "";
}

const char *term_off(FILE *f, enum style s)
{
	return s != STYLE_NONE && has_colour(f) ? "\033[0m" : "";
}

char *term_bar(unsigned long part, unsigned long whole, int width)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);
	int full = 0;

	if (whole)
		full = part < whole ? (int)((part * (unsigned long)width + whole / 2) / whole) : width;
	/* Something is never shown as nothing. */
	if (whole && part && !full)
		full = 1;
	for (int i = 0; i < width; i++)
		fputs(i < full ? "█" : "░", f);
	fclose(f);
	return text;
}

void table_add(struct table *t, enum style s, const char *const *cells, size_t n)
{
	struct table_row *r = GROW(t->row, t->n);

	r->style = s;
	for (size_t i = 0; i < n; i++) {
		char **slot = GROW(r->cell, r->n);

		*slot = xstrdup(cells[i]);
	}
}

/* Cells hold valid UTF-8: what is no continuation begins a character. */
static size_t columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_row(const struct table_row *r, const size_t *width, FILE *f)
{
	/* Without widths it is no terminal, and need not be asked of each row again. */
	enum style style = width ? r->style : STYLE_NONE;

	fputs(term_on(f, style), f);
	for (size_t i = 0; i < r->n; i++) {
		bool last = i + 1 == r->n;

		if (!width)
			fprintf(f, "%s%s", r->cell[i], last ? "" : "\t");
		else
			fprintf(f, "%s%*s", r->cell[i],
				last ? 0 : (int)(width[i] - columns(r->cell[i])) + 2, "");
	}
	fprintf(f, "%s\n", term_off(f, style));
}

void table_print(const struct table *t, FILE *f)
{
	bool tty = term_is_tty(f);
	AUTO_FREE size_t *width = NULL;

	if (!t->n)
		return;
	if (tty) {
		width = xcalloc(t->row[0].n, sizeof(*width));
		for (size_t i = 0; i < t->n; i++)
			for (size_t k = 0; k < t->row[i].n && k < t->row[0].n; k++)
				if (columns(t->row[i].cell[k]) > width[k])
					width[k] = columns(t->row[i].cell[k]);
	}
	for (size_t i = tty ? 0 : 1; i < t->n; i++)
		print_row(&t->row[i], width, f);
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		for (size_t k = 0; k < t->row[i].n; k++)
			free(t->row[i].cell[k]);
		free(t->row[i].cell);
	}
	free(take_ptr(t->row));
	t->n = 0;
}
