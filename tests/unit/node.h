/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For unit tests: an inventory built by hand, and a root of plain files. */
#ifndef NODE_H
#define NODE_H

#include <stdarg.h>
#include <stdlib.h>

#include "bdf.h"
#include "catalog.h"
#include "cleanup.h"
#include "inventory.h"
#include "root.h"
#include "scratch.h"
#include "shell.h"
#include "tap.h"
#include "xalloc.h"

static inline struct bdf addr_of(const char *text)
{
	struct bdf b = { 0 };

	if (bdf_parse(text, &b) < 0)
		printf("# no address: %s\n", text);
	return b;
}

/* A type of the catalog: "NVIDIA A40-24A" as nvidia-575. */
static inline struct vgpu_type *type_make(struct catalog *c, unsigned int number,
					  const char *full_name, unsigned int max_instance)
{
	AUTO_FREE char *key = vgpu_type_nvidia_key(number);
	struct vgpu_type *t = catalog_add(c, key, number, full_name);

	t->max_instance = max_instance;
	return t;
}

/*
 * A GPU at this address with nvfs VFs from function 4 on (0: it is the parent
 * itself), which offers these types. inv->gpus may move: ask inventory_gpu().
 */
static inline void gpu_make(struct inventory *inv, const char *addr, size_t nvfs,
			    const struct vgpu_type *const *types, size_t n)
{
	struct gpu *g = GROW(inv->gpus, inv->ngpus);
	struct bdf parent;

	g->addr = addr_of(addr);
	g->framework = FRAMEWORK_MDEV;
	g->sriov = nvfs;
	g->seen = g->asked = true;
	parent = g->addr;
	for (size_t i = 0; i < (nvfs ? nvfs : 1); i++) {
		struct bdf *slot = GROW(g->parents, g->nparents);

		if (nvfs) {
			parent.dev = (uint8_t)((i + 4) / 8);
			parent.fn = (uint8_t)((i + 4) % 8);
		}
		*slot = parent;
	}
	for (size_t i = 0; i < n; i++)
		gpu_add_offer(g, types[i]);
}

/* A vGPU that is there, of vm vmid (0: somebody's). */
static inline void vgpu_make(struct inventory *inv, const char *gpu, const char *parent,
			     const struct vgpu_type *t, unsigned int vmid)
{
	struct vgpu v = {
		.on_gpu = true, .gpu = addr_of(gpu), .parent = addr_of(parent),
		.number = t->number, .framebuffer_mib = t->framebuffer_mib, .exists = true,
		.owner = vmid ? OWNER_VM : OWNER_UNKNOWN, .vmid = vmid,
	};

	v.parent_name = xstrdup(parent);
	v.type = xstrdup(t->key);
	v.name = xstrdup(vgpu_type_name(t));
	snprintf(v.uuid, sizeof(v.uuid), "%08x-0000-4000-8000-%012u", (unsigned int)inv->nvgpus, vmid);
	inventory_add(inv, &v);
	vgpu_clear(&v);
}

struct tree {
	char *path;
	struct root r;
};

/* A root in a new directory, filled by shell commands that run in it. */
static inline struct tree tree_make(const char *commands)
{
	struct tree t = { .path = scratch_make(), .r = ROOT_CLOSED };

	CHECK_NUM(shell(t.path, "set -e; %s", commands), 0);
	CHECK_NUM(root_open(&t.r, t.path, NULL), 0);
	return t;
}

static inline void tree_free(struct tree *t)
{
	root_close(&t->r);
	CHECK_NUM(scratch_remove(t->path), 0);
	free(t->path);
}

#endif
