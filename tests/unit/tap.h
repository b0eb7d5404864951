/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Test Anything Protocol for one C program: cases are sentences, checks go on
 * after a failure so that one run shows all of them.
 *
 *	int main(void)
 *	{
 *		TEST("bdf_parse: takes an address without a domain") {
 *			CHECK(bdf_parse("3b:00.4", &b) == 0);
 *			CHECK_STR(BDF_STR(&b), "0000:3b:00.4");
 *		}
 *		return tap_done();
 *	}
 *
 * A TEST block must be left at its end; no break, return or goto out of it.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct {
	const char *name;
	unsigned int n, failed;
	bool ok;
} tap;

static inline bool tap_begin(const char *name)
{
	tap.name = name;
	tap.ok = true;
	return true;
}

static inline bool tap_end(void)
{
	tap.n++;
	tap.failed += !tap.ok;
	printf("%sok %u - %s\n", tap.ok ? "" : "not ", tap.n, tap.name);
	fflush(stdout);
	return false;
}

#define TEST(sentence) \
	for (bool tap_once_ = tap_begin(sentence); tap_once_; tap_once_ = tap_end())

/* Print the plan. Returns what main returns. */
static inline int tap_done(void)
{
	printf("1..%u\n", tap.n);
	return tap.failed || !tap.n;
}

/* Begin the lines that say where a check failed. */
static inline void tap_fail(const char *file, int line, const char *what)
{
	tap.ok = false;
	printf("# %s:%d: %s\n", file, line, what);
}

static inline void tap_show(const char *label, const char *text)
{
	printf("#   %s ", label);
	for (; text && *text; text++) {
		putchar(*text);
		if (*text == '\n')
			printf("#   ");
	}
	printf("%s\n", text ? "" : "NULL");
}

static inline void tap_check(bool ok, const char *file, int line, const char *what)
{
	if (!ok)
		tap_fail(file, line, what);
}

static inline void tap_check_num(long long got, long long want,
				 const char *file, int line, const char *what)
{
	if (got == want)
		return;
	tap_fail(file, line, what);
	printf("#   got  %lld\n#   want %lld\n", got, want);
}

static inline void tap_check_str(const char *got, const char *want,
				 const char *file, int line, const char *what)
{
	if (got == want || (got && want && !strcmp(got, want)))
		return;
	tap_fail(file, line, what);
	tap_show("got ", got);
	tap_show("want", want);
}

static inline void tap_check_has(const char *text, const char *part,
				 const char *file, int line, const char *what)
{
	if (text && strstr(text, part))
		return;
	tap_fail(file, line, what);
	tap_show("text", text);
	tap_show("want", part);
}

#define CHECK(cond)	tap_check((cond), __FILE__, __LINE__, #cond)

/* Integers of any type: what was got, what was wanted. */
#define CHECK_NUM(got, want) \
	tap_check_num((long long)(got), (long long)(want), __FILE__, __LINE__, #got)

/* Strings; NULL equals only NULL. */
#define CHECK_STR(got, want)	tap_check_str((got), (want), __FILE__, __LINE__, #got)

/* part stands somewhere in text. */
#define CHECK_HAS(text, part)	tap_check_has((text), (part), __FILE__, __LINE__, #text)

#endif
