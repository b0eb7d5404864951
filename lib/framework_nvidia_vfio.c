/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * NVIDIA's vendor VFIO files: <VF>/nvidia/creatable_vgpu_types and
 * current_vgpu_type, on kernels 6.8 and later for GPUs with SR-IOV. There is no
 * mdev: the VF itself, on the driver nvidia, is what QEMU opens.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "creatable.h"
#include "framework.h"
#include "parse.h"
#include "pci_tree.h"
#include "xalloc.h"

static char *attr_path(const struct bdf *vf, const char *attr)
{
	return xasprintf("sys/bus/pci/devices/%s/nvidia/%s", BDF_STR(vf), attr);
}

static bool is_vendor_vf(const struct root *r, const struct bdf *vf)
{
	AUTO_FREE char *path = attr_path(vf, "creatable_vgpu_types");

	return root_exists(r, path);
}

/* Let the GPU offer what the catalog has of it: as it stands after a listing. */
static void offer_known(const struct catalog *c, struct gpu *g)
{
	const struct catalog_gpu *known = catalog_gpu(c, &g->addr);

	free(take_ptr(g->offers));
	g->noffers = 0;
	for (size_t i = 0; known && i < known->ntypes; i++)
		gpu_add_offer(g, known->types[i]);
	g->seen = g->noffers > 0;
}

/* One VF tells for all; others are asked where the first ones are just going away. */
static bool has_vendor_vf(const struct root *r, const struct bdf_list *vfs)
{
	for (size_t i = 0; i < vfs->n; i++)
		if (is_vendor_vf(r, &vfs->b[i]))
			return true;
	return false;
}

static void add_parents(struct gpu *g, const struct bdf_list *vfs)
{
	for (size_t i = 0; i < vfs->n; i++) {
		struct bdf *slot = GROW(g->parents, g->nparents);

		*slot = vfs->b[i];
	}
}

static void add_gpu(const struct root *r, const struct catalog *c, struct inventory *inv,
		    const struct bdf *pf, const struct bdf_list *vfs, const struct bdf_list *driverless)
{
	struct gpu *g;

	if (!has_vendor_vf(r, vfs))
		return;
	g = GROW(inv->gpus, inv->ngpus);
	g->addr = *pf;
	g->framework = FRAMEWORK_NVIDIA_VFIO;
	g->sriov = true;
	add_parents(g, vfs);
	add_parents(g, driverless);
	g->driverless = driverless->n;
	offer_known(c, g);
}

/* A GPU that stands on the mdev bus has no such files; its VFs need not be read again. */
static bool pass_over_mdev(const struct inventory *inv, const struct bdf *pf,
			   struct bdf_list *seen)
{
	const struct gpu *g = inventory_gpu(inv, pf);

	for (size_t i = 0; g && i < g->nparents; i++)
		bdf_list_add(seen, &g->parents[i]);
	return g;
}

static int discover(const struct root *r, struct catalog *c, struct inventory *inv,
		    struct err *e)
{
	AUTO_BDF_LIST struct bdf_list bound = { 0 }, seen = { 0 };
	int rc = pci_list(r, "sys/bus/pci/drivers/nvidia", &bound, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < bound.n; i++) {
		AUTO_BDF_LIST struct bdf_list vfs = { 0 }, parents = { 0 }, driverless = { 0 };
		struct bdf pf = bound.b[i];
		AUTO_ERR struct err why = { 0 };

		if (bdf_list_has(&seen, &pf))
			continue;
		pci_physfn(r, &bound.b[i], &pf);
		if (bdf_list_has(&seen, &pf) || !pci_exists(r, &bound.b[i]))
			continue;
		bdf_list_add(&seen, &pf);
		if (pass_over_mdev(inv, &pf, &seen))
			continue;
		if (pci_virtfns(r, &pf, &vfs, &why) < 0) {
			strlist_take(&inv->problems, xasprintf("GPU %s left out: %s",
							       BDF_STR(&pf), why.msg));
			continue;
		}
		for (size_t v = 0; v < vfs.n; v++) {
			bdf_list_add(&seen, &vfs.b[v]);
			if (bdf_list_has(&bound, &vfs.b[v]))
				bdf_list_add(&parents, &vfs.b[v]);
			else if (!pci_has_driver(r, &vfs.b[v]))
				bdf_list_add(&driverless, &vfs.b[v]);
		}
		add_gpu(r, c, inv, &pf, &parents, &driverless);
	}
	return 0;
}

