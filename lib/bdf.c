/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bdf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Between min and max hex digits at *s, nothing else; moves *s behind them. */
static int hex(const char **s, int min, int max, uint32_t *out)
{
	uint32_t v = 0;
	int n = 0;

	for (; n < max && isxdigit((unsigned char)**s); n++, (*s)++) {
		int c = tolower((unsigned char)**s);

		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	if (n < min)
		return -EINVAL;
	*out = v;
	return 0;
}

int bdf_parse(const char *text, struct bdf *out)
{
	uint32_t domain = 0, bus, dev, fn;
	const char *s = text;
	const char *colon = strchr(text, ':');

	if (colon && strchr(colon + 1, ':')) {
		if (hex(&s, 4, 8, &domain) || *s++ != ':')
			return -EINVAL;
	}
	if (hex(&s, 2, 2, &bus) || *s++ != ':' ||
	    hex(&s, 2, 2, &dev) || *s++ != '.' ||
	    hex(&s, 1, 1, &fn) || *s)
		return -EINVAL;
	if (dev > 0x1f || fn > 7)
		return -EINVAL;
	*out = (struct bdf){ domain, (uint8_t)bus, (uint8_t)dev, (uint8_t)fn };
	return 0;
}

char *bdf_format(const struct bdf *b, char buf[static BDF_TEXT_LEN])
{
	snprintf(buf, BDF_TEXT_LEN, "%04x:%02x:%02x.%x", b->domain, b->bus, b->dev, b->fn);
	return buf;
}

int bdf_cmp(const struct bdf *a, const struct bdf *b)
{
	uint64_t x = (uint64_t)a->domain << 32 | (uint64_t)a->bus << 16 | (uint64_t)a->dev << 8 | a->fn;
	uint64_t y = (uint64_t)b->domain << 32 | (uint64_t)b->bus << 16 | (uint64_t)b->dev << 8 | b->fn;

	return x < y ? -1 : x > y;
}
