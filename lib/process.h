/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Other programs, run by their path with an argv and an environment of our own:
 * no shell, nothing of the caller's environment but what is named here.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "root.h"

struct process {
	const char *program;		/* below the root: "usr/sbin/qm" */
	const char *const *args;	/* behind the program's name, ended by NULL */
	int timeout_ms;			/* then it is killed, with what it has started */
	bool separate;			/* errors apart from the output, not among it */
};

struct process_result {
	int status;			/* exit status; 128 + N where signal N ended it */
	char *path;			/* the program's, for messages */
	char *out;			/* what it printed */
	char *errors;			/* with separate, what it printed on standard error; else NULL */
};

void process_result_free(struct process_result *r);
#define AUTO_PROCESS __attribute__((cleanup(process_result_free)))

/*
 * Run it to its end. The environment is PATH and LC_ALL=C; standard input is
 * empty, the directory is "/", no signal is ignored or blocked. Fills *res, which the caller releases, in every case.
 *
 * Returns 0 where it has run, whatever its status; -ENOENT: it is not there;
 * -ETIMEDOUT: it has been killed, or left behind where even that does not end
 * it; -EFBIG above 4 MiB of output; -EIO: exec failed; or -errno.
 */
int process_run(const struct root *r, const struct process *p, struct process_result *res,
		struct err *e);

#endif
