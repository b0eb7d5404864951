/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The kernel's mdev bus.
 * Source: Linux Documentation/ABI/testing/sysfs-bus-vfio-mdev
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "framework.h"
#include "parse.h"
#include "pci_tree.h"
#include "quote.h"
#include "xalloc.h"

/*
 * How long a device may take to appear after a create that reported success,
 * and how long once the driver has made nothing in this run.
 */
#define APPEAR_MS	300
#define APPEAR_AGAIN_MS	20

#define DEVICES		"sys/bus/mdev/devices"

static char *types_path(const struct bdf *parent)
{
	return xasprintf("sys/bus/pci/devices/%s/mdev_supported_types", BDF_STR(parent));
}

static char *read_attr_or_null(const struct root *r, const char *dir, const char *name,
			       int *rc, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	char *text = NULL;

	*rc = root_read_attr(r, path, &text, e);
	return *rc < 0 ? NULL : text;
}

/*
 * Read what a type is. Both files are optional in the mdev ABI; a file that is
 * there and cannot be read is a problem to report, and the type stays unlearned.
 */
static const struct vgpu_type *learn_type(const struct root *r, struct catalog *c,
					  const char *types_dir, const char *dirname,
					  const char *key, unsigned int number, struct err *e)
{
	AUTO_FREE char *dir = xasprintf("%s/%s", types_dir, dirname);
	AUTO_FREE char *description = NULL;
	int rc;
	AUTO_FREE char *name = read_attr_or_null(r, dir, "name", &rc, e);

	if (rc < 0 && rc != -ENOENT)
		return NULL;
	/* Only NVIDIA's descriptions carry numbers that we use. */
	if (number) {
		description = read_attr_or_null(r, dir, "description", &rc, e);
		if (rc < 0 && rc != -ENOENT)
			return NULL;
	}
	err_clear(e);

	const char *dash = strchr(key, '-');
	struct vgpu_type *t = catalog_add(c, key, number, name && *name ? name :
					  dash ? dash + 1 : key);

	if (description)
		vgpu_type_describe(t, description);
	t->described = true;
	c->changed = true;
	return t;
}

/*
 * Whether mdevs of a type are PCI devices for QEMU. It is the mdev core that
 * answers, no driver; NVIDIA's types are known by their names.
 */
static bool is_vfio_pci(const struct root *r, const char *types_dir, const char *dirname)
{
	AUTO_FREE char *path = xasprintf("%s/%s/device_api", types_dir, dirname);
	AUTO_FREE char *api = NULL;

	return root_read_attr(r, path, &api, NULL) < 0 || !strcmp(api, "vfio-pci");
}

/*
 * Fill in what the GPU offers from one of its parents. -ENOENT: this parent
 * shows no types; -EAGAIN: not all of them could be read; -ENODEV: it is no GPU.
 */
static int read_offers(const struct root *r, struct catalog *c, struct inventory *inv,
		       struct gpu *g, const struct bdf *parent)
{
	AUTO_FREE char *dir = types_path(parent);
	AUTO_STRLIST struct strlist names = { 0 };
	int rc = root_list(r, dir, &names, NULL);

	if (rc < 0 || !names.n)
		return -ENOENT;
	rc = 0;
	strlist_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		unsigned int number;
		AUTO_FREE char *key = vgpu_type_key(names.s[i], &number);
		const struct vgpu_type *t = catalog_type(c, key);
		AUTO_ERR struct err why = { 0 };

		if (!t && !number && !is_vfio_pci(r, dir, names.s[i]))
			return -ENODEV;
		/* Vendor VFIO, under another kernel, has taught its name alone. */
		if (!t || !t->described)
			t = learn_type(r, c, dir, names.s[i], key, number, &why);
		if (t) {
			gpu_add_offer(g, t);
			continue;
		}
		strlist_take(&inv->problems, xasprintf("%s: type %s passed over: %s",
						       BDF_STR(parent), QUOTED(names.s[i]), why.msg));
		rc = -EAGAIN;
	}
	return rc;
}

/* The GPU that was added last is none. */
static void drop_foreign(struct inventory *inv)
{
	struct gpu *g = &inv->gpus[--inv->ngpus];

	for (size_t i = 0; i < g->nparents; i++)
		strlist_add(&inv->foreign, BDF_STR(&g->parents[i]));
	free(take_ptr(g->parents));
	free(take_ptr(g->offers));
	*g = (struct gpu){ 0 };
}

