/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The attributes of every directory: one table, one function each way.
 */
#include "attr.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct attr {
	const char *name;
	unsigned int mode;
	enum kind in;
	bool (*present)(const struct sim *sim, struct node n);
	int (*show)(struct sim *sim, struct node n, struct attr_text *out);
	int (*store)(struct sim *sim, struct node n, const char *text, size_t len);
};

static void put(struct attr_text *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void put(struct attr_text *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->len, sizeof(o->buf) - o->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->len += (size_t)n;
	if (o->len >= sizeof(o->buf))
		o->len = sizeof(o->buf) - 1;
}

/*
 * As the kernel's kstrtoull(): base by prefix, one newline at the end is all
 * that may follow.
 */
static int parse_number(const char *s, unsigned long max, unsigned long *out)
{
	unsigned long n;
	char *end;

	if (*s == '+')
		s++;
	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	n = strtoul(s, &end, 0);
	if (*end == '\n')
		end++;
	if (*end)
		return -EINVAL;
	if (errno || n > max)
		return -ERANGE;
	*out = n;
	return 0;
}

/* --- PCI functions ------------------------------------------------------------ */

static bool is_pci(const struct sim *sim, struct node n)
{
	return sim->devs[n.x].bus == BUS_PCI;
}

static int show_vendor(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "0x%04x\n", node_dev(sim, n)->vendor);
	return 0;
}

static int show_device(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "0x%04x\n", node_dev(sim, n)->device);
	return 0;
}

static int show_sub_vendor(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "0x%04x\n", node_dev(sim, n)->sub_vendor);
	return 0;
}

static int show_sub_device(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "0x%04x\n", node_dev(sim, n)->sub_device);
	return 0;
}

static int show_class(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "0x%06x\n", node_dev(sim, n)->class);
	return 0;
}

static int show_revision(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "0x%02x\n", node_dev(sim, n)->revision);
	return 0;
}

static int show_numa_node(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%d\n", node_dev(sim, n)->numa_node);
	return 0;
}

static void put_cpus(const struct sim *sim, int numa_node, struct attr_text *o)
{
	int first = numa_node < 0 ? 0 : numa_node * CPUS_PER_NODE;
	int n = numa_node < 0 ? sim->n_numa * CPUS_PER_NODE : CPUS_PER_NODE;

	put(o, "%d-%d\n", first, first + n - 1);
}

static int show_local_cpulist(struct sim *sim, struct node n, struct attr_text *o)
{
	put_cpus(sim, node_dev(sim, n)->numa_node, o);
	return 0;
}

static void put_modalias(const struct dev *d, struct attr_text *o)
{
	put(o, "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X", d->vendor,
	    d->device, d->sub_vendor, d->sub_device, d->class >> 16,
	    d->class >> 8 & 0xff, d->class & 0xff);
}

static void put_bus_modalias(const struct sim *sim, const struct dev *d,
			     struct attr_text *o)
{
	if (d->bus == BUS_PCI)
		put_modalias(d, o);
	else
		put(o, "%s:t0", sim->buses[d->bus]);
}

static int show_modalias(struct sim *sim, struct node n, struct attr_text *o)
{
	put_bus_modalias(sim, node_dev(sim, n), o);
	put(o, "\n");
	return 0;
}

static int show_uevent(struct sim *sim, struct node n, struct attr_text *o)
{
	const struct dev *d = node_dev(sim, n);
	const char *driver = dev_driver(sim, d);

	if (driver)
		put(o, "DRIVER=%s\n", driver);
	if (d->bus == BUS_PCI)
		put(o, "PCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\n"
		    "PCI_SLOT_NAME=%s\n", d->class, d->vendor, d->device,
		    d->sub_vendor, d->sub_device, d->name);
	put(o, "MODALIAS=");
	put_bus_modalias(sim, d, o);
	put(o, "\n");
	return 0;
}

