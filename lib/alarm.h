/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A time limit for a system call that would wait without one: between
 * alarm_start() and alarm_stop() such a call ends with EINTR once the time is
 * over. One at a time in a process: it uses SIGALRM and the real interval timer.
 */
#ifndef ALARM_H
#define ALARM_H

#include <signal.h>
#include <stdint.h>

struct alarm {
	struct sigaction act;	/* what SIGALRM did before, and whether it was blocked */
	sigset_t mask;
};

/*
 * Let calls be interrupted in ms from now (at least 1), and every tenth of a
 * second after that: an alarm that comes before the call has begun is lost.
 */
void alarm_start(struct alarm *a, int64_t ms);

/* Stop that; errno is kept. Must follow every alarm_start(). */
void alarm_stop(const struct alarm *a);

#endif
