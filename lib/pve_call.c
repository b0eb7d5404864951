/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "pve_call.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "process.h"
#include "quote.h"
#include "xalloc.h"

#define TIMEOUT_MS	60000

/* The last line that says something: what stands before is warnings, and what led there. */
static char *last_line(const char *text)
{
	size_t len = strlen(text), start;

	while (len && text[len - 1] == '\n')
		len--;
	for (start = len; start && text[start - 1] != '\n'; start--)
		;
	return xstrndup(text + start, len - start);
}

int pve_call(const struct root *r, const char *program, const struct strlist *words, char **out,
	     struct err *e)
{
	AUTO_FREE const char **args = xcalloc(words->n + 1, sizeof(*args));
	struct process p = {
		.program = program, .args = args, .timeout_ms = TIMEOUT_MS, .separate = true,
	};
	AUTO_PROCESS struct process_result res = { 0 };
	int rc;

	for (size_t i = 0; i < words->n; i++)
		args[i] = words->s[i];
	rc = process_run(r, &p, &res, e);
	if (rc < 0)
		return rc;
	if (res.status) {
		AUTO_FREE char *why = last_line(*res.errors ? res.errors : res.out);

		return fail(e, -EIO, "'%s %s %s' failed with status %d: %s", path_base(program),
			    words->n ? words->s[0] : "", words->n > 1 ? words->s[1] : "", res.status,
			    QUOTED(why));
	}
	if (out)
		*out = take_ptr(res.out);
	return 0;
}
