/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <limits.h>

#include "cleanup.h"
#include "parse.h"
#include "tap.h"

static void test_ulong(void)
{
	unsigned long v = 7;

	TEST("parse_ulong: reads a whole decimal number") {
		CHECK_NUM(parse_ulong("575", 0, 1000, &v), 0);
		CHECK_NUM(v, 575);
		CHECK_NUM(parse_ulong("18446744073709551615", 0, ULONG_MAX, &v), 0);
		CHECK(v == ULONG_MAX);
	}
	TEST("parse_ulong: takes both ends of the range and nothing beyond them") {
		CHECK_NUM(parse_ulong("3", 3, 5, &v), 0);
		CHECK_NUM(parse_ulong("5", 3, 5, &v), 0);
		CHECK_NUM(parse_ulong("2", 3, 5, &v), -EINVAL);
		CHECK_NUM(parse_ulong("6", 3, 5, &v), -EINVAL);
	}
	TEST("parse_ulong: refuses signs, blanks, other bases, rest and overflow") {
		static const char *const bad[] = {
			"", " 1", "1 ", "+1", "-1", "0x10", "1e3", "1.0", "one", "1\n",
			"18446744073709551616", "99999999999999999999999999",
		};

		v = 7;
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK_NUM(parse_ulong(bad[i], 0, ULONG_MAX, &v), -EINVAL);
		CHECK_NUM(v, 7);
	}
}

static void test_vmid(void)
{
	unsigned int vmid = 7;

	TEST("parse_vmid: takes what PVE takes") {
		CHECK_NUM(parse_vmid("100", &vmid), 0);
		CHECK_NUM(vmid, 100);
		CHECK_NUM(parse_vmid("999999999", &vmid), 0);
		CHECK_NUM(vmid, 999999999);
	}
	TEST("parse_vmid: refuses what PVE refuses") {
		static const char *const bad[] = {
			"", "0", "99", "0100", "1000000000", "1000000000000", "-100", "100 ", "abc",
			"18446744073709551716",
		};

		vmid = 7;
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK_NUM(parse_vmid(bad[i], &vmid), -EINVAL);
		CHECK_NUM(vmid, 7);
	}
}

static void test_uuid(void)
{
	TEST("is_uuid: takes 36 characters of any case") {
		CHECK(is_uuid("00000000-0000-0000-0000-000000000101"));
		CHECK(is_uuid("8A3F2C1d-0b1a-4c5d-9e8F-aabbccddeeff"));
	}
	TEST("is_uuid: refuses any other text") {
		static const char *const bad[] = {
			"", "0", "00000000-0000-0000-0000-00000000010",
			"00000000-0000-0000-0000-0000000001011", "00000000-0000-0000-0000-00000000010g",
			"00000000000000000000000000000000", "00000000-0000-0000-00000-00000000101",
			"{0000000-0000-0000-0000-00000000010}", "00000000-0000-0000-0000-000000000101\n",
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK(!is_uuid(bad[i]));
	}
}

int main(void)
{
	test_ulong();
	test_vmid();
	test_uuid();
	return tap_done();
}
