/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "pve_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "process.h"
#include "quote.h"
#include "xalloc.h"

#define TIMEOUT_MS	60000	/* PVE's tools wait 10 s for a lock, and pvesh for an ssh besides */
#define LINES_SAID	4
#define LINE_MAX_SAID	500

/* The lines that say something, from the last one backwards. */
static void last_lines(const char *text, size_t max, struct strlist *out)
{
	size_t end = strlen(text);

	while (end && out->n < max) {
		size_t start = end;

		while (start && text[start - 1] != '\n')
			start--;

		AUTO_FREE char *line = xstrndup(text + start, end - start);

		if (line[strspn(line, " \t\r")])
			strlist_take(out, text_clean(line, LINE_MAX_SAID));
		end = start ? start - 1 : 0;
	}
}

/* What it said: the last line tells what is wrong, those before it may tell why. */
static char *last_words(const struct process_result *res)
{
	AUTO_STRLIST struct strlist l = { 0 };
	AUTO_FREE char *before = NULL;
	char *text;

	last_lines(res->errors, LINES_SAID, &l);
	if (!l.n)
		last_lines(res->out, LINES_SAID, &l);
	if (!l.n)
		return xstrdup("it said nothing");
	text = xasprintf("'%s'", l.s[0]);
	for (size_t i = l.n; i-- > 1;) {
		char *longer = xasprintf("%s%s'%s'", before ? before : "", before ? ", " : "", l.s[i]);

		free(before);
		before = longer;
	}
	if (before) {
		char *both = xasprintf("%s (before that: %s)", text, before);

		free(text);
		text = both;
	}
	return text;
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
	if (rc == -ENOENT)
		err_hint(e, "it is Proxmox VE's own tool: is this one of its nodes?");
	if (rc == -EIO)
		err_hint(e, "it is Proxmox VE's own tool: 'dpkg -S /%s' names its package, which apt install --reinstall mends", program);
	if (rc == -ETIMEDOUT)
		err_hint(e, "it was ended; does the cluster or a storage hang? ('pvecm status', 'pvesm status')");
	if (rc < 0)
		return rc;
	if (res.status) {
		AUTO_FREE char *why = last_words(&res);

		fail(e, -EIO, "'%s %s %s' failed with status %d: %s", path_base(program),
		     words->n ? words->s[0] : "", words->n > 1 ? words->s[1] : "", res.status, why);
		if (!*res.errors && !*res.out)
			err_hint(e, "was it killed, or is a part of Proxmox VE missing? 'journalctl -e' and 'dmesg' may tell");
		return -EIO;
	}
	if (out)
		*out = take_ptr(res.out);
	return 0;
}
