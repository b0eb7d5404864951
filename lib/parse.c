/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int parse_ulong(const char *text, unsigned long min, unsigned long max, unsigned long *out)
{
	if (!*text || text[strspn(text, "0123456789")])
		return -EINVAL;
	errno = 0;

	unsigned long v = strtoul(text, NULL, 10);

	if (errno || v < min || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

int parse_vmid(const char *text, unsigned int *out)
{
	unsigned long v;

	if (*text == '0' || parse_ulong(text, 100, 999999999, &v) < 0)
		return -EINVAL;
	*out = (unsigned int)v;
	return 0;
}

bool is_uuid(const char *text)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return text[36] == '\0';
}