/* kobject_synth_uevent(): an action, and what may follow it. */
static int store_uevent(struct sim *sim, struct node n, const char *text, size_t len)
{
	static const char *const actions[] = {
		"add", "remove", "change", "move", "online", "offline", "bind",
		"unbind"
	};
	size_t i, word = strcspn(text, " \n");

	(void)sim;
	(void)n;
	(void)len;
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strlen(actions[i]) == word && !strncmp(actions[i], text, word))
			return 0;
	return -EINVAL;
}

static bool has_sriov(const struct sim *sim, struct node n)
{
	const struct dev *d = &sim->devs[n.x];

	return d->kind == DEV_PF && d->gpu->totalvfs;
}

static int show_totalvfs(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%u\n", node_dev(sim, n)->gpu->totalvfs);
	return 0;
}

/* Source: Linux drivers/pci/pci-sysfs.c, ari_enabled_show() */
static int show_ari(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%d\n", node_dev(sim, n)->gpu->ari);
	return 0;
}

static int show_numvfs(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%u\n", node_dev(sim, n)->gpu->numvfs);
	return 0;
}

static int store_numvfs(struct sim *sim, struct node n, const char *text, size_t len)
{
	unsigned long num = 0;

	(void)len;
	/* What kstrtou16() does not take is EINVAL, whatever is wrong with it. */
	if (parse_number(text, 65535, &num))
		return -EINVAL;
	return model_set_numvfs(sim, node_dev(sim, n), (unsigned int)num);
}

static int show_vf_offset(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%u\n", node_dev(sim, n)->gpu->vf_offset);
	return 0;
}

static int show_vf_stride(struct sim *sim, struct node n, struct attr_text *o)
{
	(void)sim;
	(void)n;
	put(o, "1\n");
	return 0;
}

static int show_vf_device(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%x\n", node_dev(sim, n)->device);
	return 0;
}

/* --- mdev types ----------------------------------------------------------------- */

static bool type_has_name(const struct sim *sim, struct node n)
{
	return node_type(sim, n)->name;
}

static bool type_has_description(const struct sim *sim, struct node n)
{
	return node_type(sim, n)->description;
}

static int show_type_name(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%s\n", node_type(sim, n)->name);
	return 0;
}

static int show_description(struct sim *sim, struct node n, struct attr_text *o)
{
	const char *text = node_type(sim, n)->description;
	size_t len = strlen(text);

	put(o, "%s%s", text, len && text[len - 1] == '\n' ? "" : "\n");
	return 0;
}

static int show_device_api(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%s\n", node_dev(sim, n)->gpu->device_api);
	return 0;
}

static int show_available(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%u\n", model_available(node_dev(sim, n), node_type(sim, n)));
	return 0;
}

/* As mdev's create_store(): the 37th character is not looked at. */
static int store_create(struct sim *sim, struct node n, const char *text, size_t len)
{
	char uuid[UUID_LEN + 1];

	if (len < UUID_LEN || len > UUID_LEN + 1 || !uuid_parse_text(text, uuid))
		return -EINVAL;
	return model_create(sim, node_dev(sim, n), node_type(sim, n), uuid, NULL);
}

/* --- mdevs ------------------------------------------------------------------------ */

static bool not_removing(const struct sim *sim, struct node n)
{
	return !node_vgpu(sim, n)->removing;
}

/*
 * As mdev's remove_store(): zero is no error and does nothing. Held, the vGPU
 * is off its bus and without most of its files at once, while the writer
 * waits in vfio_unregister_group_dev(); nothing can stop that (seen on 6.1).
 */
static int store_remove(struct sim *sim, struct node n, const char *text, size_t len)
{
	struct vgpu *v = node_vgpu(sim, n);
	unsigned long num = 0;

	(void)len;
	if (parse_number(text, ~0UL, &num))
		return -EINVAL;
	if (!num)
		return 0;
	if (v->held) {
		v->removing = true;
		return ATTR_WAIT;
	}
	model_destroy(sim, v);
	return 0;
}

/* The mdev bus adds nothing of its own. */
static int show_vgpu_uevent(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "DRIVER=%s\n", node_vgpu(sim, n)->dev->gpu->mdev_driver);
	return 0;
}

