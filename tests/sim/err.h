/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One finished line that says what went wrong, where and why.
 */
#ifndef SIM_ERR_H
#define SIM_ERR_H

struct err {
	char msg[1024];
};

/* Writes the line and returns -1, so that a caller can `return fail(...)`. */
int fail(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Puts "where: " before a line that is there already; returns -1. */
int fail_in(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
