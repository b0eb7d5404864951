/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mig.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "framework.h"
#include "mig_room.h"
#include "parse.h"
#include "xalloc.h"

#define SRIOV_MANAGE	"/usr/lib/nvidia/sriov-manage"

static const struct vgpu_type *first_of(const struct gpu *g, bool mig)
{
	for (size_t i = 0; i < g->noffers; i++)
		if (g->offers[i].type->number && vgpu_type_is_mig(g->offers[i].type) == mig)
			return g->offers[i].type;
	return NULL;
}

bool mig_board(const struct gpu *g)
{
	return first_of(g, true);
}

/* The number behind "Device Minor:" in the GPU's information, or -1. */
static int device_minor(const struct root *r, const struct bdf *gpu)
{
	static const char label[] = "Device Minor:";
	AUTO_FREE char *path = xasprintf("proc/driver/nvidia/gpus/%s/information", BDF_STR(gpu));
	AUTO_FREE char *text = NULL;
	unsigned long minor;
	size_t len;

	if (root_read(r, path, &text, &len, NULL) < 0)
		return -1;

	char *at = strstr(text, label);

	if (!at)
		return -1;
	at += sizeof(label) - 1;
	at += strspn(at, " \t");
	at[strspn(at, "0123456789")] = '\0';
	return parse_ulong(at, 0, 255, &minor) < 0 ? -1 : (int)minor;
}

/*
 * One directory for each GPU instance; the directory above them is there with
 * MIG off, too.
 * Source: open-gpu-kernel-modules src/nvidia/arch/nvalloc/unix/src/os.c, osRmCapRegisterGpu()
 */
int mig_proc_ids(const struct root *r, const struct bdf *gpu, unsigned int **ids)
{
	int minor = device_minor(r, gpu);
	size_t n = 0;
	AUTO_STRLIST struct strlist names = { 0 };

	*ids = NULL;
	if (minor < 0)
		return -1;

	AUTO_FREE char *dir = xasprintf("proc/driver/nvidia/capabilities/gpu%d/mig", minor);

	if (root_list(r, dir, &names, NULL) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		unsigned long id;

		if (strncmp(names.s[i], "gi", 2) || parse_ulong(names.s[i] + 2, 0, MIG_MAX_ID, &id) < 0)
			continue;
		*GROW(*ids, n) = (unsigned int)id;
	}
	return (int)n;
}

static int count_instances(const struct root *r, const struct bdf *gpu)
{
	AUTO_FREE unsigned int *ids = NULL;

	return mig_proc_ids(r, gpu, &ids);
}

static bool is_on(const struct vgpu *v, const struct gpu *g)
{
	return v->on_gpu && v->exists && bdf_eq(&v->gpu, &g->addr);
}

static enum mig_mode mode_of_type(const struct vgpu_type *t)
{
	return vgpu_type_is_mig(t) ? MIG_ON : MIG_OFF;
}

static const struct vgpu_type *offered_as(const struct gpu *g, const char *key)
{
	for (size_t i = 0; key && i < g->noffers; i++)
		if (!strcmp(g->offers[i].type->key, key))
			return g->offers[i].type;
	return NULL;
}

/* What runs was made in the mode that the GPU is in. */
static enum mig_mode mode_of_vgpus(const struct inventory *inv, const struct gpu *g)
{
	for (size_t i = 0; i < inv->nvgpus; i++) {
		const struct vgpu *v = &inv->vgpus[i];
		const struct vgpu_type *t = is_on(v, g) ? offered_as(g, v->type) : NULL;

		if (t)
			return mode_of_type(t);
	}
	return MIG_UNKNOWN;
}

/* What has room can be made in the mode that the GPU is in; an empty GPU in neither mode is none. */
static enum mig_mode mode_of_room(const struct gpu *g, bool empty)
{
	bool all_asked = g->noffers;

	for (size_t i = 0; i < g->noffers; i++) {
		/* What is only claimed leaves no more room than the driver has for it. */
		if (g->offers[i].known && (g->offers[i].available || g->offers[i].yes))
			return mode_of_type(g->offers[i].type);
		all_asked = all_asked && g->offers[i].known;
	}
	return all_asked && empty && mig_board(g) ? MIG_ON : MIG_UNKNOWN;
}

static bool has_no_room(const struct gpu *g)
{
	for (size_t i = 0; i < g->noffers; i++)
		if (!g->offers[i].known || g->offers[i].available)
			return false;
	return g->noffers;
}

void mig_look(const struct root *r, const struct inventory *inv, const struct gpu *g,
	      struct mig *out)
{
	bool empty = !gpu_count(inv, g);

	/* On vendor VFIO those whom we do not know of show on the driver's word alone. */
	*out = (struct mig){ MIG_UNKNOWN, -1, empty && g->framework == FRAMEWORK_MDEV };
	/* A board that shows its types, none of them MIG-backed. */
	if (g->noffers && !mig_board(g) &&
	    (g->framework == FRAMEWORK_MDEV || mode_of_room(g, empty) == MIG_OFF)) {
		out->mode = MIG_OFF;
		out->instances = 0;
		return;
	}
	out->instances = count_instances(r, &g->addr);
	if (out->instances > 0)
		out->mode = MIG_ON;
	if (out->mode == MIG_UNKNOWN)
		out->mode = mode_of_vgpus(inv, g);
	if (out->mode == MIG_UNKNOWN)
		out->mode = mode_of_room(g, empty);
	if (out->mode == MIG_OFF || (out->mode == MIG_ON && out->instances < 0 && empty &&
				     has_no_room(g)))
		out->instances = 0;
}

