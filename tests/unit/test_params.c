/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "cleanup.h"
#include "params.h"
#include "tap.h"
#include "xalloc.h"

static void check_read(const char *text, const char *want)
{
	AUTO_FREE char *got = NULL;

	CHECK_NUM(params_parse(text, &got), 0);
	CHECK_STR(got, want);
}

int main(void)
{
	TEST("params_parse: takes names and values as they are") {
		check_read("frame_rate_limiter=0", "frame_rate_limiter=0");
		check_read("vgpu-placement-id=12,loglevel=5", "vgpu-placement-id=12,loglevel=5");
		check_read("x=1", "x=1");
		check_read("a=/path:b;#'\"", "a=/path:b;#'\"");
	}
	TEST("params_parse: blanks around items go") {
		check_read(" a=0 ,\tb=1 ", "a=0,b=1");
	}
	TEST("params_parse: refuses any other form") {
		static const char *const bad[] = {
			"", " ", "x", "x=", "=1", "a=1,", ",a=1", "a=1,,b=2", "a=1, ,b=2", "a=1 b=2", "a=1=2",
			"a=1\n", "a b=1", "a;b=1", "a =1", "a= 1", "a=\x01", "a=\xc3\xa4", "a.b=1", "a=1,b",
			"a,=1", "a", "a=,b=1",
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			char *got = NULL;

			CHECK_NUM(params_parse(bad[i], &got), -EINVAL);
			CHECK_STR(got, NULL);
		}
	}
	TEST("params_are_in: whatever order, spacing and company the driver keeps them in") {
		CHECK(params_are_in("a=1,b=2", "b=2, c=3,a=1\n"));
		CHECK(params_are_in("a=1", "a=1"));
		CHECK(!params_are_in("a=1", ""));
		CHECK(!params_are_in("a=1", "a=11"));
		CHECK(!params_are_in("a=1", "aa=1"));
		CHECK(!params_are_in("a=1,b=2", "a=1"));
	}
	return tap_done();
}
