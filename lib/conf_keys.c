/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "conf_keys.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "names.h"
#include "xalloc.h"

/* Edits between what was written and what was meant. */
#define NEAR	2

unsigned int conf_keys_add(struct conf_keys *k, const char *name, unsigned int line)
{
	for (size_t i = 0; i < k->names.n; i++)
		if (!strcmp(k->names.s[i], name))
			return k->lines[i];
	strlist_add(&k->names, name);

	unsigned int *slot = GROW(k->lines, k->nlines);

	*slot = line;
	return 0;
}

void conf_keys_clear(struct conf_keys *k)
{
	strlist_free(&k->names);
	free(take_ptr(k->lines));
	k->nlines = 0;
}

const char *conf_keys_near(const char *name, const struct conf_known *known)
{
	const char *found = NULL;
	size_t best = NEAR + 1;

	for (size_t i = 0; i < known->n; i++) {
		size_t d = names_distance(name, known->names[i], NEAR);

		if (d < best) {
			best = d;
			found = known->names[i];
		}
	}
	return found;
}
