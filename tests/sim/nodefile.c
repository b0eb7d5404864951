/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * NODE.json to a node that is ready to run.
 */
#include "nodefile.h"
#include "control.h"
#include "json.h"
#include "layout.h"
#include "typetable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_KERNEL	"6.8.12-4-pve"
#define DEFAULT_DRIVER	"550.163.02"

/* --- errno: refusals of this node's driver ---------------------------------- */

static int load_errnos(json_object *o, int err[R_MAX], struct err *e)
{
	json_object *map;
	int i;

	if (json_child(o, "errno", json_type_object, &map, e))
		return -1;
	if (!map)
		return 0;
	if (json_only_keys(map, refusal_keys + 1, e))
		return fail_in(e, "errno");
	for (i = 1; i < R_MAX; i++) {
		const char *name = NULL;

		if (json_string(map, refusal_keys[i], &name, e))
			return fail_in(e, "errno");
		if (!name)
			continue;
		err[i] = errno_by_name(name);
		if (err[i] <= 0)
			return fail(e, "errno: '%s': no errno is called '%s'",
				    refusal_keys[i], name);
	}
	return 0;
}

/* For .sim/errno, which may change them and go back to these. */
static void keep_errnos(struct sim *sim)
{
	size_t i;

	for (i = 0; i < sim->n_gpus; i++)
		memcpy(sim->gpus[i].file_err, sim->gpus[i].err,
		       sizeof(sim->gpus[i].err));
}

/* --- GPUs -------------------------------------------------------------------- */

struct pci_ids {
	unsigned int vendor, device, sub_vendor, sub_device, class, revision;
};

static int load_ids(json_object *o, struct pci_ids *ids, struct err *e)
{
	*ids = (struct pci_ids){
		.vendor = 0x10de, .device = 0x2235, .sub_device = 0x145a,
		.class = 0x030200, .revision = 0xa1,
	};
	if (json_hex(o, "vendor", 0xffff, &ids->vendor, e))
		return -1;
	ids->sub_vendor = ids->vendor;
	if (ids->vendor != 0x10de)
		ids->sub_device = 0;
	if (json_hex(o, "device", 0xffff, &ids->device, e) ||
	    json_hex(o, "subsystem_vendor", 0xffff, &ids->sub_vendor, e) ||
	    json_hex(o, "subsystem_device", 0xffff, &ids->sub_device, e) ||
	    json_hex(o, "class", 0xffffff, &ids->class, e) ||
	    json_hex(o, "revision", 0xff, &ids->revision, e))
		return -1;
	return 0;
}

static void set_ids(struct dev *d, const struct pci_ids *ids, int numa_node)
{
	d->vendor = (uint16_t)ids->vendor;
	d->device = (uint16_t)ids->device;
	d->sub_vendor = (uint16_t)ids->sub_vendor;
	d->sub_device = (uint16_t)ids->sub_device;
	d->class = ids->class;
	d->revision = (uint8_t)ids->revision;
	d->numa_node = numa_node;
}

static int load_framework(json_object *o, enum framework *out, struct err *e)
{
	static const char *const names[] = {
		[FW_MDEV] = "mdev", [FW_VENDOR] = "nvidia-vfio", [FW_VF] = "vf",
		[FW_NONE] = "none"
	};
	const char *name = "mdev";
	int i;

	if (json_string(o, "framework", &name, e))
		return -1;
	for (i = 0; i <= FW_NONE; i++)
		if (name && !strcmp(names[i], name)) {
			*out = (enum framework)i;
			return 0;
		}
	return fail(e, "'framework' is none of mdev, nvidia-vfio, vf, none: '%s'",
		    name ? name : "null");
}