static void add_gpu(const struct root *r, struct catalog *c, struct inventory *inv,
		    const struct bdf *pf, const struct bdf_list *parents, bool sriov)
{
	struct gpu *g = GROW(inv->gpus, inv->ngpus);
	size_t unread = 0;

	g->addr = *pf;
	g->framework = FRAMEWORK_MDEV;
	g->sriov = sriov;
	for (size_t i = 0; i < parents->n; i++) {
		struct bdf *slot = GROW(g->parents, g->nparents);

		*slot = parents->b[i];
	}
	g->seen = g->asked = true;
	/*
	 * All VFs of a GPU show the same types: the first that shows any will do,
	 * and a few others where that one could not be read to its end.
	 */
	for (size_t i = 0; i < g->nparents && unread < 3; i++) {
		int rc = read_offers(r, c, inv, g, &g->parents[i]);

		if (rc == 0)
			return;
		if (rc == -ENODEV) {
			drop_foreign(inv);
			return;
		}
		unread += rc == -EAGAIN;
	}
	if (unread)
		return;
	strlist_take(&inv->problems, xasprintf(
		"GPU %s: none of its %zu parent devices shows a type: systemctl restart nvidia-vgpud",
		BDF_STR(pf), g->nparents));
}

static int discover(const struct root *r, struct catalog *c, struct inventory *inv,
		    struct err *e)
{
	AUTO_BDF_LIST struct bdf_list on_bus = { 0 }, seen = { 0 }, failed = { 0 };
	int rc = pci_list(r, "sys/class/mdev_bus", &on_bus, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < on_bus.n; i++) {
		AUTO_BDF_LIST struct bdf_list vfs = { 0 }, parents = { 0 };
		const struct bdf *fn = &on_bus.b[i];
		struct bdf pf;
		AUTO_ERR struct err why = { 0 };

		if (bdf_list_has(&seen, fn))
			continue;
		if (pci_physfn(r, fn, &pf) < 0) {
			/* Gone since the bus was listed: no word on what it was. */
			if (!pci_exists(r, fn))
				continue;
			bdf_list_add(&parents, fn);
			add_gpu(r, c, inv, fn, &parents, false);
			continue;
		}
		if (bdf_list_has(&failed, &pf))
			continue;
		if (pci_virtfns(r, &pf, &vfs, &why) < 0) {
			strlist_take(&inv->problems, xasprintf("GPU %s left out: %s",
							       BDF_STR(&pf), why.msg));
			bdf_list_add(&failed, &pf);
			continue;
		}
		for (size_t v = 0; v < vfs.n; v++) {
			bdf_list_add(&seen, &vfs.b[v]);
			if (bdf_list_has(&on_bus, &vfs.b[v]))
				bdf_list_add(&parents, &vfs.b[v]);
		}
		if (parents.n)
			add_gpu(r, c, inv, &pf, &parents, true);
	}
	return 0;
}

/* discover() has read everything already. */
static int learn(const struct root *r, struct catalog *c, const struct inventory *inv,
		 struct gpu *g, struct err *e)
{
	(void)r;
	(void)c;
	(void)inv;
	(void)e;
	g->seen = g->asked = true;
	return 0;
}

/* The last but one component of ".../<parent>/<uuid>", made fit to be shown. */
static char *parent_of_link(const char *target)
{
	AUTO_FREE char *dir = xstrdup(target);
	char *slash = strrchr(dir, '/');

	if (!slash)
		return xstrdup("");
	*slash = '\0';
	return text_clean(path_base(dir), NAME_MAX);
}