/* What the VF lists now. Types that are new go into the catalog. */
struct listing {
	const struct vgpu_type **types;
	size_t n;
};

static void listing_free(struct listing *l)
{
	free(l->types);
}

static int read_listing(const struct root *r, struct catalog *c, const struct gpu *g,
			const struct bdf *vf, struct listing *l, struct err *e)
{
	AUTO_FREE char *path = attr_path(vf, "creatable_vgpu_types");
	AUTO_FREE char *text = NULL;
	struct creatable *rows;
	int rc = root_read_attr(r, path, &text, e);

	if (rc < 0)
		return rc;

	size_t n = creatable_parse(text, &rows);

	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *key = vgpu_type_nvidia_key(rows[i].number);
		const struct vgpu_type **slot = GROW(l->types, l->n);

		*slot = catalog_add(c, key, rows[i].number, rows[i].full_name);
	}
	creatable_free(rows, n);
	catalog_gpu_offers(c, &g->addr, l->types, l->n);
	return 0;
}

int nvidia_vfio_listing(const struct root *r, struct catalog *c, struct gpu *g,
			const struct bdf *vf, const struct vgpu_type ***types, size_t *n,
			struct err *e)
{
	struct listing l = { 0 };
	int rc = read_listing(r, c, g, vf, &l, e);

	if (rc < 0) {
		listing_free(&l);
		return rc;
	}
	g->asked = true;
	offer_known(c, g);
	*types = l.types;
	*n = l.n;
	return 0;
}

/* A VF that holds a vGPU lists nothing, so one that is known to be free is asked. */
static int learn(const struct root *r, struct catalog *c, const struct inventory *inv,
		 struct gpu *g, struct err *e)
{
	int rc = 0;

	/* From both ends: those whom we do not know of tend to begin with the first VF. */
	for (size_t i = 0, tries = 0; i < g->nparents && tries < 2; i++) {
		__attribute__((cleanup(listing_free))) struct listing l = { 0 };
		size_t at = tries ? g->nparents - i : i;
		const struct bdf *vf = &g->parents[at];

		if (!parent_is_free(inv, g, vf))
			continue;
		tries++;
		err_clear(e);
		rc = read_listing(r, c, g, vf, &l, e);
		if (l.n)
			break;
	}
	g->asked = true;
	offer_known(c, g);
	return rc;
}

static int read_current(const struct root *r, const struct bdf *vf, unsigned long *number,
			struct err *e)
{
	AUTO_FREE char *path = attr_path(vf, "current_vgpu_type");

	return root_read_number(r, path, number, e);
}

unsigned int nvidia_vfio_first_on(const struct root *r, const struct gpu *g)
{
	for (size_t i = 0; i < g->nparents - g->driverless; i++) {
		unsigned long number;

		if (read_current(r, &g->parents[i], &number, NULL) == 0 && number)
			return number > UINT_MAX ? UINT_MAX : (unsigned int)number;
	}
	return 0;
}

static void add_active(const struct catalog *c, struct inventory *inv, const struct gpu *g,
		       const struct bdf *vf, unsigned int number)
{
	struct vgpu v = {
		.framework = FRAMEWORK_NVIDIA_VFIO, .on_gpu = true, .gpu = g->addr,
		.parent = *vf, .number = number, .exists = true,
	};

	v.parent_name = xstrdup(BDF_STR(vf));
	v.type = vgpu_type_nvidia_key(number);

	const struct vgpu_type *t = catalog_type(c, v.type);

	if (t) {
		v.name = xstrdup(vgpu_type_name(t));
		v.framebuffer_mib = t->framebuffer_mib;
	}
	inventory_add(inv, &v);
	vgpu_clear(&v);
}

