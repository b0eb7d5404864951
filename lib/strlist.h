/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A growing list of owned strings. */
#ifndef STRLIST_H
#define STRLIST_H

#include <stdbool.h>
#include <stddef.h>

struct strlist {
	char **s;
	size_t n;
};

void strlist_add(struct strlist *l, const char *s);
/* Append a string the list takes over. */
void strlist_take(struct strlist *l, char *s);
bool strlist_has(const struct strlist *l, const char *s);
void strlist_sort(struct strlist *l);
/* All of them with sep between two; the caller frees it. */
char *strlist_join(const struct strlist *l, const char *sep);
void strlist_free(struct strlist *l);

#define AUTO_STRLIST __attribute__((cleanup(strlist_free)))

#endif
