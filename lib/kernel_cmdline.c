/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "kernel_cmdline.h"

#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

bool kernel_cmdline_says(const char *cmdline, const char *param, const char *value, const char *over)
{
	AUTO_FREE char *copy = xstrdup(cmdline);
	size_t len = strlen(param);
	char *rest = copy, *word;
	bool says = false;

	while ((word = strsep(&rest, " \t\n"))) {
		char *list, *one;

		if (strncmp(word, param, len) || word[len] != '=')
			continue;
		list = word + len + 1;
		while ((one = strsep(&list, ","))) {
			if (!strcmp(one, value))
				says = true;
			else if (over && !strcmp(one, over))
				says = false;
		}
	}
	return says;
}
