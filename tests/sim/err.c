/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Error lines of the simulated node.
 */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fail(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return -1;
}

int fail_in(struct err *e, const char *fmt, ...)
{
	char where[256];
	struct err old = *e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(where, sizeof(where), fmt, ap);
	va_end(ap);
	snprintf(e->msg, sizeof(e->msg), "%s: %.700s", where, old.msg);
	return -1;
}
