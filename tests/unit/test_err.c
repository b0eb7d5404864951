/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "cleanup.h"
#include "err.h"
#include "quote.h"
#include "strlist.h"
#include "tap.h"
#include "xalloc.h"

static void test_fail(void)
{
	TEST("fail: sets the message and returns the code") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(fail(&e, -ENOSPC, "vm %u: no room", 101), -ENOSPC);
		CHECK_STR(e.msg, "vm 101: no room");
		CHECK_STR(e.hint, NULL);
	}
	TEST("fail_errno: appends what the number means") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(fail_errno(&e, ENOENT, "open '%s'", "x"), -ENOENT);
		CHECK_STR(e.msg, "open 'x': No such file or directory");
	}
	TEST("fail_in: puts its text in front, the hint stays") {
		AUTO_ERR struct err e = { 0 };

		fail(&e, -EIO, "write failed");
		err_hint(&e, "look at dmesg");
		CHECK_NUM(fail_in(&e, -EIO, "vm %u", 101), -EIO);
		CHECK_STR(e.msg, "vm 101: write failed");
		CHECK_STR(e.hint, "look at dmesg");
	}
	TEST("fail_in: without a message it says what the code means") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(fail_in(&e, -EIO, "vm 101"), -EIO);
		CHECK_STR(e.msg, "vm 101: Input/output error");
	}
}

static void test_second_failure(void)
{
	TEST("err_hint: the first hint stays, a new failure drops it") {
		AUTO_ERR struct err e = { 0 };

		fail(&e, -EIO, "a");
		err_hint(&e, "first %d", 1);
		err_hint(&e, "second");
		CHECK_STR(e.hint, "first 1");
		fail(&e, -EIO, "b");
		CHECK_STR(e.hint, NULL);
		CHECK_STR(e.msg, "b");
	}
	TEST("fail: a message can be made from the one before") {
		AUTO_ERR struct err e = { 0 };

		fail(&e, -EIO, "a");
		fail(&e, -EIO, "%s, and again", e.msg);
		CHECK_STR(e.msg, "a, and again");
	}
}

static void test_without_err(void)
{
	TEST("fail and its kin take no struct err at all") {
		CHECK_NUM(fail(NULL, -EIO, "x"), -EIO);
		CHECK_NUM(fail_errno(NULL, EIO, "x"), -EIO);
		CHECK_NUM(fail_in(NULL, -EIO, "x"), -EIO);
		err_hint(NULL, "x");
		err_clear(NULL);
	}
}

static void test_clear(void)
{
	TEST("err_clear: leaves it ready for use") {
		struct err e = { 0 };

		fail(&e, -EIO, "a");
		err_hint(&e, "b");
		err_clear(&e);
		CHECK_STR(e.msg, NULL);
		CHECK_STR(e.hint, NULL);
		err_clear(&e);
	}
}

static void check_word(const char *word, const char *want)
{
	AUTO_FREE char *got = shell_word(word);

	CHECK_STR(got, want);
}

static void test_shell_word(void)
{
	TEST("shell_word: one word for a shell, whatever is in it") {
		check_word("A40-24A,A40-12A", "A40-24A,A40-12A");
		check_word("", "''");
		check_word("A40 24A", "'A40 24A'");
		check_word("A40'; rm x", "'A40'\\''; rm x'");
		check_word("$(id)", "'$(id)'");
		check_word("a\033'\\b", "$'a\\033\\'\\\\b'");
		check_word("\xc3\xbc", "'\xc3\xbc'");
	}
}

