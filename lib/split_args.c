/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "split_args.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "quote.h"
#include "xalloc.h"

#define BLANKS	" \t\n\r\f\v"

static bool is_blank(char c)
{
	return c && strchr(BLANKS, c);
}

/* The closing quote of what begins behind open, or NULL. */
static const char *closing(const char *open)
{
	for (const char *s = open + 1; *s; s++) {
		if (*s == *open)
			return s;
		if (*s == '\\' && !*++s)
			return NULL;
	}
	return NULL;
}

static void put_quoted(const char *open, const char *close, FILE *to)
{
	for (const char *s = open + 1; s < close; s++) {
		if (*open == '"' && *s == '\\')
			s++;
		fputc(*s, to);
	}
}

/* Read one word that begins at s. Returns what is behind it, or NULL. */
static const char *read_word(const char *s, FILE *to)
{
	while (*s && !is_blank(*s)) {
		if (*s == '"' || *s == '\'') {
			const char *close = closing(s);

			if (!close)
				return NULL;
			put_quoted(s, close, to);
			s = close + 1;
			continue;
		}
		if (*s == '\\' && !*++s)
			return NULL;
		fputc(*s++, to);
	}
	return s;
}

int split_args(const char *args, struct arg_words *out, struct err *e)
{
	const char *s = args ? args : "";

	*out = (struct arg_words){ 0 };
	/* To Perl that is as good as nothing. */
	if (!strcmp(s, "0"))
		return 0;
	for (s += strspn(s, BLANKS); *s; s += strspn(s, BLANKS)) {
		struct arg_word word = { .from = (size_t)(s - args) };
		size_t len;
		FILE *f = xmemstream(&word.text, &len);

		s = read_word(s, f);
		fclose(f);
		if (!s) {
			free(word.text);
			arg_words_free(out);
			fail(e, -EINVAL, "args of the VM's config have a quote or backslash without its end: %s",
			     QUOTED(args));
			err_hint(e, "PVE would start the VM without any of them; close the quote with qm set --args");
			return -EINVAL;
		}
		word.to = (size_t)(s - args);

		struct arg_word *slot = GROW(out->w, out->n);

		*slot = word;
	}
	return 0;
}

void arg_words_free(struct arg_words *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->w[i].text);
	free(take_ptr(l->w));
	l->n = 0;
}

char *args_quote(const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
	char *text;
	size_t len;
	FILE *f;

	if (*word && !word[strspn(word, plain)] && strcmp(word, "0"))
		return xstrdup(word);
	f = xmemstream(&text, &len);
	fputc('"', f);
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			fputc('\\', f);
		fputc(*word, f);
	}
	fputc('"', f);
	fclose(f);
	return text;
}

bool args_give_uuid(const char *args)
{
	AUTO_ARG_WORDS struct arg_words words = { 0 };

	if (split_args(args, &words, NULL) < 0)
		return false;
	for (size_t i = 0; i < words.n; i++)
		if (!strcmp(words.w[i].text, "-uuid") || !strcmp(words.w[i].text, "--uuid"))
			return true;
	return false;
}
