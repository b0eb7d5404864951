/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "strlist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

void strlist_take(struct strlist *l, char *s)
{
	char **slot = GROW(l->s, l->n);

	*slot = s;
}

void strlist_add(struct strlist *l, const char *s)
{
	strlist_take(l, xstrdup(s));
}

bool strlist_has(const struct strlist *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->s[i], s))
			return true;
	return false;
}

static int cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strlist_sort(struct strlist *l)
{
	if (l->n)
		qsort(l->s, l->n, sizeof(*l->s), cmp);
}

char *strlist_join(const struct strlist *l, const char *sep)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < l->n; i++)
		fprintf(f, "%s%s", i ? sep : "", l->s[i]);
	fclose(f);
	return text;
}

void strlist_free(struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->s[i]);
	free(take_ptr(l->s));
	l->n = 0;
}
