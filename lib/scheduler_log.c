/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "scheduler_log.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "parse.h"
#include "xalloc.h"

#define GPU_AT		SCHEDULER_LOG_PREFIX "GPU at "
#define SCHEDULER	" has software scheduler "
#define WITH_POLICY	" with policy "
#define SLICE		SCHEDULER_LOG_PREFIX "Software scheduler timeslice set to "
#define SLICE_UNIT	" ms"
/* Far above what NVIDIA has, 30 ms. */
#define SLICE_MAX	60000

static const char *behind(const char *text, const char *start)
{
	size_t len = strlen(start);

	return strncmp(text, start, len) ? NULL : text + len;
}

/* The rest of a message is this, with or without its full stop. */
static bool ends_as(const char *rest, const char *end)
{
	const char *left = behind(rest, end);

	return left && (!*left || !strcmp(left, "."));
}

/* "GPU at <address> has software scheduler …": what follows, or NULL. */
static const char *gpu_line(const char *message, struct bdf *gpu)
{
	const char *at = behind(message, GPU_AT);
	const char *rest = at ? strstr(at, SCHEDULER) : NULL;
	AUTO_FREE char *address = rest ? xstrndup(at, (size_t)(rest - at)) : NULL;
	AUTO_FREE char *first = rest ? xasprintf("%s.0", address) : NULL;

	if (!rest || bdf_parse(strchr(address, '.') ? address : first, gpu) < 0)
		return NULL;
	return rest + strlen(SCHEDULER);
}

/* "ENABLED with policy FIXED_SHARE." */
static void read_state(const char *text, struct scheduler_report *out)
{
	static const char *const names[] = {
		[SCHEDULER_BEST_EFFORT] = "BEST_EFFORT",
		[SCHEDULER_EQUAL_SHARE] = "EQUAL_SHARE",
		[SCHEDULER_FIXED_SHARE] = "FIXED_SHARE",
	};
	const char *on = behind(text, "ENABLED" WITH_POLICY), *off = behind(text, "DISABLED" WITH_POLICY);

	*out = (struct scheduler_report){ .enabled = on };
	for (size_t i = 0; i < ARRAY_SIZE(names) && (on || off); i++)
		if (ends_as(on ? on : off, names[i])) {
			out->policy = (enum scheduler_policy)i;
			/* Shares without what makes them are nothing that the guide has. */
			out->known = on || i == SCHEDULER_BEST_EFFORT;
		}
}

static unsigned int read_slice(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	AUTO_FREE char *number = xstrndup(text, digits);
	unsigned long ms;

	if (!ends_as(text + digits, SLICE_UNIT) || parse_ulong(number, 1, SLICE_MAX, &ms) < 0)
		return 0;
	return (unsigned int)ms;
}

void scheduler_report_read(const struct strlist *messages, const struct bdf *gpu,
			   struct scheduler_report *out)
{
	struct bdf waiting = { 0 };
	unsigned int waits = 0;		/* GPUs whose line has no slice yet */

	*out = (struct scheduler_report){ 0 };
	for (size_t i = 0; i < messages->n; i++) {
		struct scheduler_report one;
		struct bdf at;
		const char *rest = gpu_line(messages->s[i], &at);

		if (rest) {
			read_state(rest, &one);
			/* A slice may follow all but a scheduler that is off. */
			if (one.enabled || !one.known) {
				waits += !waits || !bdf_eq(&at, &waiting);
				waiting = at;
			} else if (waits == 1 && bdf_eq(&at, &waiting)) {
				waits = 0;
			}
			if (bdf_eq(&at, gpu))
				*out = one;
			continue;
		}
		rest = behind(messages->s[i], SLICE);
		if (!rest)
			continue;
		if (waits == 1 && bdf_eq(&waiting, gpu) && out->known)
			out->timeslice_ms = read_slice(rest);
		waits = 0;
	}
}