/* Everything about one mdev from two links. -ENOENT: it vanished meanwhile. */
static int read_mdev(const struct root *r, const struct catalog *c, const struct inventory *inv,
		     const char *uuid, struct vgpu *v)
{
	AUTO_FREE char *link = xasprintf(DEVICES "/%s", uuid);
	AUTO_FREE char *type_link = xasprintf(DEVICES "/%s/mdev_type", uuid);
	AUTO_FREE char *device = NULL, *type = NULL;
	int rc = root_readlink(r, link, &device, NULL);

	if (rc == 0)
		rc = root_readlink(r, type_link, &type, NULL);
	if (rc < 0)
		return rc;

	v->framework = FRAMEWORK_MDEV;
	v->exists = true;
	memcpy(v->uuid, uuid, UUID_TEXT_LEN);
	v->parent_name = parent_of_link(device);
	v->type = vgpu_type_key(path_base(type), &v->number);
	if (bdf_parse(v->parent_name, &v->parent) == 0) {
		const struct gpu *g = inventory_gpu_of(inv, &v->parent);

		v->on_gpu = g;
		if (g)
			v->gpu = g->addr;
	}

	const struct vgpu_type *t = catalog_type(c, v->type);

	if (t) {
		v->name = xstrdup(vgpu_type_name(t));
		v->framebuffer_mib = t->framebuffer_mib;
	}
	return 0;
}

static int active(const struct root *r, const struct catalog *c, struct inventory *inv,
		  struct err *e)
{
	AUTO_STRLIST struct strlist uuids = { 0 };
	AUTO_ERR struct err why = { 0 };
	int rc = root_list(r, DEVICES, &uuids, &why);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return fail(e, rc, "%s", why.msg);
	strlist_sort(&uuids);
	for (size_t i = 0; i < uuids.n; i++) {
		struct vgpu v = { 0 };

		if (is_uuid(uuids.s[i]) && read_mdev(r, c, inv, uuids.s[i], &v) == 0)
			inventory_add(inv, &v);
		vgpu_clear(&v);
	}
	return 0;
}

/*
 * The directory begins with the driver that this very function is bound to,
 * which may differ from VF to VF; the number is the type.
 */
int mdev_type_dirname(const struct root *r, const struct bdf *parent, const char *key,
		      char **name, struct err *e)
{
	AUTO_FREE char *types = types_path(parent);
	AUTO_STRLIST struct strlist names = { 0 };
	int rc = root_list(r, types, &names, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.n; i++) {
		unsigned int number;
		AUTO_FREE char *found = vgpu_type_key(names.s[i], &number);

		if (!strcmp(found, key)) {
			*name = xstrdup(names.s[i]);
			return 0;
		}
	}
	return fail(e, -ENOENT, "'/%s' has no type %s", types, key);
}

/* The first type that a parent shows, as its directory is called; NULL: it shows none. Freed by the caller. */
static char *first_type(const struct root *r, const struct bdf *parent)
{
	AUTO_FREE char *types = types_path(parent);
	AUTO_STRLIST struct strlist names = { 0 };

	if (root_list(r, types, &names, NULL) < 0 || !names.n)
		return NULL;
	strlist_sort(&names);
	return xstrdup(names.s[0]);
}

/*
 * The driver's name before a type, "nvidia" or "vfio-pci": that of the time when
 * the types were registered. The caller frees it.
 */
static char *driver_of_type(const char *type)
{
	const char *dash = strrchr(type, '-');

	if (!dash || dash[1 + strspn(dash + 1, "0123456789")])
		dash = strchr(type, '-');
	return dash ? xstrndup(type, (size_t)(dash - type)) : xstrdup(type);
}

/* Of all types of a parent; NULL: it shows none. The caller frees it. */
static char *driver_of_types(const struct root *r, const struct bdf *parent)
{
	AUTO_FREE char *type = first_type(r, parent);

	return type ? driver_of_type(type) : NULL;
}

void mdev_parents_like(const struct root *r, const struct gpu *g, const struct bdf *parent,
		       struct bdf **like, size_t *n)
{
	AUTO_FREE char *driver = driver_of_types(r, parent);

	*like = NULL;
	*n = 0;
	for (size_t i = 0; i < g->nparents && driver; i++) {
		AUTO_FREE char *its = bdf_eq(&g->parents[i], parent) ? NULL :
			driver_of_types(r, &g->parents[i]);

		if (!its || strcmp(its, driver))
			continue;

		struct bdf *slot = GROW(*like, *n);

		*slot = g->parents[i];
	}
}

/* Drivers by which the VFs of a GPU show their types. */
struct drivers {
	struct strlist names;
	struct strlist types;		/* a directory of each: "nvidia-556" */
	size_t *count, *first;		/* VFs; the first one, as an index of the GPU's parents */
};