static int load_instance(json_object *o, struct gpu_instance *gi, struct err *e)
{
	static const char *const keys[] = {
		"id", "slices", "profile", "memory_mib", NULL
	};

	if (!json_object_is_type(o, json_type_object))
		return fail(e, "no object: %s", json_object_to_json_string(o));
	if (json_only_keys(o, keys, e) ||
	    json_uint(o, "id", 65535, &gi->id, e) ||
	    json_uint(o, "slices", 7, &gi->slices, e) ||
	    json_string(o, "profile", &gi->profile, e) ||
	    json_uint(o, "memory_mib", 1 << 30, &gi->memory_mib, e))
		return -1;
	if (!gi->slices && gi->profile)
		gi->slices = (unsigned int)strtoul(gi->profile, NULL, 10);
	return gi->slices ? 0 : fail(e, "neither 'slices' nor 'profile'");
}

static int load_instances(json_object *o, struct gpu *g, struct err *e)
{
	json_object *a;
	size_t i, n;

	if (json_child(o, "gpu_instances", json_type_array, &a, e))
		return -1;
	n = a ? json_object_array_length(a) : 0;
	g->gi = must_calloc(n, sizeof(*g->gi));
	for (i = 0; i < n; i++)
		if (load_instance(json_object_array_get_idx(a, i), &g->gi[i], e))
			return fail_in(e, "gpu_instances[%zu]", i);
	g->n_gi = (unsigned int)n;
	return 0;
}

static const char *mdev_driver_name(const struct sim *sim, const char *driver)
{
	if (driver && strcmp(driver, "nvidia") && strcmp(driver, "vfio-pci"))
		return must_printf("%s_mdev", driver);
	return sim->kernel_major < 6 ? "vfio_mdev" : "nvidia-vgpu-vfio";
}

static int load_vfs(struct sim *sim, json_object *o, struct gpu *g,
		    const struct bdf *pf_at, const struct pci_ids *ids,
		    struct err *e)
{
	struct pci_ids vf_ids = *ids;
	const char *first = NULL;
	struct bdf at = *pf_at;
	unsigned int i, rid;

	at.devfn = (at.devfn & ~7U) | 4;
	if (json_string(o, "first_vf", &first, e))
		return -1;
	if (!g->totalvfs)
		return 0;
	if (first && (bdf_parse(first, &at) || at.domain != pf_at->domain))
		return fail(e, "'first_vf' is no address of this domain: '%s'", first);
	if (vf_ids.vendor == 0x10de)
		vf_ids.sub_device = 0;
	rid = at.bus << 8 | at.devfn;
	g->vf_offset = rid - (pf_at->bus << 8 | pf_at->devfn);
	g->vf = &sim->devs[sim->n_devs];
	for (i = 0; i < g->totalvfs; i++, rid++) {
		struct bdf vf_at = { at.domain, rid >> 8, rid & 0xff };
		struct dev *vf;

		if (rid > 0xffff)
			return fail(e, "no addresses left for VF %u", i);
		vf = layout_pci(sim, &vf_at, g->pf, DEV_VF, e);
		if (!vf)
			return -1;
		set_ids(vf, &vf_ids, g->pf->numa_node);
		vf->gpu = g;
		vf->vf_index = i;
		vf->driver = g->pf->driver;
	}
	return 0;
}

static int load_vf_counts(const struct sim *sim, json_object *o, struct gpu *g,
			  const char *driver, struct err *e)
{
	g->totalvfs = g->framework == FW_NONE ? 0 : 32;
	if (json_uint(o, "totalvfs", 4096, &g->totalvfs, e))
		return -1;
	g->numvfs = g->framework == FW_NONE ? 0 : g->totalvfs;
	if (json_uint(o, "numvfs", 4096, &g->numvfs, e))
		return -1;
	if (g->numvfs > g->totalvfs)
		return fail(e, "'numvfs' %u is more than 'totalvfs' %u",
			    g->numvfs, g->totalvfs);
	/* nvidia aborts the probe of a VF when there is no IOMMU. */
	if (!sim->iommu && driver && !strcmp(driver, "nvidia"))
		g->numvfs = 0;
	return 0;
}