static int active(const struct root *r, const struct catalog *c, struct inventory *inv,
		  struct err *e)
{
	(void)e;
	for (size_t i = 0; i < inv->ngpus; i++) {
		const struct gpu *g = &inv->gpus[i];
		size_t n = g->framework == FRAMEWORK_NVIDIA_VFIO ? g->nparents - g->driverless : 0;

		for (size_t p = 0; p < n; p++) {
			unsigned long number;
			AUTO_ERR struct err why = { 0 };

			if (read_current(r, &g->parents[p], &number, &why) < 0)
				strlist_take(&inv->problems, xasprintf("VF %s left out: %s",
					     BDF_STR(&g->parents[p]), why.msg));
			else if (number && number <= UINT_MAX)
				add_active(c, inv, g, &g->parents[p], (unsigned int)number);
		}
	}
	return 0;
}

static int room(const struct root *r, struct catalog *c, const struct gpu *g,
		const struct bdf *parent, const struct vgpu_type *t,
		enum refused *reach, struct err *e)
{
	__attribute__((cleanup(listing_free))) struct listing l = { 0 };
	unsigned long number;
	int rc = read_listing(r, c, g, parent, &l, e);

	*reach = REFUSED_PARENT;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < l.n; i++)
		if (l.types[i] == t)
			return 1;
	/* Not listed: the VF holds a vGPU of somebody else's, or the GPU has no room. */
	if (!l.n) {
		rc = read_current(r, parent, &number, e);
		if (rc < 0)
			return rc;
		if (number)
			return 0;
	}
	*reach = REFUSED_GPU;
	return 0;
}

static int present(const struct root *r, const struct vgpu *v, struct err *e)
{
	unsigned long number;
	AUTO_ERR struct err why = { 0 };
	int rc = read_current(r, &v->parent, &number, &why);

	/* The VF is gone, or its driver: so is the vGPU. */
	if (rc == -ENOENT || rc == -ENODEV)
		return 0;
	if (rc < 0)
		return fail(e, rc, "%s", why.msg);
	return number == v->number;
}

/*
 * Where the VF holds the type after a refusal, either somebody else was faster
 * or the driver did what it refused. Nothing tells these apart, and what may be
 * another's is left alone: the admin knows.
 */
static int fail_refused(const struct root *r, const struct vgpu *v, const char *path, int rc, struct err *e)
{
	if (!e || present(r, v, NULL) <= 0)
		return rc;

	AUTO_FREE char *why = xstrdup(e->msg);

	return fail(e, rc, "%s, and the VF holds that type all the same (where nobody else has set it: echo 0 > '/%s')",
		    why, path);
}

static int create(const struct root *r, const struct vgpu *v, struct err *e)
{
	AUTO_FREE char *path = attr_path(&v->parent, "current_vgpu_type");
	AUTO_FREE char *number = xasprintf("%u", v->number);
	int rc = root_write_attr(r, path, number, 0, e);

	if (rc < 0)
		return fail_refused(r, v, path, rc, e);
	rc = present(r, v, e);
	if (rc < 0)
		return fail_in(e, -ENOTRECOVERABLE, "write '%s' to '/%s' was taken", number, path);
	if (!rc)
		return fail(e, -ENODATA,
			    "write '%s' to '/%s': the driver reported success and made nothing",
			    number, path);
	return 0;
}

static int remove_vf(const struct root *r, const struct vgpu *v, int timeout_ms, struct err *e)
{
	AUTO_FREE char *path = attr_path(&v->parent, "current_vgpu_type");
	AUTO_ERR struct err why = { 0 };
	int rc = present(r, v, e);

	if (rc <= 0)
		return rc;
	rc = root_write_attr(r, path, "0", timeout_ms, &why);

	/* What counts is what is there: EPERM was seen from a driver that had just done it itself. */
	int left = present(r, v, e);

	if (left <= 0)
		return left;
	if (rc == 0)
		return fail(e, -EBUSY, "write '0' to '/%s': the driver reported success and the vGPU is still there",
			    path);
	return fail(e, rc, "%s", why.msg);
}

const struct framework_ops framework_nvidia_vfio = {
	.id = FRAMEWORK_NVIDIA_VFIO,
	.discover = discover,
	.learn = learn,
	.active = active,
	.room = room,
	.create = create,
	.present = present,
	.remove = remove_vf,
};
