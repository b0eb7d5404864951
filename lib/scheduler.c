/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "scheduler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "xalloc.h"

#define KEY		"RmPVMRL"
#define BLANKS		" \t"

#define ENABLE			0x1u
#define NO_ROUND_ROBIN		0x2u
#define POLICY_FIXED		1u

static uint32_t bits(uint32_t value, unsigned int high, unsigned int low)
{
	return value >> low & (0xffffffffu >> (31 - (high - low)));
}

const char *scheduler_policy_name(enum scheduler_policy p)
{
	static const char *const names[] = {
		[SCHEDULER_BEST_EFFORT] = "best effort",
		[SCHEDULER_EQUAL_SHARE] = "equal share",
		[SCHEDULER_FIXED_SHARE] = "fixed share",
	};

	return names[p];
}

static const char *const policy_words[] = {
	[SCHEDULER_BEST_EFFORT] = "best-effort",
	[SCHEDULER_EQUAL_SHARE] = "equal-share",
	[SCHEDULER_FIXED_SHARE] = "fixed-share",
};

const char *scheduler_policy_word(enum scheduler_policy p)
{
	return policy_words[p];
}

int scheduler_policy_parse(const char *text, enum scheduler_policy *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(policy_words); i++)
		if (!strcmp(text, policy_words[i])) {
			*out = (enum scheduler_policy)i;
			return 0;
		}
	return -EINVAL;
}

uint32_t scheduler_encode(const struct scheduler *s)
{
	uint32_t value = ENABLE;

	if (s->policy == SCHEDULER_BEST_EFFORT)
		return 0;
	if (s->policy == SCHEDULER_FIXED_SHARE)
		value |= POLICY_FIXED << 4;
	if (s->timeslice_ms)
		return value | NO_ROUND_ROBIN | s->timeslice_ms << 16;
	return value | s->frequency_hz << 12 | s->averaging_factor << 24;
}

void scheduler_decode(uint32_t value, struct scheduler *out)
{
	*out = (struct scheduler){ .set = true, .value = value };
	if (!(value & ENABLE))
		return;
	out->policy = bits(value, 7, 4) == POLICY_FIXED ? SCHEDULER_FIXED_SHARE : SCHEDULER_EQUAL_SHARE;
	out->strict_round_robin = !(value & NO_ROUND_ROBIN);
	/* The two fields lie on each other; which one it is that bit tells. */
	if (!out->strict_round_robin) {
		out->timeslice_ms = bits(value, 23, 16);
		return;
	}
	out->frequency_hz = bits(value, 21, 12);
	out->averaging_factor = bits(value, 31, 24);
}

/* The value of a line 'name: "…"' without the quotes; NULL: it is not there. Freed by the caller. */
static char *param(const char *params, const char *name)
{
	size_t len = strlen(name);

	for (const char *s = params; *s; s += s[strcspn(s, "\n")] ? strcspn(s, "\n") + 1 : strlen(s)) {
		const char *value;

		if (strncmp(s, name, len) || s[len] != ':')
			continue;
		value = s + len + 1;
		value += strspn(value, BLANKS);
		value += *value == '"';
		return xstrndup(value, strcspn(value, "\"\n"));
	}
	return NULL;
}

/* Without a function it is 0. */
static bool is_gpu(const char *text, const struct bdf *gpu)
{
	const char *s = text + strspn(text, BLANKS);
	AUTO_FREE char *address = xasprintf("%.*s%s", (int)strcspn(s, BLANKS), s,
					    strchr(s, '.') ? "" : ".0");
	struct bdf at;

	return bdf_parse(address, &at) == 0 && bdf_eq(&at, gpu);
}

static bool read_value(const char *text, uint32_t *value)
{
	char *end;
	unsigned long v = strtoul(text, &end, 0);

	if (end == text || end[strspn(end, BLANKS)] || v > UINT32_MAX || strchr(text, '-'))
		return false;
	*value = (uint32_t)v;
	return true;
}

/* One "key=value" of a list; *here: whether it is in a part for this GPU. */
static void take(char *item, const struct bdf *gpu, bool *here, struct scheduler *out)
{
	char *eq = strchr(item, '=');
	uint32_t value;

	if (!eq)
		return;
	*eq = '\0';
	item += strspn(item, BLANKS);
	if (gpu && !strcasecmp(item, "pci"))
		*here = is_gpu(eq + 1, gpu);
	else if (*here && !strcasecmp(item, KEY) && read_value(eq + 1, &value))
		scheduler_decode(value, out);
}

/* gpu: the list has parts "pci=…;" for single GPUs. */
static void read_list(char *list, const struct bdf *gpu, struct scheduler *out)
{
	bool here = !gpu;
	char *save = NULL;

	for (char *s = list ? strtok_r(list, ";", &save) : NULL; s; s = strtok_r(NULL, ";", &save))
		take(s, gpu, &here, out);
}

void scheduler_parse(const char *params, const struct bdf *gpu, struct scheduler *out)
{
	AUTO_FREE char *all = param(params, "RegistryDwords");
	AUTO_FREE char *each = param(params, "RegistryDwordsPerDevice");
	struct scheduler own = { 0 };

	*out = (struct scheduler){ 0 };
	read_list(all, NULL, out);
	read_list(each, gpu, &own);
	if (own.set) {
		*out = own;
		out->of_gpu = true;
	}
}