static int load_vf_drivers(struct sim *sim, json_object *o, struct err *e)
{
	json_object *map;

	if (json_child(o, "vf_drivers", json_type_object, &map, e))
		return -1;
	if (!map)
		return 0;
	json_object_object_foreach(map, bdf, val) {
		struct dev *d = NULL;
		size_t i;

		for (i = 0; i < sim->n_devs && !d; i++)
			if (sim->devs[i].kind == DEV_VF &&
			    !strcmp(sim->devs[i].name, bdf))
				d = &sim->devs[i];
		if (!d)
			return fail(e, "vf_drivers: no VF is at '%s'", bdf);
		if (val && !json_object_is_type(val, json_type_string))
			return fail(e, "vf_drivers: '%s' is neither a string nor "
				    "null", bdf);
		d->driver = !val ? -1 :
			layout_driver(sim, BUS_PCI, json_object_get_string(val));
	}
	return 0;
}

static int load_types(json_object *o, struct gpu *g, struct err *e)
{
	json_object *types = NULL;

	if (g->framework != FW_MDEV && g->framework != FW_VENDOR)
		return 0;
	json_object_object_get_ex(o, "types", &types);
	if (types_load(types, "A40", g, &g->types, e))
		return fail_in(e, "types");
	return 0;
}

static int load_gpu_rules(const struct sim *sim, json_object *o, struct gpu *g,
			  const char *driver, struct err *e)
{
	g->memory_mib = 49152;
	g->creatable_header = g->ari = true;
	g->device_api = "vfio-pci";
	g->mdev_driver = mdev_driver_name(sim, driver);
	if (load_framework(o, &g->framework, e) ||
	    json_uint(o, "memory_mib", 1 << 30, &g->memory_mib, e) ||
	    json_flag(o, "mig", &g->mig, e) ||
	    json_flag(o, "mixed_size", &g->mixed_size, e) ||
	    json_flag(o, "creatable_header", &g->creatable_header, e) ||
	    json_flag(o, "ari", &g->ari, e) ||
	    load_vf_counts(sim, o, g, driver, e) ||
	    load_instances(o, g, e) || load_types(o, g, e) ||
	    load_errnos(o, g->err, e))
		return -1;
	return 0;
}

static int load_gpu_at(struct sim *sim, json_object *o, struct gpu *g,
		       const struct bdf *at, struct err *e)
{
	static const char *const keys[] = {
		"bdf", "vendor", "device", "subsystem_vendor",
		"subsystem_device", "class", "revision", "numa_node",
		"memory_mib", "driver", "framework", "totalvfs", "numvfs",
		"first_vf", "mig", "mixed_size", "creatable_header", "ari", "types",
		"vf_drivers", "gpu_instances", "errno", NULL
	};
	const char *driver = "nvidia";
	struct pci_ids ids;
	int numa_node = 0;

	if (json_only_keys(o, keys, e) || load_ids(o, &ids, e) ||
	    json_int(o, "numa_node", -1, 63, &numa_node, e) ||
	    json_string(o, "driver", &driver, e) ||
	    load_gpu_rules(sim, o, g, driver, e))
		return -1;
	g->pf = layout_pci(sim, at, NULL, DEV_PF, e);
	if (!g->pf)
		return -1;
	g->pf->gpu = g;
	if (driver)
		g->pf->driver = layout_driver(sim, BUS_PCI, driver);
	set_ids(g->pf, &ids, numa_node);
	return load_vfs(sim, o, g, at, &ids, e) || load_vf_drivers(sim, o, e);
}

static int load_gpu(struct sim *sim, json_object *o, struct gpu *g,
		    struct err *e)
{
	const char *bdf = NULL;
	struct bdf at;

	if (!json_object_is_type(o, json_type_object))
		return fail(e, "no object: %s", json_object_to_json_string(o));
	if (json_string(o, "bdf", &bdf, e))
		return -1;
	if (!bdf)
		return fail(e, "'bdf' is missing");
	if (bdf_parse(bdf, &at))
		return fail(e, "'bdf' is not like 0000:e8:00.0: '%s'", bdf);
	if (load_gpu_at(sim, o, g, &at, e))
		return fail_in(e, "%s", bdf);
	return 0;
}

