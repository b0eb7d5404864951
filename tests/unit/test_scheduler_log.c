/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "kernel_log.h"
#include "node.h"
#include "scheduler_log.h"

#define A	"NVRM: GPU at 0000:01:00.0 has software scheduler "
#define B	"NVRM: GPU at 0000:02:00.0 has software scheduler "
#define SLICE	"NVRM: Software scheduler timeslice set to "

/* "on equal share 1", "off best effort 0", or "?": what the messages, one a line, say of the GPU. */
static char *reported(const char *gpu, const char *text)
{
	AUTO_STRLIST struct strlist messages = { 0 };
	AUTO_FREE char *copy = xstrdup(text);
	struct bdf addr = addr_of(gpu);
	struct scheduler_report s;
	char *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		strlist_add(&messages, line);
	scheduler_report_read(&messages, &addr, &s);
	return s.known ? xasprintf("%s %s %u", s.enabled ? "on" : "off", scheduler_policy_name(s.policy), s.timeslice_ms) :
		xstrdup("?");
}

#define CHECK_SAYS(gpu, text, want) do { \
	AUTO_FREE char *got_ = reported((gpu), (text)); \
	CHECK_STR(got_, (want)); \
} while (0)

#define CHECK_A(text, want) CHECK_SAYS("0000:01:00.0", (text), (want))
#define CHECK_B(text, want) CHECK_SAYS("0000:02:00.0", (text), (want))

/* "7 text", "7 -" for somebody else's, "none" for what is no record */
static char *parsed(const char *line)
{
	uint64_t number;
	const char *message;

	if (kernel_record_parse(line, &number, &message) < 0)
		return xstrdup("none");
	return xasprintf("%llu %s", (unsigned long long)number, message ? message : "-");
}

#define CHECK_RECORD(line, want) do { \
	AUTO_FREE char *got_ = parsed(line); \
	CHECK_STR(got_, (want)); \
} while (0)

/* What a file at dev/kmsg has: "whole|lost: a|b", or the error's name and what comes with it all the same */
static char *logged(const char *commands)
{
	struct tree t = tree_make(commands);
	AUTO_KERNEL_LOG struct kernel_log log = { 0 };
	int rc = kernel_log_read(&t.r, "NVRM: ", &log, NULL);
	AUTO_FREE char *all = strlist_join(&log.messages, "|");

	tree_free(&t);
	return rc < 0 ? xasprintf("%s%s", strerror(-rc), all) : xasprintf("%s: %s", log.whole ? "whole" : "lost", all);
}

#define CHECK_LOG(commands, want) do { \
	AUTO_FREE char *got_ = logged("mkdir dev; cd dev; " commands); \
	CHECK_STR(got_, (want)); \
} while (0)

static void test_reports(void)
{
	TEST("scheduler log: the driver's lines, as the guide has them") {
		CHECK_A(A "DISABLED with policy BEST_EFFORT.", "off best effort 0");
		CHECK_A(A "ENABLED with policy BEST_EFFORT.", "on best effort 0");
		CHECK_A(A "ENABLED with policy EQUAL_SHARE.\n" SLICE "1 ms.", "on equal share 1");
		CHECK_A(A "ENABLED with policy FIXED_SHARE.\n" SLICE "30 ms.", "on fixed share 30");
		CHECK_A(A "ENABLED with policy FIXED_SHARE", "on fixed share 0");
		CHECK_A("NVRM: GPU at 00000000:01:00.0 has software scheduler ENABLED with policy FIXED_SHARE.", "on fixed share 0");
		CHECK_A("NVRM: GPU at 0000:01:00 has software scheduler ENABLED with policy FIXED_SHARE.", "on fixed share 0");
		CHECK_A("", "?");
	}

	TEST("scheduler log: of each GPU the last line counts") {
		CHECK_A(A "ENABLED with policy EQUAL_SHARE.\n" SLICE "1 ms.\n" A "DISABLED with policy BEST_EFFORT.", "off best effort 0");
		CHECK_A(A "ENABLED with policy FIXED_SHARE.\n" B "DISABLED with policy BEST_EFFORT.", "on fixed share 0");
		CHECK_A(A "ENABLED with policy FIXED_SHARE.\n" A "ENABLED with policy FIXED_SHARE.\n" SLICE "2 ms.", "on fixed share 2");
		CHECK_A(A "ENABLED with policy FIXED_SHARE.\n" A "ENABLED with policy SOMETHING.", "?");
		CHECK_A(A "ENABLED with policy FIXED_SHARE.\n" A "MAYBE with policy BEST_EFFORT.", "?");
		CHECK_A(A "DISABLED with policy FIXED_SHARE.", "?");
		CHECK_A(A "ENABLED with policy FIXED_SHARE. And more", "?");
	}

	TEST("scheduler log: a time slice is of the GPU whose line it follows, or of none") {
		CHECK_A(A "ENABLED with policy EQUAL_SHARE.\n" SLICE "1 ms.\n" B "ENABLED with policy FIXED_SHARE.\n" SLICE "2 ms.", "on equal share 1");
		CHECK_B(A "ENABLED with policy EQUAL_SHARE.\n" SLICE "1 ms.\n" B "ENABLED with policy FIXED_SHARE.\n" SLICE "2 ms.", "on fixed share 2");
		CHECK_A(A "ENABLED with policy EQUAL_SHARE.\n" B "DISABLED with policy BEST_EFFORT.\n" SLICE "1 ms.", "on equal share 1");
		CHECK_B(A "ENABLED with policy EQUAL_SHARE.\n" B "DISABLED with policy BEST_EFFORT.\n" SLICE "1 ms.", "off best effort 0");
		CHECK_A(A "ENABLED with policy EQUAL_SHARE.\n" B "ENABLED with policy EQUAL_SHARE.\n" SLICE "1 ms.\n" SLICE "2 ms.", "on equal share 0");
		CHECK_B(A "ENABLED with policy EQUAL_SHARE.\n" B "ENABLED with policy EQUAL_SHARE.\n" SLICE "1 ms.\n" SLICE "2 ms.", "on equal share 0");
		CHECK_A(A "ENABLED with policy EQUAL_SHARE.\n" A "DISABLED with policy BEST_EFFORT.\n" SLICE "1 ms.", "off best effort 0");
		CHECK_B(A "ENABLED with policy EQUAL_SHARE.\n" A "DISABLED with policy BEST_EFFORT.\n" B "ENABLED with policy FIXED_SHARE.\n" SLICE "2 ms.",
			"on fixed share 2");
		CHECK_A(SLICE "1 ms.\n" A "ENABLED with policy EQUAL_SHARE.", "on equal share 0");
		CHECK_A(A "ENABLED with policy EQUAL_SHARE.\n" SLICE "0 ms.", "on equal share 0");
		CHECK_A(A "ENABLED with policy EQUAL_SHARE.\n" SLICE "-1 ms.", "on equal share 0");
		CHECK_A(A "ENABLED with policy EQUAL_SHARE.\n" SLICE "99999999999999999999 ms.", "on equal share 0");
		CHECK_A(A "ENABLED with policy EQUAL_SHARE.\n" SLICE "1 s.", "on equal share 0");
	}

	TEST("scheduler log: what only looks like a line is none") {
		CHECK_A("usb: " A "ENABLED with policy EQUAL_SHARE.", "?");
		CHECK_A("NVRM: GPU at 0000:01:00.0x has software scheduler ENABLED with policy EQUAL_SHARE.", "?");
		CHECK_A("NVRM: GPU at  has software scheduler ENABLED with policy EQUAL_SHARE.", "?");
		CHECK_A("NVRM: GPU at 0000:01:00.0 has software scheduler", "?");
		CHECK_A("NVRM: GPU at ", "?");
	}
}

