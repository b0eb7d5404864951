/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reader of NVIDIA's creatable_vgpu_types: an optional header line, then one
 * line a type, "1147  : NVIDIA L40S-1Q". Lines of another shape are passed over.
 */
#ifndef CREATABLE_H
#define CREATABLE_H

#include <stddef.h>

struct creatable {
	unsigned int number;
	char *full_name;
};

/* *rows is the caller's, release with creatable_free(); returns how many. */
size_t creatable_parse(const char *text, struct creatable **rows);
void creatable_free(struct creatable *rows, size_t n);

#endif
