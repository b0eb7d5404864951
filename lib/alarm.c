/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "alarm.h"

#include <errno.h>
#include <stddef.h>
#include <sys/time.h>

#define AGAIN_US 100000

static void on_alarm(int sig)
{
	(void)sig;
}

void alarm_start(struct alarm *a, int64_t ms)
{
	/* No SA_RESTART: being interrupted is what it is for. */
	struct sigaction act = { .sa_handler = on_alarm };
	struct itimerval timer = {
		.it_value = { ms / 1000, ms % 1000 * 1000 },
		.it_interval = { 0, AGAIN_US },
	};
	sigset_t alrm;

	if (ms < 1)
		timer.it_value.tv_usec = 1;
	sigaction(SIGALRM, &act, &a->act);
	/* Whoever started us may have it blocked, and the call would have no end. */
	sigemptyset(&alrm);
	sigaddset(&alrm, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alrm, &a->mask);
	setitimer(ITIMER_REAL, &timer, NULL);
}

void alarm_stop(const struct alarm *a)
{
	int saved = errno;
	struct itimerval off = { 0 };

	setitimer(ITIMER_REAL, &off, NULL);
	sigprocmask(SIG_SETMASK, &a->mask, NULL);
	sigaction(SIGALRM, &a->act, NULL);
	errno = saved;
}
