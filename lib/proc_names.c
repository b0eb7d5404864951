/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "proc_names.h"

#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

int proc_runs(const struct root *r, const char *comm)
{
	AUTO_STRLIST struct strlist names = { 0 };
	int found = -1;

	if (root_list(r, "proc", &names, NULL) < 0)
		return -1;
	for (size_t i = 0; i < names.n && found != 1; i++) {
		const char *pid = names.s[i];
		AUTO_FREE char *path = xasprintf("proc/%s/comm", pid);
		AUTO_FREE char *text = NULL;

		if (pid[strspn(pid, "0123456789")])
			continue;
		found = root_read_attr(r, path, &text, NULL) == 0 && !strcmp(text, comm);
	}
	return found;
}