/* --- parents that are no GPU --------------------------------------------------- */

static int load_parent(struct sim *sim, json_object *o, struct gpu *g,
		       struct err *e)
{
	static const char *const keys[] = {
		"path", "driver", "device_api", "types", "bus", "errno", NULL
	};
	const char *path = NULL, *driver = NULL;
	json_object *types;

	if (!json_object_is_type(o, json_type_object))
		return fail(e, "no object: %s", json_object_to_json_string(o));
	g->device_api = "vfio-pci";
	g->framework = FW_MDEV;
	if (json_only_keys(o, keys, e) || json_string(o, "path", &path, e) ||
	    json_string(o, "driver", &driver, e) ||
	    json_string(o, "device_api", &g->device_api, e) ||
	    json_child(o, "types", json_type_array, &types, e) ||
	    load_errnos(o, g->err, e))
		return -1;
	if (!path)
		return fail(e, "'path' is missing");
	if (types && types_load(types, NULL, g, &g->types, e))
		return fail_in(e, "types");
	g->pf = layout_other(sim, path, e);
	if (!g->pf)
		return -1;
	g->pf->gpu = g;
	g->pf->numa_node = -1;
	g->mdev_driver = mdev_driver_name(sim, driver);
	if (driver)
		g->pf->driver = layout_driver(sim, g->pf->bus, driver);
	return 0;
}

/* --- what exists at the start ---------------------------------------------------- */

static struct dev *find_parent(const struct sim *sim, const char *name)
{
	const char *slash = strrchr(name, '/');

	return model_find_dev(sim, slash ? slash + 1 : name);
}

static const struct vgpu_type *find_type(const struct gpu *g, json_object *o)
{
	const char *id;
	json_object *v;
	unsigned int i;

	if (!json_object_object_get_ex(o, "type", &v) || !v)
		return NULL;
	id = json_object_get_string(v);
	if (!strncmp(id, "nvidia-", 7))
		id += 7;
	for (i = 0; i < g->types.n; i++)
		if (!strcmp(g->types.v[i].id, id))
			return &g->types.v[i];
	return NULL;
}

static int load_vgpu(struct sim *sim, json_object *o, struct err *e)
{
	static const char *const keys[] = {
		"parent", "type", "uuid", "open", "vgpu_params", NULL
	};
	const char *parent = NULL, *uuid = NULL, *params = NULL;
	char id[UUID_LEN + 1] = "";
	const struct vgpu_type *t;
	bool open = false;
	struct dev *d;
	struct vgpu *v;
	int rc;

	if (!json_object_is_type(o, json_type_object))
		return fail(e, "no object: %s", json_object_to_json_string(o));
	if (json_only_keys(o, keys, e) || json_string(o, "parent", &parent, e) ||
	    json_string(o, "uuid", &uuid, e) || json_flag(o, "open", &open, e) ||
	    json_string(o, "vgpu_params", &params, e))
		return -1;
	d = parent ? find_parent(sim, parent) : NULL;
	if (!d || (!dev_is_mdev_parent(d) && !dev_is_vendor(sim, d)))
		return fail(e, "'parent' takes no vGPU: '%s'",
			    parent ? parent : "(missing)");
	t = find_type(d->gpu, o);
	if (!t)
		return fail(e, "%s has no such 'type'", parent);
	if (dev_is_mdev_parent(d) &&
	    (!uuid || strlen(uuid) != UUID_LEN || !uuid_parse_text(uuid, id)))
		return fail(e, "'uuid' is no UUID: '%s'", uuid ? uuid : "(missing)");
	rc = model_create(sim, d, t, id, &v);
	if (rc)
		return fail(e, "%s takes no %s: %s", parent, t->id, strerror(-rc));
	v->held = open;
	if (params)
		snprintf(id[0] ? v->params : d->params, PARAMS_MAX, "%s", params);
	return 0;
}

/* --- the whole ---------------------------------------------------------------------- */

