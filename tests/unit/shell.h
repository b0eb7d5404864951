/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files and links for a test are made by a script: shorter to read than the calls. */
#ifndef SHELL_H
#define SHELL_H

#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "xalloc.h"

/* Run a script in a directory, with a PATH of its own. Returns its exit status, or -1. */
__attribute__((format(printf, 2, 3)))
static inline int shell(const char *dir, const char *fmt, ...)
{
	char *const env[] = { xstrdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin"), NULL };
	va_list ap;
	int status = -1;

	va_start(ap, fmt);
	AUTO_FREE char *script = xvasprintf(fmt, ap);
	va_end(ap);

	pid_t pid = fork();

	if (pid == 0) {
		if (chdir(dir) == 0)
			execle("/bin/sh", "sh", "-c", script, (char *)NULL, env);
		_exit(127);
	}
	free(env[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

#endif
