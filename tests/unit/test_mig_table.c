/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "cleanup.h"
#include "mig_table.h"
#include "tap.h"
#include "xalloc.h"

/* "3 2g.10gb; 7 1g.5gb+me", or "refused". */
static char *parsed(const char *text)
{
	AUTO_MIG_TABLE struct mig_table t = { 0 };
	char *out = NULL;
	size_t len;

	if (mig_table_parse(text, &t) < 0)
		return xstrdup("refused");

	FILE *f = xmemstream(&out, &len);

	for (size_t i = 0; i < t.n; i++)
		fprintf(f, "%s%u %s", i ? "; " : "", t.row[i].id, t.row[i].profile);
	fclose(f);
	return out;
}

#define CHECK_TABLE(text, want) do { \
	AUTO_FREE char *got_ = parsed(text); \
	CHECK_STR(got_, (want)); \
} while (0)

#define LINE	"+-------------------------------------------------------+\n"
#define HEAD	LINE \
	"| GPU instances:                                        |\n" \
	"| GPU   Name             Profile  Instance   Placement  |\n" \
	"|                          ID       ID       Start:Size |\n" \
	"|=======================================================|\n"

#define CHECK_PROFILE(text, s, g, x) do { \
	struct mig_profile p_ = { 0 }; \
	CHECK(mig_profile_parse((text), &p_)); \
	CHECK_NUM(p_.slices, (s)); \
	CHECK_NUM(p_.gib, (g)); \
	CHECK_STR(p_.suffix, (x)); \
} while (0)

static void test_profile(void)
{
	TEST("profile: slices, memory and what follows") {
		CHECK_PROFILE("1g.5gb", 1, 5, "");
		CHECK_PROFILE("7g.141gb", 7, 141, "");
		CHECK_PROFILE("1g.10gb+me", 1, 10, "+me");
		CHECK_PROFILE("1g.24gb+me.all", 1, 24, "+me.all");
		CHECK_PROFILE("2g.48gb-me", 2, 48, "-me");
	}
	TEST("profile: anything else is none") {
		static const char *const bad[] = {
			"", "1", "1g", "1g.", "1g.gb", "g.5gb", "0g.5gb", "12g.5gb", "1g.5GB", "1g.5gbx",
			"1g.99999999999999999999gb", "-1g.5gb", "1c.2g.10gb", "1g.5gb+\033[31m", "1g.5gb+a/b",
		};
		struct mig_profile p;

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			if (mig_profile_parse(bad[i], &p))
				tap_fail(__FILE__, __LINE__, bad[i]);
	}
}

static void test_table(void)
{
	TEST("table: instances, in order of id") {
		CHECK_TABLE(HEAD
			    "|   4  MIG 1g.5gb           19        7          0:1     |\n" LINE
			    "|   4  MIG 1g.5gb+me        20       12          1:1     |\n" LINE
			    "|   4  MIG 2g.10gb          14        3          2:2     |\n" LINE,
			    "3 2g.10gb; 7 1g.5gb; 12 1g.5gb+me");
	}
	TEST("table: other widths, no frame, no placement, other line ends") {
		CHECK_TABLE("0 MIG 7g.40gb 0 0\n", "0 7g.40gb");
		CHECK_TABLE("|0|MIG 1g.5gb|19|9|\r\n|\t0 MIG\t 1g.5gb\t19 8|\r\n", "refused");
		CHECK_TABLE("|  0  MIG  1g.24gb+gfx  47  5  0:3  |  more  |\r\n", "5 1g.24gb+gfx");
		CHECK_TABLE("| 0 MIG 1g.5gb 19 9 |", "9 1g.5gb");
	}
	TEST("table: a warning above it is passed over") {
		CHECK_TABLE("Warning: MIG mode is in pending state for GPU 0\n" HEAD "|   0  MIG 1g.5gb 19 7 0:1 |\n",
			    "7 1g.5gb");
	}
	TEST("table: the words for none") {
		CHECK_TABLE("No GPU instances found: Not Found\n", "");
	}
}

static void test_no_table(void)
{
	TEST("table: what is no table is refused") {
		CHECK_TABLE("", "refused");
		CHECK_TABLE("\n\n", "refused");
		CHECK_TABLE(HEAD, "refused");
		CHECK_TABLE("No MIG-enabled devices found.\n", "refused");
		CHECK_TABLE("Failed to display GPU instances: Insufficient Permissions\n", "refused");
		CHECK_TABLE("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", "refused");
		CHECK_TABLE("\001\002\377\376", "refused");
	}
	TEST("table: a row that cannot be read spoils it, whatever the others say") {
		CHECK_TABLE("|   0  MIG 1g.5gb 19 7 0:1 |\n|   0  MIG 1g.5gb 19 |\n", "refused");
		CHECK_TABLE("|   0  MIG 1g.5gb 19 7 0:1 |\n|   0  MIG what 19 8 |\n", "refused");
		CHECK_TABLE("|   0  MIG 1g.5gb 19 99999999999999999999 0:1 |\n", "refused");
		CHECK_TABLE("|   0  MIG 1g.5gb 19 -7 0:1 |\n", "refused");
		CHECK_TABLE("|   0  MIG 1g.5gb 19 7x 0:1 |\n", "refused");
		CHECK_TABLE("|   0  MIG ", "refused");
	}
	TEST("table: an id that comes twice, and rows of several GPUs, are not of one GPU") {
		CHECK_TABLE("|   0  MIG 1g.5gb 19 7 0:1 |\n|   0  MIG 1g.5gb 19 7 1:1 |\n", "refused");
		CHECK_TABLE("|   0  MIG 1g.5gb 19 7 0:1 |\n|   1  MIG 1g.5gb 19 8 0:1 |\n", "refused");
	}
}

int main(void)
{
	test_profile();
	test_table();
	test_no_table();
	return tap_done();
}
