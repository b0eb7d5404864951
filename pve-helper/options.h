/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Options, the same way in every command. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <getopt.h>

#include "ctx.h"

/*
 * Read the options of one command. longopts are the command's own; its values
 * are handed to set() with their val. --json and --dry-run are taken into c
 * where the command accepts them. Returns how many words are left, moved to the
 * front of argv, or RC_USAGE.
 */
struct option_set {
	const struct option *longopts;		/* ended by a zero row; NULL: none */
	bool json, dry_run;			/* accepted */
	void (*set)(void *arg, int val, const char *value);
	void *arg;
};

int options_read(struct ctx *c, int argc, char *argv[], const struct option_set *o,
		 struct err *e);

/* What getopt_long() returned '?' or ':' for. Returns RC_USAGE. */
int options_bad(const struct option *all, char *argv[], int got, struct err *e);

/* RC_USAGE unless n is between min and max; what names the words that are missing. */
int options_count(int n, int min, int max, const char *what, struct err *e);

/* A vmid from the command line; RC_USAGE with a message for what is none. */
int options_vmid(const char *text, unsigned int *vmid, struct err *e);

#endif
