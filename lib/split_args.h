/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The `args` of a VM's config, taken apart as PVE does it. Pure.
 *
 * Words are parted by blanks. A backslash takes the next character as it is,
 * outside of quotes and within double ones; within single quotes it stays, yet
 * a quote behind it does not end them.
 * Source: pve-common src/PVE/Cmd.pm, split_args(); Perl's Text::ParseWords, shellwords()
 */
#ifndef SPLIT_ARGS_H
#define SPLIT_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct arg_word {
	char *text;
	size_t from, to;	/* its bytes in the args, with quotes and backslashes */
};

struct arg_words {
	struct arg_word *w;
	size_t n;
};

/*
 * Returns 0, or -EINVAL where a quote or a backslash has no end: of such args
 * PVE takes no word at all. NULL has no words. Release with arg_words_free().
 */
int split_args(const char *args, struct arg_words *out, struct err *e);
void arg_words_free(struct arg_words *l);
#define AUTO_ARG_WORDS __attribute__((cleanup(arg_words_free)))

/* Whether they give QEMU a -uuid; args that cannot be read give nothing. */
bool args_give_uuid(const char *args);

/* A word as it has to be written in args; the caller frees it. */
char *args_quote(const char *word);

#endif
