/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The keys of one section: which came already, and which one was meant. Pure. */
#ifndef CONF_KEYS_H
#define CONF_KEYS_H

#include <stddef.h>

#include "strlist.h"

struct conf_keys {
	struct strlist names;		/* of this section so far */
	unsigned int *lines;
	size_t nlines;
};

/* The keys of a kind of section. */
struct conf_known {
	const char *const *names;
	size_t n;
};

/* Note a key. Returns the line in which it came already, or 0. */
unsigned int conf_keys_add(struct conf_keys *k, const char *name, unsigned int line);

/* Forget all of them. */
void conf_keys_clear(struct conf_keys *k);

/* The nearest of the known keys, borrowed; NULL: none is near. */
const char *conf_keys_near(const char *name, const struct conf_known *known);

#endif