/* A time-sliced type on a free VF of an empty GPU: it has room unless MIG is on. */
static enum mig_mode ask_mdev(const struct root *r, struct catalog *c, const struct gpu *g)
{
	const struct vgpu_type *t = first_of(g, false);
	enum refused reach;
	int n = t && g->nparents ? framework_mdev.room(r, c, g, &g->parents[0], t, &reach, NULL) : -1;

	return n < 0 ? MIG_UNKNOWN : n ? MIG_OFF : MIG_ON;
}

/* A GPU that lists nothing is full, or it is empty and in MIG mode without an instance. */
static void ask_what_runs(const struct root *r, const struct catalog *c, const struct gpu *g,
			  struct mig *m)
{
	unsigned int number = nvidia_vfio_first_on(r, g);
	AUTO_FREE char *key = vgpu_type_nvidia_key(number);
	const struct vgpu_type *t = number ? catalog_type(c, key) : NULL;

	if (t)
		m->mode = mode_of_type(t);
	m->empty = !number;
	if (number || !mig_board(g))
		return;
	m->mode = MIG_ON;
	m->instances = 0;
}

static const struct bdf *free_parent(const struct inventory *inv, const struct gpu *g)
{
	for (size_t i = 0; i < g->nparents; i++)
		if (parent_is_free(inv, g, &g->parents[i]))
			return &g->parents[i];
	return &g->parents[0];
}

static void ask_list(const struct root *r, struct catalog *c, const struct inventory *inv,
		     struct gpu *g, struct mig *m)
{
	AUTO_FREE const struct vgpu_type **types = NULL;
	const struct bdf vf = *free_parent(inv, g);
	size_t n;

	if (nvidia_vfio_listing(r, c, g, &vf, &types, &n, NULL) < 0)
		return;
	if (n)
		m->mode = mode_of_type(types[0]);
	else
		ask_what_runs(r, c, g, m);
}

void mig_ask(const struct root *r, struct catalog *c, const struct inventory *inv,
	     struct gpu *g, struct mig *out)
{
	mig_look(r, inv, g, out);
	if (out->mode != MIG_UNKNOWN || !g->nparents)
		return;
	if (g->framework == FRAMEWORK_NVIDIA_VFIO)
		ask_list(r, c, inv, g, out);
	else if (mig_board(g) && !gpu_count(inv, g))
		out->mode = ask_mdev(r, c, g);
	if (out->mode == MIG_OFF)
		out->instances = 0;
}

static char *cure_make_instance(const char *at)
{
	return xasprintf("nvidia-smi mig -i %s -cgi <profile> -C (nvidia-smi mig -i %s -lgip lists the profiles)",
			 at, at);
}

bool mig_against(const struct mig *m, const struct gpu *g, const struct vgpu_type *t,
		 char **cause, char **cure)
{
	const char *at = BDF_STR(&g->addr), *name = vgpu_type_name(t);

	if (m->mode == MIG_UNKNOWN || (m->mode == MIG_OFF && !vgpu_type_is_mig(t)))
		return false;

	int of_profile = mig_count_of(g, t);

	if (m->mode == MIG_OFF) {
		*cause = xasprintf("MIG mode is off, and %s is MIG-backed", name);
		*cure = xasprintf("choose a time-sliced type, or with no vGPU on the GPU: " SRIOV_MANAGE " -d %s; "
				  "nvidia-smi -i %s -mig 1; " SRIOV_MANAGE " -e %s; nvidia-smi mig -i %s -cgi "
				  "<profile> -C", at, at, at, at);
	} else if (!vgpu_type_is_mig(t)) {
		*cause = xasprintf("MIG mode is on, and %s is time-sliced", name);
		*cure = xasprintf("choose a MIG-backed type, or with no vGPU on the GPU: " SRIOV_MANAGE " -d %s; "
				  "nvidia-smi -i %s -mig 0; " SRIOV_MANAGE " -e %s", at, at, at);
	} else if (!m->instances) {
		*cause = xstrdup("MIG mode is on and there is no GPU instance");
		*cure = cure_make_instance(at);
	} else if (!of_profile || (of_profile < 0 && m->empty)) {
		*cause = xasprintf("MIG mode is on and there is no GPU instance of %s's profile", name);
		*cure = cure_make_instance(at);
	} else {
		AUTO_FREE char *make = cure_make_instance(at);

		*cause = xasprintf("MIG mode is on and no GPU instance of %s's profile has room", name);
		*cure = xasprintf("stop a VM that has one, or make one more: %s", make);
	}
	return true;
}

char *mig_reason(const struct mig *m, const struct gpu *g, const struct vgpu_type *t)
{
	AUTO_FREE char *cause = NULL, *cure = NULL;
	const char *at = BDF_STR(&g->addr);

	if (!mig_against(m, g, t, &cause, &cure))
		return NULL;
	if (vgpu_type_is_mig(t) != (m->mode == MIG_ON))
		return xasprintf("%s (nvidia-smi -i %s -mig %d, with its VFs disabled)", cause, at,
				 m->mode == MIG_OFF);
	return xasprintf("%s (nvidia-smi mig -i %s -cgi <profile> -C)", cause, at);
}