static void drivers_free(struct drivers *d)
{
	strlist_free(&d->names);
	strlist_free(&d->types);
	free(d->count);
	free(d->first);
}

/*
 * Which of the drivers known already the types of a VF are under. All VFs of a
 * GPU show the same types, so the directory that one has tells of another
 * without listing it. d->names.n: of none.
 */
static size_t known_driver(const struct root *r, const struct drivers *d, const struct bdf *vf)
{
	size_t at = 0;

	for (; at < d->types.n; at++) {
		AUTO_FREE char *types = types_path(vf);
		AUTO_FREE char *type = xasprintf("%s/%s", types, d->types.s[at]);

		if (root_exists(r, type))
			break;
	}
	return at;
}

static void add_driver(const struct root *r, const struct gpu *g, size_t i, struct drivers *d)
{
	const struct bdf *vf = &g->parents[i];
	size_t at = known_driver(r, d, vf);

	if (at == d->names.n) {
		AUTO_FREE char *type = first_type(r, vf);
		AUTO_FREE char *name = type ? driver_of_type(type) : NULL;

		if (!name)
			return;
		for (at = 0; at < d->names.n && strcmp(d->names.s[at], name); at++)
			;
		if (at == d->names.n) {
			strlist_add(&d->names, name);
			strlist_add(&d->types, type);
			d->first[at] = i;
		}
	}
	d->count[at]++;
}

/* "nvidia (0000:e8:00.4 and 29 more), vfio-pci (0000:e8:04.0 and 1 more)"; NULL where all are alike. */
static char *drivers_of(const struct root *r, const struct gpu *g)
{
	__attribute__((cleanup(drivers_free))) struct drivers d = {
		.count = xcalloc(g->nparents, sizeof(*d.count)),
		.first = xcalloc(g->nparents, sizeof(*d.first)),
	};
	char *text = NULL;
	size_t len;

	/* Those without a driver are no place, and have a remark of their own. */
	for (size_t i = 0; i < g->nparents - g->driverless; i++)
		add_driver(r, g, i, &d);
	if (d.names.n < 2)
		return NULL;

	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < d.names.n; i++) {
		AUTO_FREE char *name = text_clean(d.names.s[i], NAME_MAX);

		fprintf(f, "%s%s (%s", i ? ", " : "", name, BDF_STR(&g->parents[d.first[i]]));
		if (d.count[i] > 1)
			fprintf(f, " and %zu more", d.count[i] - 1);
		fputc(')', f);
	}
	fclose(f);
	return text;
}

void mdev_check_drivers(const struct root *r, struct inventory *inv)
{
	for (size_t i = 0; i < inv->ngpus; i++) {
		const struct gpu *g = &inv->gpus[i];
		AUTO_FREE char *drivers = g->framework == FRAMEWORK_MDEV && g->sriov ?
			drivers_of(r, g) : NULL;

		if (drivers)
			strlist_take(&inv->problems, xasprintf(
				"GPU %s: its VFs were set up under different drivers: %s; some may take a create and make "
				"nothing: disable and enable its VFs (/usr/lib/nvidia/sriov-manage)",
				BDF_STR(&g->addr), drivers));
	}
}

static int type_attr(const struct root *r, const struct bdf *parent, const char *key,
		     const char *attr, char **path, struct err *e)
{
	AUTO_FREE char *types = types_path(parent);
	AUTO_FREE char *name = NULL;
	int rc = mdev_type_dirname(r, parent, key, &name, e);

	if (rc == 0)
		*path = xasprintf("%s/%s/%s", types, name, attr);
	return rc;
}

static int room(const struct root *r, struct catalog *c, const struct gpu *g,
		const struct bdf *parent, const struct vgpu_type *t,
		enum refused *reach, struct err *e)
{
	AUTO_FREE char *path = NULL;
	unsigned long n;
	int rc = type_attr(r, parent, t->key, "available_instances", &path, e);

	(void)c;
	(void)g;
	*reach = REFUSED_PARENT;
	if (rc < 0)
		return rc;
	rc = root_read_number(r, path, &n, e);
	if (rc < 0)
		return rc;
	/* A free VF that reads 0 speaks for its GPU: nothing else takes its place. */
	if (n == 0)
		*reach = REFUSED_GPU;
	return n > INT_MAX ? INT_MAX : (int)n;
}