static void strip(char *s)
{
	size_t len, lead = strspn(s, " \t\n");

	memmove(s, s + lead, strlen(s + lead) + 1);
	for (len = strlen(s); len && isspace((unsigned char)s[len - 1]); len--)
		s[len - 1] = '\0';
}

/* One write is the whole list; blanks clear it. */
static int set_params(const struct gpu *g, bool held, char *params,
		      const char *text, size_t len)
{
	if (held)
		return refusal_errno(g, R_PARAMS);
	if (len >= PARAMS_MAX || strlen(text) != len)
		return -EINVAL;
	memcpy(params, text, len + 1);
	strip(params);
	return 0;
}

static int show_vgpu_params(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%s\n", node_vgpu(sim, n)->params);
	return 0;
}

static int store_vgpu_params(struct sim *sim, struct node n, const char *text,
			     size_t len)
{
	struct vgpu *v = node_vgpu(sim, n);

	return set_params(v->dev->gpu, v->held, v->params, text, len);
}

/* --- NVIDIA's own files on a VF -------------------------------------------------- */

static int show_creatable(struct sim *sim, struct node n, struct attr_text *o)
{
	const struct dev *d = node_dev(sim, n);
	const struct gpu *g = d->gpu;
	unsigned int i;

	if (g->creatable_header)
		put(o, "ID    : vGPU Name\n");
	for (i = 0; i < g->types.n; i++) {
		const struct vgpu_type *t = &g->types.v[i];

		if (model_available(d, t))
			put(o, "%-5u : %s\n", t->number, t->name ? t->name : t->id);
	}
	return 0;
}

static int show_current(struct sim *sim, struct node n, struct attr_text *o)
{
	const struct vgpu *v = node_dev(sim, n)->vgpus;

	put(o, "%u\n", v ? v->type->number : 0);
	return 0;
}

static int store_current(struct sim *sim, struct node n, const char *text, size_t len)
{
	struct dev *d = node_dev(sim, n);
	struct vgpu *v = d->vgpus;
	const struct vgpu_type *t;
	unsigned long id = 0;
	int rc = parse_number(text, 0xffffffff, &id);

	(void)len;
	if (rc)
		return rc;
	if (v && v->held)
		return refusal_errno(d->gpu, R_HELD);
	if (!id) {
		if (v)
			model_destroy(sim, v);
		return 0;
	}
	if (v)
		return refusal_errno(d->gpu, R_BUSY);
	t = model_find_type(d->gpu, (unsigned int)id);
	if (!t)
		return refusal_errno(d->gpu, R_UNKNOWN);
	return model_create(sim, d, t, "", NULL);
}

static int show_dev_params(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%s\n", node_dev(sim, n)->params);
	return 0;
}

static int store_dev_params(struct sim *sim, struct node n, const char *text,
			    size_t len)
{
	struct dev *d = node_dev(sim, n);

	return set_params(d->gpu, d->vgpus && d->vgpus->held, d->params, text, len);
}

static int show_instance_id(struct sim *sim, struct node n, struct attr_text *o)
{
	const struct vgpu *v = node_dev(sim, n)->vgpus;

	if (!v)
		return -ENXIO;
	put(o, "%u\n", v->gi ? v->gi->id : 0);
	return 0;
}

static int show_placement_id(struct sim *sim, struct node n, struct attr_text *o)
{
	const struct vgpu *v = node_dev(sim, n)->vgpus;

	if (!v)
		return -ENXIO;
	put(o, "%u\n", v->placement);
	return 0;
}

/* The driver chooses both; what a write does is not known. */
static int store_refused(struct sim *sim, struct node n, const char *text, size_t len)
{
	(void)sim;
	(void)n;
	(void)text;
	(void)len;
	return -EPERM;
}

static int show_zero(struct sim *sim, struct node n, struct attr_text *o)
{
	(void)sim;
	(void)n;
	put(o, "0\n");
	return 0;
}

/* --- the rest ------------------------------------------------------------------------ */