int main(void)
{
	test_reports();

	TEST("kernel log: records, and what is none") {
		CHECK_RECORD("4,0,12,-;NVRM: a;b", "0 NVRM: a;b");
		CHECK_RECORD("6,18446744073709551615,12,c,caller=T1;", "18446744073709551615 ");
		CHECK_RECORD("8,7,12,-;a", "7 -");
		CHECK_RECORD("30,7,12,-;NVRM: a", "7 -");
		CHECK_RECORD("", "none");
		CHECK_RECORD(" KEY=4,0,1,-;a", "none");
		CHECK_RECORD("4,0,12,-", "none");
		CHECK_RECORD("4;1,2,3", "none");
		CHECK_RECORD("4,-1,3,-;a", "none");
		CHECK_RECORD("4,18446744073709551616,3,-;a", "none");
		CHECK_RECORD("-4,1,3,-;a", "none");
	}

	TEST("kernel log: what the kernel wrote, from the boot on or not") {
		CHECK_LOG("printf '4,0,1,-;NVRM: a\\n KEY=4,1,1,-;NVRM: x\\n4,1,1,-;nvidia: b\\n12,2,1,-;NVRM: x\\n4,3,1,-;NVRM: c\\n' > kmsg",
			  "whole: NVRM: a|NVRM: c");
		CHECK_LOG("printf '12,5,1,-;x\\n4,6,1,-;NVRM: a\\n' > kmsg", "lost: NVRM: a");
		CHECK_LOG(": > kmsg", "whole: ");
		CHECK_LOG(":", "No such file or directory");
		CHECK_LOG("mkdir kmsg", "Is a directory");
		CHECK_LOG("mkfifo kmsg", "whole: ");
	}

	TEST("kernel log: one that does not end, whose last lines are not known, has nothing") {
		CHECK_LOG("printf '4,0,1,-;NVRM: a\n' > kmsg; truncate -s 300M kmsg", "File too large");
	}

	TEST("kernel log: a line that is too long is passed over, and a NUL ends one") {
		CHECK_LOG("{ printf '4,0,1,-;NVRM: a\\n4,1,1,-;NVRM: '; head -c 70000 /dev/zero | tr '\\0' x; printf '4,2,1,-;NVRM: y\\n4,3,1,-;NVRM: b\\n'; } > kmsg",
			  "whole: NVRM: a|NVRM: b");
		CHECK_LOG("printf '4,0,1,-;NVRM: a\\000b\\n4,1,1,-;NVRM: c\\n4,2,1,-;NVRM: cut' > kmsg", "whole: NVRM: a|NVRM: c");
		CHECK_LOG("for i in 0 1 2 3 4 5 6 7 8 9; do printf '4,%d,1,-;NVRM: ' $i; head -c 3000 /dev/zero | tr '\\0' x; echo; done > kmsg; "
			  "sed -i 's/xxx*/y/' kmsg", "whole: NVRM: y|NVRM: y|NVRM: y|NVRM: y|NVRM: y|NVRM: y|NVRM: y|NVRM: y|NVRM: y|NVRM: y");
	}
	return tap_done();
}
