/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "creatable.h"
#include "tap.h"

#define CHECK_ROWS(text, want_n) \
	size_t n = creatable_parse((text), &rows); \
	CHECK_NUM(n, (want_n))

int main(void)
{
	struct creatable *rows;

	TEST("creatable_parse: header, padded ids, names with blanks and colons") {
		CHECK_ROWS("ID    : vGPU Name\n941   : NVIDIA RTX6000-Ada-1Q\n"
			   "1518  : NVIDIA RTX Pro 6000 Blackwell DC-2B\n7: a:b\n", 3);
		CHECK_NUM(rows[0].number, 941);
		CHECK_STR(rows[0].full_name, "NVIDIA RTX6000-Ada-1Q");
		CHECK_STR(rows[1].full_name, "NVIDIA RTX Pro 6000 Blackwell DC-2B");
		CHECK_STR(rows[2].full_name, "a:b");
		creatable_free(rows, n);
	}
	TEST("creatable_parse: without a header, without a last newline, with CR and tabs") {
		CHECK_ROWS("1147  : NVIDIA L40S-1Q\r\n\t1148\t:\tNVIDIA L40S-2Q\t", 2);
		CHECK_STR(rows[0].full_name, "NVIDIA L40S-1Q");
		CHECK_NUM(rows[1].number, 1148);
		CHECK_STR(rows[1].full_name, "NVIDIA L40S-2Q");
		creatable_free(rows, n);
	}
	TEST("creatable_parse: nothing in it is no type") {
		CHECK_ROWS("", 0);
		creatable_free(rows, n);
	}
	TEST("creatable_parse: the header alone is no type") {
		CHECK_ROWS("ID    : vGPU Name\n", 0);
		creatable_free(rows, n);
	}
	TEST("creatable_parse: lines of another shape are passed over") {
		CHECK_ROWS("\n\n:\n: x\n12\n12:\n12 :  \n-1 : x\n0 : none\n+5 : x\n1 2 : x\n0x10 : x\n"
			   "99999999999999999999 : x\n4294967296 : x\n4294967295 : last\nabc : y\n", 1);
		CHECK_NUM(rows[0].number, 4294967295u);
		CHECK_STR(rows[0].full_name, "last");
		creatable_free(rows, n);
	}
	return tap_done();
}
