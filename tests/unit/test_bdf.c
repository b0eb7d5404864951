/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "bdf.h"
#include "cleanup.h"
#include "tap.h"

static const char *reformat(const char *text, char buf[static BDF_TEXT_LEN])
{
	struct bdf b;

	return bdf_parse(text, &b) < 0 ? "refused" : bdf_format(&b, buf);
}

#define REFORMAT(text) reformat((text), (char[BDF_TEXT_LEN]){ 0 })

int main(void)
{
	TEST("bdf_parse: takes an address with its domain") {
		CHECK_STR(REFORMAT("0000:3b:00.4"), "0000:3b:00.4");
		CHECK_STR(REFORMAT("0001:ff:1f.7"), "0001:ff:1f.7");
	}
	TEST("bdf_parse: without a domain it is 0") {
		CHECK_STR(REFORMAT("3b:00.4"), "0000:3b:00.4");
	}
	TEST("bdf_parse: upper case becomes lower case") {
		CHECK_STR(REFORMAT("0000:E8:1F.0"), "0000:e8:1f.0");
	}
	TEST("bdf_parse: takes domains of up to eight digits, as VMD and nvidia-smi have") {
		CHECK_STR(REFORMAT("00000000:E8:00.0"), "0000:e8:00.0");
		CHECK_STR(REFORMAT("10000:01:00.0"), "10000:01:00.0");
		CHECK_STR(REFORMAT("ffffffff:ff:1f.7"), "ffffffff:ff:1f.7");
	}
	TEST("bdf_parse: refuses what is no address of one function") {
		static const char *const bad[] = {
			"", ":", "0000", "3b:00", "0000:3b:00", "0000:3b:00.", "0000:3b:00.44",
			"000:3b:00.4", "123456789:3b:00.4", "0000:3b:00.8", "0000:3b:20.0",
			"0000:3b:0.4", "0000:3:00.4", "0000:3g:00.4", " 0000:3b:00.4",
			"0000:3b:00.4 ", "0000:3b:00.4\n", "0000:3b:00.4;0000:3b:00.5",
			"0000.3b:00.4", "0000:3b.00.4", "00000:3b:00:4", "+000:3b:00.4", "..",
			"0000:3b:00.4/../..", ":3b:00.4",
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK_STR(REFORMAT(bad[i]), "refused");
	}
	TEST("bdf_parse: leaves the result alone when it refuses") {
		struct bdf b = { 1, 2, 3, 4 };

		CHECK_NUM(bdf_parse("0000:3b:20.0", &b), -EINVAL);
		CHECK_STR(BDF_STR(&b), "0001:02:03.4");
	}
	TEST("bdf_cmp: orders by domain, bus, device, function") {
		static const char *const order[] = {
			"0000:00:00.0", "0000:00:00.1", "0000:00:01.0", "0000:01:00.0",
			"0001:00:00.0", "80000000:00:00.0", "ffffffff:ff:1f.7",
		};

		for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
			for (size_t j = 0; j < ARRAY_SIZE(order); j++) {
				struct bdf a, b;

				CHECK(!bdf_parse(order[i], &a) && !bdf_parse(order[j], &b));
				CHECK_NUM(bdf_cmp(&a, &b), (i > j) - (i < j));
				CHECK_NUM(bdf_eq(&a, &b), i == j);
			}
		}
	}
	return tap_done();
}
