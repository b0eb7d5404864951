/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "driver_branch.h"

#include <string.h>

#include "cleanup.h"
#include "parse.h"
#include "xalloc.h"

unsigned int driver_branch(const char *version)
{
	size_t len = strspn(version, "0123456789");
	AUTO_FREE char *first = xstrndup(version, len);
	unsigned long n;

	if (version[len] != '.' || parse_ulong(first, 1, 9999, &n) < 0)
		return 0;
	return (unsigned int)n;
}

unsigned int driver_vgpu_release(unsigned int branch)
{
	static const struct {
		unsigned int branch, release;
	} known[] = {
		{ 450, 11 }, { 460, 12 }, { 470, 13 }, { 510, 14 }, { 525, 15 },
		{ 535, 16 }, { 550, 17 }, { 570, 18 }, { 580, 19 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].branch == branch)
			return known[i].release;
	return 0;
}
