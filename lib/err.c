/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

static void set_msg(struct err *e, char *msg)
{
	free(e->msg);
	e->msg = msg;
}

int fail(struct err *e, int rc, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return rc;
	va_start(ap, fmt);
	set_msg(e, xvasprintf(fmt, ap));
	va_end(ap);
	free(take_ptr(e->hint));
	return rc;
}

/* ELOOP has a second meaning here (lib/root.h), which the C library's text does not tell. */
static const char *text_of(int errnum)
{
	return errnum == ELOOP ? "a symbolic link that neither root nor the caller has made, or too many links" :
		strerror(errnum);
}

int fail_errno(struct err *e, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -errnum;

	va_start(ap, fmt);
	AUTO_FREE char *what = xvasprintf(fmt, ap);
	va_end(ap);
	set_msg(e, xasprintf("%s: %s", what, text_of(errnum)));
	free(take_ptr(e->hint));
	return -errnum;
}

int fail_in(struct err *e, int rc, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return rc;

	va_start(ap, fmt);
	AUTO_FREE char *what = xvasprintf(fmt, ap);
	va_end(ap);
	set_msg(e, xasprintf("%s: %s", what, e->msg ? e->msg : text_of(-rc)));
	return rc;
}

void err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e || e->hint)
		return;
	va_start(ap, fmt);
	e->hint = xvasprintf(fmt, ap);
	va_end(ap);
}

int err_move(struct err *to, struct err *from, int rc)
{
	if (to) {
		err_clear(to);
		to->msg = take_ptr(from->msg);
		to->hint = take_ptr(from->hint);
	}
	return rc;
}

void err_clear(struct err *e)
{
	if (!e)
		return;
	free(take_ptr(e->msg));
	free(take_ptr(e->hint));
}
