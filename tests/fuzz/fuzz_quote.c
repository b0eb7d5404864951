/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any text of others on its way into a message, JSON or a command that is shown. */
#include <ctype.h>

#include "fuzz.h"
#include "json_util.h"
#include "quote.h"

static bool has_control(const char *s)
{
	for (; *s; s++)
		if (iscntrl((unsigned char)*s))
			return true;
	return false;
}

FUZZ(text, len)
{
	char buf[QUOTE_LEN];
	AUTO_FREE char *clean = text_clean(text, 128), *word = shell_word(text);
	AUTO_FREE char *again = text_clean(clean, 128);

	quote_into(buf, text, len);
	must(!has_control(buf), "what is quoted has no control character");
	must(strlen(buf) >= 2 && *buf == '\'' && buf[strlen(buf) - 1] == '\'', "what is quoted is between quotes");
	must(!has_control(clean) && strlen(clean) <= 128, "a clean text has no control character and its length");
	must_equal(again, clean, "to clean twice is to clean once");
	must(!has_control(word) && *word, "a word for a shell has no control character");
}
