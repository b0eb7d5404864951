/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One convention for failures: a function returns 0 or -errno, and on failure
 * leaves a finished line in struct err. The layer that knows the path writes
 * it, callers put what they were doing in front, main alone prints.
 *
 * Every function here takes e == NULL for "the caller only wants the code".
 */
#ifndef ERR_H
#define ERR_H

struct err {
	char *msg;		/* finished line without newline, owned */
	char *hint;		/* what the admin can do, or NULL, owned */
};

/* Set the message. Returns rc, which must be negative. */
int fail(struct err *e, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Set the message and append the text of errnum (positive). Returns -errnum. */
int fail_errno(struct err *e, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "<text>: " in front of the message that is there. Returns rc. */
int fail_in(struct err *e, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Say what the admin can do. A hint that is there already stays. */
void err_hint(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Hand a failure on: to takes from's message and hint. Returns rc. */
int err_move(struct err *to, struct err *from, int rc);

/* Forget the failure and free what it held; e can be used again. */
void err_clear(struct err *e);

#define AUTO_ERR __attribute__((cleanup(err_clear)))

#endif
