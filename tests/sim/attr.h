/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The attributes: which directory has which, and what is read and written.
 */
#ifndef SIM_ATTR_H
#define SIM_ATTR_H

#include "tree.h"

#define ATTR_SIZE	4096

struct attr_text {
	char buf[2 * ATTR_SIZE];
	size_t len;
};

/* A writer that has to wait until the vGPU is let go. */
#define ATTR_WAIT	1

/* Number of attributes; index 0 is none. */
unsigned int attr_count(void);
const char *attr_name(unsigned int i);
unsigned int attr_mode(unsigned int i);

/* Whether the directory @n has it at this time. */
bool attr_present(const struct sim *sim, struct node n, unsigned int i);

/* The first one at or after @i that the directory has; 0: no more. */
unsigned int attr_next(const struct sim *sim, struct node n, unsigned int i);

/* 0, -errno, or ATTR_WAIT (attr_write alone). They want sim->lock. */
int attr_read(struct sim *sim, struct node n, struct attr_text *out);
int attr_write(struct sim *sim, struct node n, const char *text, size_t len);

#endif
