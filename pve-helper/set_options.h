/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `set` is asked for, from its command line. */
#ifndef SET_OPTIONS_H
#define SET_OPTIONS_H

#include "ctx.h"
#include "settings_edit.h"

struct set_asked {
	unsigned int vmid;
	unsigned int index;
	struct setting *s;	/* keys of the VM's section; values are owned */
	size_t n;
};

/* Reads the words behind "set". Returns 0 or RC_USAGE. Release with set_asked_free(). */
int set_options_read(struct ctx *c, int argc, char *argv[], struct set_asked *out, struct err *e);

/* Add a key, or replace what is asked of it. */
void set_asked_add(struct set_asked *a, const char *key, const char *value);

/* What is asked of the key; NULL: it is to go, or not named at all. */
const char *set_asked_value(const struct set_asked *a, const char *key);

/* Whether this key is among what is asked for, be it to go. */
bool set_asked_has(const struct set_asked *a, const char *key);

/* A copy of its own; release with set_asked_free(). */
void set_asked_copy(struct set_asked *to, const struct set_asked *from);

void set_asked_free(struct set_asked *a);
#define AUTO_SET_ASKED __attribute__((cleanup(set_asked_free)))

#endif
