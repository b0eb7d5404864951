/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "split_args.h"
#include "strlist.h"
#include "tree.h"

/* The words with '|' around each, or "none" where they cannot be read. */
static char *words_of(const char *args)
{
	AUTO_ARG_WORDS struct arg_words l;
	char *text;
	size_t len;

	if (split_args(args, &l, NULL) < 0)
		return xstrdup("none");

	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < l.n; i++)
		fprintf(f, "%s|", l.w[i].text);
	fclose(f);
	return text;
}

static void check(const char *args, const char *want)
{
	AUTO_FREE char *got = words_of(args);

	CHECK_STR(got, want);
}

static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16;
}

/* A line of few kinds of characters, so that all meet all. */
static char *random_args(unsigned int *state)
{
	static const char chars[] = "ab-=, \t'\"\\0";
	size_t len = next_random(state) % 14;
	char *text = xcalloc(len + 1, 1);

	for (size_t i = 0; i < len; i++)
		text[i] = chars[next_random(state) % (sizeof(chars) - 1)];
	return text;
}

#define LINES	4000

/* What Perl makes of as many lines, a line each. */
static int ask_perl(void)
{
	return shell(tree_dir, "perl -MText::ParseWords -ne 'chomp; my @w = $_ ? shellwords($_) : (); "
		     "print $_ && !@w && /[^ \\t]/ ? \"none\\n\" : join(\"\", map { \"$_|\" } @w) . \"\\n\"' "
		     "< a/lines > a/perl");
}

static void test_words(void)
{
	TEST("split_args: words, quotes and backslashes") {
		check(NULL, "");
		check("", "");
		check("0", "");
		check("  -a  b\t-c ", "-a|b|-c|");
		check("-name 'a b' \"c d\"e f'g'h", "-name|a b|c de|fgh|");
		check("'' \"\"", "||");
		check("a\\ b \\\"c \"d\\\"e\\\\\" ", "a b|\"c|d\"e\\|");
		check("'a\\b' 'a\\'b'", "a\\b|a\\'b|");
	}
	TEST("split_args: quotes and backslashes without an end") {
		AUTO_ARG_WORDS struct arg_words l;
		AUTO_ERR struct err e = { 0 };

		check("-a 'b", "none");
		check("-a \"b", "none");
		check("-a b\\", "none");
		check("'a\\'", "none");
		CHECK_NUM(split_args("-name 'x", &l, &e), -EINVAL);
		CHECK_STR(e.msg, "args of the VM's config have a quote or backslash without its end: '-name \\'x'");
		CHECK(e.hint);
	}
	TEST("split_args: where each word stands") {
		AUTO_ARG_WORDS struct arg_words l;

		CHECK_NUM(split_args("a 'b c'  \\d", &l, NULL), 0);
		CHECK_NUM(l.n, 3);
		CHECK_NUM(l.w[1].from, 2);
		CHECK_NUM(l.w[1].to, 7);
		CHECK_NUM(l.w[2].from, 9);
		CHECK_NUM(l.w[2].to, 11);
	}
}

static void test_as_perl(void)
{
	unsigned int state = 1;

	TEST("split_args: as Perl's shellwords, on many lines") {
		AUTO_FREE char *perl = NULL;
		AUTO_STRLIST struct strlist lines = { 0 };
		char *text, *rest, *line;
		size_t len, wrong = 0, none = 0;
		FILE *f = xmemstream(&text, &len);

		for (size_t i = 0; i < LINES; i++) {
			strlist_take(&lines, random_args(&state));
			fprintf(f, "%s\n", lines.s[i]);
		}
		fclose(f);
		tree_put("a/lines", text);
		free(text);
		CHECK_NUM(ask_perl(), 0);
		perl = tree_get("a/perl");
		rest = perl;
		for (size_t i = 0; i < LINES; i++) {
			AUTO_FREE char *got = words_of(lines.s[i]);

			line = strsep(&rest, "\n");
			none += !strcmp(got, "none");
			if (!line || strcmp(got, line))
				wrong++, CHECK_STR(got, line);
		}
		CHECK_NUM(wrong, 0);
		/* Both kinds are among them. */
		CHECK(none > LINES / 10 && none < LINES * 9 / 10);
	}
}

static void test_give_uuid(void)
{
	TEST("args_give_uuid: as a word of its own alone") {
		CHECK(args_give_uuid("-device x -uuid 1"));
		CHECK(args_give_uuid("--uuid 1"));
		CHECK(args_give_uuid("\"-uuid\" 1"));
		CHECK(!args_give_uuid("-smbios type=1,-uuid"));
		CHECK(!args_give_uuid("'a -uuid 1'"));
		CHECK(!args_give_uuid("-uuid 'x"));
		CHECK(!args_give_uuid(NULL));
	}
}

static void test_quote(void)
{
	unsigned int state = 2;

	TEST("args_quote: a word that is written so is read as it was") {
		AUTO_FREE char *plain = args_quote("vfio-pci,id=hostpci0"), *blank = args_quote("a b");

		CHECK_STR(plain, "vfio-pci,id=hostpci0");
		CHECK_STR(blank, "\"a b\"");
		for (size_t i = 0; i < LINES; i++) {
			AUTO_FREE char *word = random_args(&state);
			AUTO_FREE char *quoted = args_quote(word);
			AUTO_ARG_WORDS struct arg_words l;

			CHECK_NUM(split_args(quoted, &l, NULL), 0);
			CHECK_NUM(l.n, 1);
			CHECK_STR(l.n ? l.w[0].text : NULL, word);
		}
	}
}

int main(void)
{
	tree_begin();
	test_words();
	test_as_perl();
	test_give_uuid();
	test_quote();
	return tap_done();
}
