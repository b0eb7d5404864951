/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mig_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

/* Ids are small: 0 to 14 on an A100. */
#define MAX_ID		255
#define BLANKS		" \t\r"

/* A number of at most max at *at, which goes behind it. */
static bool number(const char **at, unsigned long max, unsigned int *out)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;

	unsigned long v = strtoul(*at, &end, 10);

	if (v > max)
		return false;
	*at = end;
	*out = (unsigned int)v;
	return true;
}

bool mig_profile_parse(const char *name, struct mig_profile *out)
{
	struct mig_profile p;

	if (!number(&name, 9, &p.slices) || !p.slices || strncmp(name, "g.", 2))
		return false;
	name += 2;
	if (!number(&name, 4096, &p.gib) || strncmp(name, "gb", 2))
		return false;
	name += 2;
	if (*name && *name != '+' && *name != '-')
		return false;
	/* It is shown, and compared with what types are called. */
	for (const char *s = name; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("+-._", *s))
			return false;
	p.suffix = name;
	*out = p;
	return true;
}

void mig_table_free(struct mig_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->row[i].profile);
	free(take_ptr(t->row));
	t->n = 0;
}

/* Blanks are passed over; something else must follow the number. */
static bool column(const char **at, unsigned int *out)
{
	*at += strspn(*at, BLANKS);
	return number(at, MAX_ID, out) && strchr(BLANKS "|", **at);
}

/* "|   0  MIG 1g.5gb   19   9   2:1   |"; mig points at "MIG ". */
static bool read_row(const char *line, const char *mig, struct mig_table *t, unsigned int *gpu)
{
	const char *name = mig + 4 + strspn(mig + 4, BLANKS);
	size_t len = strcspn(name, BLANKS "|");
	AUTO_FREE char *profile = xstrndup(name, len);
	const char *at = name + len;
	struct mig_profile p;
	unsigned int unused, id;

	line += strspn(line, BLANKS "|");
	if (!column(&line, gpu) || !mig_profile_parse(profile, &p) || !column(&at, &unused) ||
	    !column(&at, &id))
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (t->row[i].id == id)
			return false;

	struct mig_row *r = GROW(t->row, t->n);

	*r = (struct mig_row){ .id = id, .profile = take_ptr(profile) };
	return true;
}

static int by_id(const void *a, const void *b)
{
	const struct mig_row *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Without an instance nvidia-smi says so, and fails. */
static bool says_none(const char *text)
{
	return strstr(text, "No GPU instances found");
}

int mig_table_parse(const char *text, struct mig_table *out)
{
	AUTO_MIG_TABLE struct mig_table t = { 0 };
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy, *line;
	unsigned int gpu = 0, first = 0;

	while ((line = strsep(&rest, "\n"))) {
		const char *mig = strstr(line, "MIG ");

		if (!mig || !isdigit((unsigned char)line[strspn(line, BLANKS "|")]))
			continue;
		if (!read_row(line, mig, &t, &gpu))
			return -EINVAL;
		if (t.n == 1)
			first = gpu;
		if (gpu != first)
			return -EINVAL;
	}
	if (!t.n && !says_none(text))
		return -EINVAL;
	if (t.n)
		qsort(t.row, t.n, sizeof(*t.row), by_id);
	out->row = take_ptr(t.row);
	out->n = t.n;
	t.n = 0;
	return 0;
}
