/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "quote.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "xalloc.h"

#define ELLIPSIS "\xe2\x80\xa6"

/* Length of the UTF-8 sequence at s, 0 if there is none that is valid and shortest. */
static size_t utf8_decode(const unsigned char *s, size_t left, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	if (!len || len > left)
		return 0;

	uint32_t c = s[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*out = c;
	return len;
}

/* Characters that show nothing, or change how others show. */
static bool is_hidden(uint32_t c)
{
	return c < 0xa0 || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
		(c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
		c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) || c >= 0xe0000;
}

/* Write one character's form to out (at most 4 bytes and NUL) and return how many bytes of s it took. */
static size_t quote_one(const unsigned char *s, size_t left, char out[static 8])
{
	uint32_t c;
	size_t len = utf8_decode(s, left, &c);

	if (len && !is_hidden(c))
		snprintf(out, 8, "%.*s", (int)len, (const char *)s);
	else if (*s == '\n' || *s == '\t' || *s == '\r')
		snprintf(out, 8, "\\%c", *s == '\n' ? 'n' : *s == '\t' ? 't' : 'r');
	else if (*s == '\'' || *s == '\\')
		snprintf(out, 8, "\\%c", *s);
	else if (*s >= ' ' && *s < 0x7f)
		snprintf(out, 8, "%c", *s);
	else
		snprintf(out, 8, "\\x%02x", *s);
	return len && !is_hidden(c) ? len : 1;
}

char *quote_into(char buf[static QUOTE_LEN], const char *text, size_t len)
{
	const size_t room = QUOTE_LEN - sizeof("''" ELLIPSIS);
	const unsigned char *s = (const unsigned char *)text;
	size_t at = 0, n = 1;

	if (!text)
		return strcpy(buf, "(none)");
	buf[0] = '\'';
	while (at < len) {
		char one[8];
		size_t took = quote_one(s + at, len - at, one);
		size_t wide = strlen(one);

		if (n - 1 + wide > room)
			break;
		memcpy(buf + n, one, wide);
		n += wide;
		at += took;
	}
	strcpy(buf + n, at < len ? ELLIPSIS "'" : "'");
	return buf;
}

static int is_white(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Whether the character at s shows; *len is how many bytes it has. */
static bool shows(const unsigned char *s, size_t left, size_t *len)
{
	uint32_t c;

	*len = 1;
	if (*s < 0x80)
		return *s > ' ' && *s < 0x7f;

	size_t n = utf8_decode(s, left, &c);

	if (!n)
		return false;
	*len = n;
	return !is_hidden(c);
}

char *text_clean(const char *text, size_t max)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t left = strlen(text), n = 0, len;
	char *out = xcalloc(left + 1, 1);

	for (; left; s += len, left -= len) {
		len = 1;
		if (is_white(*s)) {
			if (n && out[n - 1] != ' ')
				out[n++] = ' ';
			continue;
		}

		bool ok = shows(s, left, &len);

		if (n + (ok ? len : 1) > max)
			break;
		if (ok)
			memcpy(out + n, s, len);
		else
			out[n] = '?';
		n += ok ? len : 1;
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return out;
}

static bool is_plain(const char *word)
{
	return *word && !word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-")];
}

/* Whether the character at word is a blank or shows; *len is how many bytes it has. */
static bool is_visible(const char *word, size_t *len)
{
	bool ok = shows((const unsigned char *)word, strlen(word), len);

	return ok || *word == ' ';
}

static bool has_hidden(const char *word)
{
	for (size_t len; *word; word += len)
		if (!is_visible(word, &len))
			return true;
	return false;
}

char *shell_word(const char *word)
{
	bool hidden = has_hidden(word);
	char *text;
	size_t len;
	FILE *f;

	if (is_plain(word))
		return xstrdup(word);
	f = xmemstream(&text, &len);
	fputs(hidden ? "$'" : "'", f);
	for (size_t n; *word; word += n)
		if (!is_visible(word, &n))
			for (size_t i = 0; i < n; i++)
				fprintf(f, "\\%03o", (unsigned int)(unsigned char)word[i]);
		else if (hidden && (*word == '\'' || *word == '\\'))
			fprintf(f, "\\%c", *word);
		else if (*word == '\'')
			fputs("'\\''", f);
		else
			fprintf(f, "%.*s", (int)n, word);
	fputc('\'', f);
	fclose(f);
	return text;
}
