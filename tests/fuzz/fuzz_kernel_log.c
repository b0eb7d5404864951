/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Records of /dev/kmsg, and what NVIDIA's driver has said in them of a GPU's scheduler. */
#include <inttypes.h>

#include "fuzz.h"
#include "kernel_log.h"
#include "scheduler_log.h"

static const struct bdf gpu = { 0, 0xe8, 0, 0 };

static void judge_record(const char *line, uint64_t number, const char *message)
{
	const char *again = NULL;
	uint64_t same = 0;

	if (!message)
		return;
	must(message > line && message <= line + strlen(line), "a message is part of its line");

	AUTO_FREE char *printed = xasprintf("6,%" PRIu64 ",1,-;%s", number, message);

	must(kernel_record_parse(printed, &same, &again) == 0 && same == number, "parse of print is the number");
	must_equal(again, message, "parse of print is the message");
	*printed = '9';
	must(kernel_record_parse(printed, &same, &again) == 0 && !again, "nobody but the kernel has a message");
}

/* As kernel_log_read() hands them on. */
static void read_messages(const char *text, struct strlist *out)
{
	AUTO_STRLIST struct strlist lines = { 0 };

	fuzz_lines(text, &lines);
	for (size_t i = 0; i < lines.n; i++) {
		const char *message;
		uint64_t number;

		if (kernel_record_parse(lines.s[i], &number, &message) < 0)
			continue;
		judge_record(lines.s[i], number, message);
		if (message && !strncmp(message, SCHEDULER_LOG_PREFIX, strlen(SCHEDULER_LOG_PREFIX)))
			strlist_add(out, message);
	}
}

/* What was understood, in the driver's words. */
static void print(const struct scheduler_report *said, struct strlist *out)
{
	static const char *const names[] = {
		[SCHEDULER_BEST_EFFORT] = "BEST_EFFORT",
		[SCHEDULER_EQUAL_SHARE] = "EQUAL_SHARE",
		[SCHEDULER_FIXED_SHARE] = "FIXED_SHARE",
	};

	strlist_take(out, xasprintf(SCHEDULER_LOG_PREFIX "GPU at %s has software scheduler %s with policy %s.",
				    BDF_STR(&gpu), said->enabled ? "ENABLED" : "DISABLED", names[said->policy]));
	if (said->timeslice_ms)
		strlist_take(out, xasprintf(SCHEDULER_LOG_PREFIX "Software scheduler timeslice set to %u ms.",
					    said->timeslice_ms));
}

static bool is_same(const struct scheduler_report *a, const struct scheduler_report *b)
{
	return a->known == b->known && a->enabled == b->enabled && a->policy == b->policy &&
	       a->timeslice_ms == b->timeslice_ms;
}

FUZZ(text, len)
{
	AUTO_STRLIST struct strlist messages = { 0 }, printed = { 0 };
	struct scheduler_report said, again;

	(void)len;
	read_messages(text, &messages);
	scheduler_report_read(&messages, &gpu, &said);
	must(said.known || !said.timeslice_ms, "a time slice is of a scheduler that is known");
	must(!said.known || said.enabled || (said.policy == SCHEDULER_BEST_EFFORT && !said.timeslice_ms),
	     "a scheduler that is off shares nothing out");
	if (said.known) {
		print(&said, &printed);
		scheduler_report_read(&printed, &gpu, &again);
		must(is_same(&again, &said), "parse of print is what was said");
	}
	strlist_add(&messages, SCHEDULER_LOG_PREFIX "GPU at 0000:e8:00 has software scheduler ENABLED with policy FIXED_SHARE.");
	scheduler_report_read(&messages, &gpu, &again);
	must(again.known && again.enabled && again.policy == SCHEDULER_FIXED_SHARE && !again.timeslice_ms, "the last line counts");
}