/* Pointers into the array are kept, so its size must be known beforehand. */
static size_t count_devs(json_object *gpus, json_object *parents)
{
	size_t i, n = parents ? json_object_array_length(parents) : 0;

	for (i = 0; gpus && i < json_object_array_length(gpus); i++) {
		json_object *vfs, *g = json_object_array_get_idx(gpus, i);
		int total = 32;

		if (json_object_is_type(g, json_type_object) &&
		    json_object_object_get_ex(g, "totalvfs", &vfs))
			total = json_object_get_int(vfs);
		n += 2 + (total > 0 && total <= 4096 ? (size_t)total : 0);
	}
	return n;
}

static int load_arrays(struct sim *sim, json_object *o, json_object *gpus,
		       json_object *parents, struct err *e)
{
	size_t n = gpus ? json_object_array_length(gpus) : 0;
	size_t m = parents ? json_object_array_length(parents) : 0;
	int common[R_MAX] = { 0 };
	size_t i;

	if (load_errnos(o, common, e))
		return -1;
	sim->gpus = must_calloc(n + m, sizeof(*sim->gpus));
	for (i = 0; i < n + m; i++)
		memcpy(sim->gpus[i].err, common, sizeof(common));
	for (i = 0; i < n; i++)
		if (load_gpu(sim, json_object_array_get_idx(gpus, i),
			     &sim->gpus[sim->n_gpus++], e))
			return fail_in(e, "gpus[%zu]", i);
	for (i = 0; i < m; i++)
		if (load_parent(sim, json_object_array_get_idx(parents, i),
				&sim->gpus[sim->n_gpus++], e))
			return fail_in(e, "parents[%zu]", i);
	return load_vf_drivers(sim, o, e);
}

static int load_vgpus(struct sim *sim, json_object *vgpus, struct err *e)
{
	size_t i;

	for (i = 0; vgpus && i < json_object_array_length(vgpus); i++)
		if (load_vgpu(sim, json_object_array_get_idx(vgpus, i), e))
			return fail_in(e, "vgpus[%zu]", i);
	return 0;
}

static int load_kernel(struct sim *sim, json_object *o, struct err *e)
{
	const char *kernel = DEFAULT_KERNEL;

	if (json_string(o, "kernel", &kernel, e))
		return -1;
	if (!kernel || sscanf(kernel, "%u.%u", &sim->kernel_major,
			      &sim->kernel_minor) != 2)
		return fail(e, "'kernel' is no version: '%s'",
			    kernel ? kernel : "null");
	return 0;
}

static int load_node(struct sim *sim, json_object *o, struct err *e)
{
	static const char *const keys[] = {
		"kernel", "nvidia_driver", "iommu", "gpus", "parents", "vgpus",
		"vf_drivers", "errno", NULL
	};
	json_object *gpus, *parents, *vgpus;

	sim->iommu = true;
	sim->nvidia_driver = DEFAULT_DRIVER;
	if (!json_object_is_type(o, json_type_object))
		return fail(e, "the file is no JSON object");
	if (json_only_keys(o, keys, e) || load_kernel(sim, o, e) ||
	    json_string(o, "nvidia_driver", &sim->nvidia_driver, e) ||
	    json_flag(o, "iommu", &sim->iommu, e) ||
	    json_child(o, "gpus", json_type_array, &gpus, e) ||
	    json_child(o, "parents", json_type_array, &parents, e) ||
	    json_child(o, "vgpus", json_type_array, &vgpus, e))
		return -1;
	layout_init(sim, count_devs(gpus, parents));
	if (load_arrays(sim, o, gpus, parents, e))
		return -1;
	layout_finish(sim);
	keep_errnos(sim);
	return load_vgpus(sim, vgpus, e);
}

int nodefile_load(const char *path, struct sim *sim, struct err *e)
{
	json_object *o = json_object_from_file(path);

	if (!o)
		return fail(e, "%s: %s", path, json_util_get_last_err());
	sim->source = o;
	return load_node(sim, o, e) ? fail_in(e, "%s", path) : 0;
}