static void test_quoted(void)
{
	TEST("QUOTED: plain text stands between quotes") {
		CHECK_STR(QUOTED("NVIDIA A40-24A"), "'NVIDIA A40-24A'");
		CHECK_STR(QUOTED(""), "''");
	}
	TEST("QUOTED: says (none) for NULL") {
		const char *none = NULL;

		CHECK_STR(QUOTED(none), "(none)");
	}
	TEST("QUOTED: what is not printable is escaped") {
		CHECK_STR(QUOTED("a\n\t\rb\033[31m\177"), "'a\\n\\t\\rb\\x1b[31m\\x7f'");
		CHECK_STR(QUOTED("it's a \\"), "'it\\'s a \\\\'");
	}
	TEST("quote_into: shows a NUL in the text") {
		char buf[QUOTE_LEN];

		CHECK_STR(quote_into(buf, "a\0b", 3), "'a\\x00b'");
	}
	TEST("QUOTED: UTF-8 that shows stays, the rest is escaped") {
		CHECK_STR(QUOTED("B\xc3\xbcro \xe2\x82\xac \xf0\x9f\x98\x80"),
			  "'B\xc3\xbcro \xe2\x82\xac \xf0\x9f\x98\x80'");
		/* alone, overlong, surrogate, cut off, beyond Unicode */
		CHECK_STR(QUOTED("\xff"), "'\\xff'");
		CHECK_STR(QUOTED("\xc0\xaf"), "'\\xc0\\xaf'");
		CHECK_STR(QUOTED("\xe0\x80\xaf"), "'\\xe0\\x80\\xaf'");
		CHECK_STR(QUOTED("\xed\xa0\x80"), "'\\xed\\xa0\\x80'");
		CHECK_STR(QUOTED("\xe2\x82"), "'\\xe2\\x82'");
		CHECK_STR(QUOTED("\xf4\x90\x80\x80"), "'\\xf4\\x90\\x80\\x80'");
		/* C1 control, zero width space, right-to-left override, byte order mark */
		CHECK_STR(QUOTED("\xc2\x9b"), "'\\xc2\\x9b'");
		CHECK_STR(QUOTED("\xe2\x80\x8b"), "'\\xe2\\x80\\x8b'");
		CHECK_STR(QUOTED("\xe2\x80\xae"), "'\\xe2\\x80\\xae'");
		CHECK_STR(QUOTED("\xef\xbb\xbf"), "'\\xef\\xbb\\xbf'");
	}
}

static void test_quoted_long(void)
{
	TEST("QUOTED: a long text is cut, and says so") {
		AUTO_FREE char *text = xcalloc((1 << 20) + 1, 1);

		memset(text, 'x', 1 << 20);
		CHECK(strlen(QUOTED(text)) < QUOTE_LEN);
		CHECK_HAS(QUOTED(text), "xxx\xe2\x80\xa6'");
		memset(text, '\033', 1 << 20);
		CHECK(strlen(QUOTED(text)) < QUOTE_LEN);
		CHECK_HAS(QUOTED(text), "\\x1b\xe2\x80\xa6'");
	}
	TEST("QUOTED: a text that just fits is whole, one more is cut between characters") {
		char text[QUOTE_LEN] = { 0 };
		const size_t room = QUOTE_LEN - 6;

		memset(text, 'x', room);
		CHECK_NUM(strlen(QUOTED(text)), room + 2);
		CHECK(!strstr(QUOTED(text), "\xe2\x80\xa6"));
		memcpy(text + room - 1, "\xc3\xbc", 2);
		CHECK_HAS(QUOTED(text), "x\xe2\x80\xa6'");
	}
}

static void test_strlist(void)
{
	TEST("strlist: keeps, finds and sorts its strings") {
		AUTO_STRLIST struct strlist l = { 0 };

		strlist_sort(&l);
		CHECK(!strlist_has(&l, "a"));
		strlist_add(&l, "b");
		strlist_take(&l, xasprintf("%s", "c"));
		strlist_add(&l, "a");
		strlist_sort(&l);
		CHECK_NUM(l.n, 3);
		CHECK_STR(l.s[0], "a");
		CHECK_STR(l.s[2], "c");
		CHECK(strlist_has(&l, "b"));
		strlist_free(&l);
		CHECK_NUM(l.n, 0);
		CHECK(!l.s);
	}
	TEST("GROW: elements come zeroed and stay in their order") {
		AUTO_FREE int *items = NULL;
		size_t n = 0;

		for (int i = 0; i < 1000; i++) {
			int *new = GROW(items, n);

			CHECK_NUM(*new, 0);
			*new = i;
		}
		CHECK_NUM(n, 1000);
		CHECK_NUM(items[0], 0);
		CHECK_NUM(items[999], 999);
	}
}

int main(void)
{
	test_fail();
	test_second_failure();
	test_without_err();
	test_clear();
	test_shell_word();
	test_quoted();
	test_quoted_long();
	test_strlist();
	return tap_done();
}
