/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Text from outside, made fit to stand in a message, a log or on a terminal. */
#ifndef QUOTE_H
#define QUOTE_H

#include <stddef.h>
#include <string.h>

#define QUOTE_LEN	128	/* quotes, "…" and NUL included */

/*
 * Write text between single quotes into buf and return buf. What is not
 * printable becomes \n, \t, \r or \xNN, a quote or backslash gets a backslash
 * before it; UTF-8 stays where it is valid and shows (control characters and
 * those that turn the direction of writing do not). What has no room in buf is
 * left out and a "…" before the closing quote says so. A NUL in text is
 * \x00. text == NULL gives "(none)".
 */
char *quote_into(char buf[static QUOTE_LEN], const char *text, size_t len);

static inline char *quote_text(char buf[static QUOTE_LEN], const char *text)
{
	return quote_into(buf, text, text ? strlen(text) : 0);
}

/*
 * A name that a driver gave, made fit to be kept and shown as it is, in JSON
 * too: blanks around it go, one blank stands for a run of white space, and a
 * '?' for what is no valid UTF-8 or does not show. What is longer than max
 * bytes is cut. The caller frees it.
 */
char *text_clean(const char *text, size_t max);

/* For messages: the quoted text lives as long as the enclosing block. */
#define QUOTED(text) quote_text((char[QUOTE_LEN]){ 0 }, (text))

/*
 * A word for a command that is shown: a shell takes it as one word, and as it is. What
 * does not show, or a terminal would obey, stands as $'\033', which bash knows. The caller frees it.
 */
char *shell_word(const char *word);

#endif
