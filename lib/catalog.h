/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The types this node has shown, kept in /var/lib/pve-vgpu/types.json: names
 * need not be read again at every start, and a type keeps its name on the day
 * when the card is full (a full GPU on vendor VFIO lists nothing).
 *
 * Ids and names belong together only under one driver version (NVIDIA has
 * given numbers to other types between branches), so the file carries that
 * version and counts for nothing under another.
 */
#ifndef CATALOG_H
#define CATALOG_H

#include <stdbool.h>
#include <stddef.h>

#include "bdf.h"
#include "root.h"
#include "vgpu_type.h"

#define CATALOG_DIR	"var/lib/pve-vgpu"

/* What a GPU whose list can shrink has offered. */
struct catalog_gpu {
	struct bdf addr;
	const struct vgpu_type **types;
	size_t ntypes;
};

struct catalog {
	char *driver;			/* what the loaded nvidia driver calls itself, "" without one */
	struct vgpu_type **types;	/* addresses stay the same as it grows */
	size_t ntypes;
	struct catalog_gpu *gpus;
	size_t ngpus;
	bool changed;			/* since it was loaded */
	bool held;			/* not to be saved yet: what was saved last is still asked for */
};

/*
 * Load what was seen before. A file that is missing, damaged, or of another
 * driver version gives an empty catalog: it is a cache, and all of it can be
 * read again.
 */
void catalog_load(struct catalog *c, const struct root *r);

/* An empty one under the driver that is loaded now: all names are read again. */
void catalog_fresh(struct catalog *c, const struct root *r);

/*
 * What was saved last, whatever driver it was under: only to know what an id
 * was called before. Not to be saved.
 */
void catalog_load_last(struct catalog *c, const struct root *r);

/*
 * Take in the text of a saved catalog, unless it is of another version of the
 * file, or of another driver than c->driver while any_driver is false. Pure.
 */
void catalog_parse(struct catalog *c, const char *text, size_t len, bool any_driver);

/* The text that catalog_save() leaves; the caller frees it. Pure. */
char *catalog_print(const struct catalog *c);

/* Take in what others have written since it was loaded. */
void catalog_merge(struct catalog *c, const struct root *r);

/*
 * Write it back if it has changed and is not held, with what others have written meanwhile. A
 * failure is returned for who wants to mention it; nothing depends on the file.
 */
int catalog_save(struct catalog *c, const struct root *r, struct err *e);

struct vgpu_type *catalog_type(const struct catalog *c, const char *key);

/*
 * Add a type under this key, or return the one that is there. The name is made
 * fit to be shown; one that is empty is the type's id.
 */
struct vgpu_type *catalog_add(struct catalog *c, const char *key, unsigned int number,
			      const char *full_name);

/* What this GPU was seen to offer; NULL if it was not seen. */
struct catalog_gpu *catalog_gpu(const struct catalog *c, const struct bdf *addr);

/*
 * Note that the GPU offers these types now. Where they are of another board than
 * what was seen before, that board stands in the slot now and the old list goes.
 */
void catalog_gpu_offers(struct catalog *c, const struct bdf *addr,
			const struct vgpu_type *const *types, size_t n);

void catalog_free(struct catalog *c);
#define AUTO_CATALOG __attribute__((cleanup(catalog_free)))

#endif
