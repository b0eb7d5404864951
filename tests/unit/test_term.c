/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cleanup.h"
#include "tap.h"
#include "term.h"
#include "xalloc.h"

#define CHECK_BAR(part, whole, width, want) do { \
	AUTO_FREE char *bar_ = term_bar((part), (whole), (width)); \
	CHECK_STR(bar_, (want)); \
} while (0)

int main(void)
{
	TEST("term_bar: part of the whole, rounded") {
		CHECK_BAR(0, 10, 4, "░░░░");
		CHECK_BAR(5, 10, 4, "██░░");
		CHECK_BAR(10, 10, 4, "████");
		CHECK_BAR(24576, 49152, 20, "██████████░░░░░░░░░░");
	}
	TEST("term_bar: something is never shown as nothing") {
		CHECK_BAR(1, 1000, 4, "█░░░");
	}
	TEST("term_bar: more than the whole is full, and of nothing known empty") {
		CHECK_BAR(20, 10, 3, "███");
		CHECK_BAR(5, 0, 3, "░░░");
		CHECK_BAR(0, 0, 3, "░░░");
		CHECK_BAR(~0ul, ~0ul, 3, "███");
		CHECK_BAR(1, 2, 0, "");
	}
	TEST("table: in a pipe fields between tabs and no header; without rows nothing") {
		char *text = NULL;
		size_t len;
		FILE *f = xmemstream(&text, &len);
		AUTO_TABLE struct table t = { 0 }, empty = { 0 };

		table_print(&empty, f);
		TABLE_HEADER(&t, "A", "B");
		TABLE_ROW(&t, STYLE_WARN, "x y", "ö");
		TABLE_ROW(&t, STYLE_NONE, "", "z");
		table_print(&t, f);
		fclose(f);
		CHECK_STR(text, "x y\tö\n\tz\n");
		free(text);
	}
	return tap_done();
}