/* /dev/vfio/devices came with 6.6. */
static bool has_vfio_cdev(const struct sim *sim, struct node n)
{
	(void)n;
	return sim->kernel_major > 6 ||
	       (sim->kernel_major == 6 && sim->kernel_minor >= 6);
}

/* vfio devices have a dynamic major; 511 is the first one handed out today. */
static int show_vfio_dev(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "511:%d\n", n.kind == K_DEV_VFIO ? node_dev(sim, n)->vfio :
						  node_vgpu(sim, n)->vfio);
	return 0;
}

static int show_vfio_uevent(struct sim *sim, struct node n, struct attr_text *o)
{
	int vfio = n.kind == K_DEV_VFIO ? node_dev(sim, n)->vfio :
					  node_vgpu(sim, n)->vfio;

	if (has_vfio_cdev(sim, n))
		put(o, "MAJOR=511\nMINOR=%d\nDEVNAME=vfio/devices/vfio%d\n",
		    vfio, vfio);
	return 0;
}

static int show_group_type(struct sim *sim, struct node n, struct attr_text *o)
{
	(void)sim;
	(void)n;
	put(o, "DMA\n");
	return 0;
}

static bool has_version(const struct sim *sim, struct node n)
{
	return sim->modules[n.x].version;
}

static int show_version(struct sim *sim, struct node n, struct attr_text *o)
{
	put(o, "%s\n", sim->modules[n.x].version);
	return 0;
}

static int show_initstate(struct sim *sim, struct node n, struct attr_text *o)
{
	(void)sim;
	(void)n;
	put(o, "live\n");
	return 0;
}

static int show_cpulist(struct sim *sim, struct node n, struct attr_text *o)
{
	put_cpus(sim, (int)n.x, o);
	return 0;
}

static int show_distance(struct sim *sim, struct node n, struct attr_text *o)
{
	int i;

	for (i = 0; i < sim->n_numa; i++)
		put(o, "%s%d", i ? " " : "", i == (int)n.x ? 10 : 21);
	put(o, "\n");
	return 0;
}

static bool is_node_dir(const struct sim *sim, struct node n)
{
	return sim->dirs[n.x].role == ROLE_NODES;
}

static int show_online(struct sim *sim, struct node n, struct attr_text *o)
{
	(void)n;
	put(o, sim->n_numa > 1 ? "0-%d\n" : "%d\n", sim->n_numa - 1);
	return 0;
}

/* --- the table -------------------------------------------------------------------------- */