static int present(const struct root *r, const struct vgpu *v, struct err *e)
{
	AUTO_FREE char *link = xasprintf(DEVICES "/%s", v->uuid);
	AUTO_FREE char *type_link = xasprintf(DEVICES "/%s/mdev_type", v->uuid);
	AUTO_FREE char *device = NULL, *type = NULL, *key = NULL, *parent = NULL;
	unsigned int number;
	AUTO_ERR struct err why = { 0 };
	int rc = root_readlink(r, link, &device, &why);

	if (rc == 0)
		rc = root_readlink(r, type_link, &type, &why);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return fail(e, rc, "%s", why.msg);
	key = vgpu_type_key(path_base(type), &number);
	parent = parent_of_link(device);
	return !strcmp(key, v->type) && !strcmp(parent, v->parent_name);
}

/*
 * A driver that says no and has made it all the same. The UUID tells that it is
 * ours, but for EEXIST, by which the kernel says that somebody else was faster
 * (drivers/vfio/mdev/mdev_core.c, mdev_device_create()).
 */
static int fail_refused(const struct root *r, const struct vgpu *v, int rc, struct err *e)
{
	AUTO_FREE char *why = NULL;

	if (rc == -EEXIST || present(r, v, NULL) <= 0)
		return rc;
	why = xstrdup(e && e->msg ? e->msg : "");
	return fail(e, -ENOTRECOVERABLE, "%s, and the vGPU is there all the same", why);
}

static int create(const struct root *r, const struct vgpu *v, struct err *e)
{
	AUTO_FREE char *path = NULL;
	int rc = type_attr(r, &v->parent, v->type, "create", &path, e);

	if (rc < 0)
		return rc;
	rc = root_write_attr(r, path, v->uuid, 0, e);
	if (rc < 0)
		return fail_refused(r, v, rc, e);

	static int patience_ms = APPEAR_MS;
	int64_t deadline = clock_ms() + patience_ms;

	do {
		rc = present(r, v, e);
		if (rc < 0)
			return fail_in(e, -ENOTRECOVERABLE, "write '%s' to '/%s' was taken", v->uuid, path);
		if (rc)
			return 0;
		clock_sleep_ms(5);
	} while (clock_ms() < deadline);
	patience_ms = APPEAR_AGAIN_MS;
	return fail(e, -ENODATA, "write '%s' to '/%s': the driver reported success and made nothing",
		    v->uuid, path);
}

/*
 * A `remove` that was written before the `create` had returned takes the file
 * away and leaves the mdev, which then goes with its parent's driver alone
 * (seen on Linux 6.1 and 6.12).
 */
static int no_remove(const struct vgpu *v, const char *path, struct err *e)
{
	fail(e, -EBUSY, "write '1' to '/%s': the kernel has taken that file away, and the vGPU is still there", path);
	err_hint(e, "where it stays so, its parent's driver must let go of it, when nothing else is in use there: "
		 "echo %s > /sys/bus/pci/devices/%s/driver/unbind, and the same to .../drivers/<driver>/bind",
		 v->parent_name, v->parent_name);
	return -EBUSY;
}

static int remove_mdev(const struct root *r, const struct vgpu *v, int timeout_ms, struct err *e)
{
	AUTO_FREE char *path = xasprintf(DEVICES "/%s/remove", v->uuid);
	int rc = present(r, v, e);

	if (rc <= 0)
		return rc;
	rc = root_write_attr(r, path, "1", timeout_ms, e);
	/* The driver was faster; or the file alone is gone. */
	if (rc == -ENOENT || rc == -ENODEV) {
		err_clear(e);
		return present(r, v, e) > 0 ? no_remove(v, path, e) : 0;
	}
	if (rc < 0)
		return rc;
	if (present(r, v, e) > 0)
		return fail(e, -EBUSY, "write '1' to '/%s': the driver reported success and the vGPU is still there",
			    path);
	return 0;
}

const struct framework_ops framework_mdev = {
	.id = FRAMEWORK_MDEV,
	.discover = discover,
	.learn = learn,
	.active = active,
	.room = room,
	.create = create,
	.present = present,
	.remove = remove_mdev,
};
