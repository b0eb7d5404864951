/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From what an admin writes to the type that is meant.
 *
 * These spellings name a type; case makes no difference, runs of blank, '-'
 * and '_' are all the same, and blanks around it are passed over:
 *
 *   friendly name			A40-24A, DC-48C, 3050
 *   name as the driver reports it	NVIDIA A40-24A, GRID P40-2B
 *   the same without GRID or NVIDIA	RTX Pro 6000 Blackwell DC-48C
 *   id behind a driver's name		nvidia-575, vfio-pci-575, pci-575
 *   id alone				575
 *   not NVIDIA's: name in sysfs, id	i915-GVTg_V5_4, GVTg_V5_4
 *
 * Nothing here opens a file.
 */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "strlist.h"
#include "vgpu_type.h"

/*
 * Find the type that asked names among types (borrowed, as is *out).
 * Entries with the same key are one type (several GPUs offer it); *out is the
 * first of them.
 *
 * Returns 0; -ENOENT if it names none, and the message gives the nearest names
 * or says that there are no types at all; -ENOTUNIQ if it names several, and
 * the message lists them as "NVIDIA GeForce RTX 3050 (nvidia-1604)".
 */
int name_resolve(const char *asked, const struct vgpu_type *const *types, size_t n,
		 const struct vgpu_type **out, struct err *e);

/* Whether asked is one of the spellings of t. */
bool name_matches(const char *asked, const struct vgpu_type *t);

#define NAMES_NEAR_MAX	8

/*
 * Friendly names that asked may have been meant for, at most NAMES_NEAR_MAX, in natural
 * order: those that asked begins and that are one character longer; else two;
 * else those of the smallest edit distance (up to 1 for three characters, 2 for
 * seven, 3 above). A number is measured against ids too, and what is near by its
 * id comes as "A40-24A (nvidia-575)". Where nothing is near, the types of which
 * asked is the board or the size ("A40", "24A"). May be empty. The caller frees it.
 */
struct strlist names_near(const char *asked, const struct vgpu_type *const *types, size_t n);

/*
 * Edit distance (insert, delete, replace, swap of neighbours; bytes), or limit + 1 where it is
 * more than limit. Case counts.
 */
size_t names_distance(const char *a, const char *b, size_t limit);

/* strcmp() in the order people expect: A40-2Q, A40-12Q; case decides only between equals. */
int names_natural_cmp(const char *a, const char *b);

#endif
