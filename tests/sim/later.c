/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Requests that are answered later.
 */
#include "later.h"
#include "clock.h"

#include <errno.h>

/* The innermost lock: nothing else is taken under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake;
static struct later *queue;
static bool poked;

void later_poke(void)
{
	pthread_mutex_lock(&lock);
	poked = true;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

/*
 * libfuse may call this while the request is being answered by somebody else,
 * so it touches neither the request nor what belongs to it.
 */
static void interrupted(fuse_req_t req, void *data)
{
	(void)req;
	(void)data;
	later_poke();
}

void later_add(struct later *it)
{
	fuse_req_interrupt_func(it->req, interrupted, NULL);
	pthread_mutex_lock(&lock);
	it->next = queue;
	queue = it;
	poked = true;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

static struct later *wait_for_work(uint64_t until)
{
	struct later *all;
	struct timespec t = {
		.tv_sec = (time_t)(until / 1000),
		.tv_nsec = (long)(until % 1000) * 1000000,
	};

	pthread_mutex_lock(&lock);
	while (!poked) {
		if (!until)
			pthread_cond_wait(&wake, &lock);
		else if (pthread_cond_timedwait(&wake, &lock, &t) == ETIMEDOUT)
			break;
	}
	poked = false;
	all = queue;
	queue = NULL;
	pthread_mutex_unlock(&lock);
	return all;
}

static void put_back(struct later *first, struct later *last)
{
	if (!first)
		return;
	pthread_mutex_lock(&lock);
	last->next = queue;
	queue = first;
	pthread_mutex_unlock(&lock);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Returns when to look again. */
static uint64_t step_all(struct later *all)
{
	struct later *kept = NULL, *last = NULL, *next;
	uint64_t until = 0;

	for (; all; all = next) {
		bool intr = fuse_req_interrupted(all->req);

		next = all->next;
		if (!intr && all->due > now_ms())
			;
		else if (all->step(all, intr))
			continue;
		all->next = kept;
		kept = all;
		if (!last)
			last = all;
		until = sooner(until, all->due);
	}
	put_back(kept, last);
	return until;
}

static void *run(void *arg)
{
	struct sim *sim = arg;
	uint64_t until = 0;

	for (;;) {
		until = step_all(wait_for_work(until));
		pthread_mutex_lock(&sim->lock);
		until = sooner(until, model_tidy(sim, now_ms()));
		pthread_mutex_unlock(&sim->lock);
	}
	return NULL;
}

int later_start(struct sim *sim)
{
	pthread_condattr_t attr;
	pthread_t thread;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&wake, &attr);
	pthread_condattr_destroy(&attr);
	errno = pthread_create(&thread, NULL, run, sim);
	if (errno)
		return -1;
	return pthread_detach(thread);
}
