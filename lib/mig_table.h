/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What `nvidia-smi mig -i <gpu> -lgi` prints: the GPU instances of one GPU and
 * their profiles. Pure.
 */
#ifndef MIG_TABLE_H
#define MIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

/* What a profile's name says: "1g.5gb+me" is one slice, 5 GB, "+me". */
struct mig_profile {
	unsigned int slices;
	unsigned int gib;
	const char *suffix;	/* "" without one; points into the name */
};

/* False: it is no profile's name. */
bool mig_profile_parse(const char *name, struct mig_profile *out);

struct mig_row {
	unsigned int id;
	char *profile;		/* "1g.5gb", without "MIG " */
};

struct mig_table {
	struct mig_row *row;	/* in order of id */
	size_t n;
};

/*
 * Read the table: a row is whatever has "MIG <profile>", and behind it the
 * profile's id and the instance's. Frames, headers and other lines are passed
 * over. Returns 0, also for the words that there is no instance; -EINVAL where
 * a row cannot be read, an id comes twice, rows are of several GPUs, or nothing
 * in the text is of that kind. Release with mig_table_free().
 */
int mig_table_parse(const char *text, struct mig_table *out);
void mig_table_free(struct mig_table *t);
#define AUTO_MIG_TABLE __attribute__((cleanup(mig_table_free)))

#endif