static const struct attr attrs[] = {
	{ .name = "" },
	{ "vendor", 0444, K_DEV, is_pci, show_vendor, NULL },
	{ "device", 0444, K_DEV, is_pci, show_device, NULL },
	{ "subsystem_vendor", 0444, K_DEV, is_pci, show_sub_vendor, NULL },
	{ "subsystem_device", 0444, K_DEV, is_pci, show_sub_device, NULL },
	{ "class", 0444, K_DEV, is_pci, show_class, NULL },
	{ "revision", 0444, K_DEV, is_pci, show_revision, NULL },
	{ "numa_node", 0644, K_DEV, is_pci, show_numa_node, store_refused },
	{ "local_cpulist", 0444, K_DEV, is_pci, show_local_cpulist, NULL },
	{ "modalias", 0444, K_DEV, NULL, show_modalias, NULL },
	{ "uevent", 0644, K_DEV, NULL, show_uevent, store_uevent },
	{ "ari_enabled", 0444, K_DEV, has_sriov, show_ari, NULL },
	{ "sriov_totalvfs", 0444, K_DEV, has_sriov, show_totalvfs, NULL },
	{ "sriov_numvfs", 0644, K_DEV, has_sriov, show_numvfs, store_numvfs },
	{ "sriov_offset", 0444, K_DEV, has_sriov, show_vf_offset, NULL },
	{ "sriov_stride", 0444, K_DEV, has_sriov, show_vf_stride, NULL },
	{ "sriov_vf_device", 0444, K_DEV, has_sriov, show_vf_device, NULL },
	{ "name", 0444, K_TYPE, type_has_name, show_type_name, NULL },
	{ "description", 0444, K_TYPE, type_has_description, show_description, NULL },
	{ "device_api", 0444, K_TYPE, NULL, show_device_api, NULL },
	{ "available_instances", 0444, K_TYPE, NULL, show_available, NULL },
	{ "create", 0200, K_TYPE, NULL, NULL, store_create },
	{ "creatable_vgpu_types", 0444, K_DEV_NVIDIA, NULL, show_creatable, NULL },
	{ "current_vgpu_type", 0644, K_DEV_NVIDIA, NULL, show_current, store_current },
	{ "vgpu_params", 0644, K_DEV_NVIDIA, NULL, show_dev_params, store_dev_params },
	{ "placement_id", 0644, K_DEV_NVIDIA, NULL, show_placement_id, store_refused },
	{ "gpu_instance_id", 0644, K_DEV_NVIDIA, NULL, show_instance_id, store_refused },
	{ "warm_update", 0644, K_DEV_NVIDIA, NULL, show_zero, store_refused },
	{ "remove", 0200, K_VGPU, not_removing, NULL, store_remove },
	{ "uevent", 0644, K_VGPU, not_removing, show_vgpu_uevent, store_uevent },
	{ "vgpu_params", 0644, K_VGPU_NVIDIA, NULL, show_vgpu_params, store_vgpu_params },
	{ "dev", 0444, K_DEV_VFIO, has_vfio_cdev, show_vfio_dev, NULL },
	{ "uevent", 0644, K_DEV_VFIO, NULL, show_vfio_uevent, store_uevent },
	{ "dev", 0444, K_VGPU_VFIO, has_vfio_cdev, show_vfio_dev, NULL },
	{ "uevent", 0644, K_VGPU_VFIO, NULL, show_vfio_uevent, store_uevent },
	{ "type", 0644, K_GROUP, NULL, show_group_type, store_refused },
	{ "version", 0444, K_MODULE, has_version, show_version, NULL },
	{ "initstate", 0444, K_MODULE, NULL, show_initstate, NULL },
	{ "cpulist", 0444, K_NUMA, NULL, show_cpulist, NULL },
	{ "distance", 0444, K_NUMA, NULL, show_distance, NULL },
	{ "online", 0444, K_DIR, is_node_dir, show_online, NULL },
	{ "possible", 0444, K_DIR, is_node_dir, show_online, NULL },
};

unsigned int attr_count(void)
{
	return sizeof(attrs) / sizeof(attrs[0]);
}

const char *attr_name(unsigned int i)
{
	return attrs[i].name;
}

unsigned int attr_mode(unsigned int i)
{
	return attrs[i].mode;
}

bool attr_present(const struct sim *sim, struct node n, unsigned int i)
{
	const struct attr *a = &attrs[i];

	if (!i || i >= attr_count() || a->in != n.kind)
		return false;
	return !a->present || a->present(sim, n);
}

unsigned int attr_next(const struct sim *sim, struct node n, unsigned int i)
{
	for (; i < attr_count(); i++)
		if (attrs[i].in == n.kind && attr_present(sim, n, i))
			return i;
	return 0;
}

int attr_read(struct sim *sim, struct node n, struct attr_text *out)
{
	int rc;

	out->len = 0;
	if (node_shape(sim, n) != SHAPE_FILE)
		return -ENODEV;
	if (!attrs[n.leaf].show)
		return -EIO;
	rc = attrs[n.leaf].show(sim, n, out);
	/* A page is all that sysfs hands out. */
	if (out->len > ATTR_SIZE)
		out->len = ATTR_SIZE;
	return rc;
}

int attr_write(struct sim *sim, struct node n, const char *text, size_t len)
{
	if (node_shape(sim, n) != SHAPE_FILE)
		return -ENODEV;
	if (!attrs[n.leaf].store)
		return -EIO;
	return attrs[n.leaf].store(sim, n, text, len);
}
