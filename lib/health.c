/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "health.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "framework.h"
#include "mig.h"
#include "pci_tree.h"
#include "xalloc.h"

/* PCI base class of a display controller, and NVIDIA's vendor id, as sysfs has them. */
#define CLASS_DISPLAY	"0x03"
#define VENDOR_NVIDIA	"0x10de"

#define DEVICES		"sys/bus/pci/devices"
#define SRIOV_MANAGE	"/usr/lib/nvidia/sriov-manage"

/* --- the rules ------------------------------------------------------------ */

static enum ailment judge_driver(const struct health_facts *f)
{
	if (!strcmp(f->driver, "vfio-pci"))
		return AILMENT_PASSTHROUGH;
	if (!strcmp(f->driver, "nouveau"))
		return AILMENT_NOUVEAU;
	if (*f->driver)
		return AILMENT_NONE;
	return f->nvidia ? AILMENT_UNBOUND : AILMENT_NO_DRIVER;
}

/* In the order in which things must be put right: each step needs those before it. */
enum ailment health_judge(const struct health_facts *f)
{
	if (strcmp(f->driver, "nvidia"))
		return judge_driver(f);
	if (f->vfs && !f->bound_vfs)
		return AILMENT_VFS_UNBOUND;
	if (f->types)
		return f->silent ? AILMENT_NO_TYPES :
			f->bound_vfs < f->vfs ? AILMENT_SOME_UNBOUND : AILMENT_NONE;
	if (!f->vgpu_driver && !f->vfs)
		return AILMENT_PLAIN_DRIVER;
	if (!f->iommu)
		return AILMENT_NO_IOMMU;
	if (f->sriov && !f->vfs)
		return AILMENT_NO_VFS;
	return AILMENT_NO_TYPES;
}

const char *health_cause(enum ailment a)
{
	static const char *const causes[] = {
		[AILMENT_NONE] = "",
		[AILMENT_PASSTHROUGH] = "the GPU itself is bound to vfio-pci, as for passing it through whole",
		[AILMENT_NOUVEAU] = "it is bound to the driver nouveau, which has no vGPUs",
		[AILMENT_UNBOUND] = "no driver is bound to it, though nvidia is loaded",
		[AILMENT_NO_DRIVER] = "no driver is bound to it: NVIDIA's vGPU host driver is not loaded",
		[AILMENT_PLAIN_DRIVER] = "the driver nvidia is loaded without its vGPU part: NVIDIA's plain driver, not the vGPU host driver",
		[AILMENT_NO_IOMMU] = "the IOMMU is off: without it there are no VFs and no vGPUs",
		[AILMENT_NO_VFS] = "SR-IOV is not enabled: it has no VFs",
		[AILMENT_VFS_UNBOUND] = "the VFs are not bound to the nvidia driver yet",
		[AILMENT_NO_TYPES] = "it shows no vGPU types, though it holds no vGPU",
		[AILMENT_SOME_UNBOUND] = "some of its VFs are not bound to a driver yet: nothing is made on those",
	};

	return causes[a];
}

char *health_cure(enum ailment a, const struct bdf *gpu)
{
	const char *at = BDF_STR(gpu);

	switch (a) {
	case AILMENT_NONE:
		break;
	case AILMENT_PASSTHROUGH:
		return xasprintf("take it out of what binds it (grep -r 'vfio-pci.*ids=' /etc/modprobe.d /etc/kernel/cmdline "
				 "/etc/default/grub; grep '^hostpci' /etc/pve/qemu-server/*.conf; driverctl unset-override %s), "
				 "then echo %s > /sys/bus/pci/drivers/vfio-pci/unbind; "
				 "echo %s > /sys/bus/pci/drivers/nvidia/bind; " SRIOV_MANAGE " -e %s", at, at, at, at);
	case AILMENT_NOUVEAU:
		return xstrdup("echo 'blacklist nouveau' > /etc/modprobe.d/blacklist-nouveau.conf; update-initramfs -u; reboot; "
			       "then install NVIDIA's vGPU host driver");
	case AILMENT_UNBOUND:
		return xasprintf("echo %s > /sys/bus/pci/drivers/nvidia/bind (dmesg | grep NVRM says why, where that fails), "
				 "then " SRIOV_MANAGE " -e %s", at, at);
	case AILMENT_NO_DRIVER:
	case AILMENT_PLAIN_DRIVER:
		return xstrdup("install NVIDIA's vGPU host driver (the package with vgpu-kvm in its name); "
			       "where it is installed: modprobe nvidia_vgpu_vfio; dmesg | grep NVRM");
	case AILMENT_NO_IOMMU:
		return xstrdup("add intel_iommu=on (Intel) or amd_iommu=on (AMD) to the kernel command line (/etc/default/grub "
			       "and update-grub, or /etc/kernel/cmdline and proxmox-boot-tool refresh), enable VT-d or "
			       "AMD-Vi in the firmware, reboot");
	case AILMENT_NO_VFS:
		return xasprintf(SRIOV_MANAGE " -e %s", at);
	case AILMENT_VFS_UNBOUND:
		return xasprintf(SRIOV_MANAGE " -d %s; " SRIOV_MANAGE " -e %s", at, at);
	case AILMENT_SOME_UNBOUND:
		return xasprintf("when none of its vGPUs is in use: " SRIOV_MANAGE " -d %s; " SRIOV_MANAGE " -e %s", at, at);
	case AILMENT_NO_TYPES:
		return xasprintf("systemctl restart nvidia-vgpud; where it stays so, journalctl -u nvidia-vgpud says why "
				 "(a board without vGPU support); in MIG mode it needs an instance: nvidia-smi mig -i %s "
				 "-cgi <profile> -C", at);
	}
	return xstrdup("");
}

/* --- gathering ------------------------------------------------------------ */

/* What is the same for all GPUs of the node. */
struct node {
	const struct root *r;
	struct catalog *c;
	struct inventory *inv;
	bool counted;
	bool nvidia, vgpu_driver, iommu;
	struct bdf_list bound, nouveau, vfio, known;	/* sorted */
};

static void node_free(struct node *n)
{
	bdf_list_free(&n->bound);
	bdf_list_free(&n->nouveau);
	bdf_list_free(&n->vfio);
	bdf_list_free(&n->known);
}

static int by_address(const void *a, const void *b)
{
	return bdf_cmp(a, b);
}

static bool has(const struct bdf_list *l, const struct bdf *b)
{
	return l->n && bsearch(b, l->b, l->n, sizeof(*l->b), by_address);
}

static bool is_empty(const struct root *r, const char *path)
{
	AUTO_STRLIST struct strlist names = { 0 };

	return root_list(r, path, &names, NULL) < 0 || !names.n;
}

static void read_node(struct node *n)
{
	n->nvidia = root_exists(n->r, "sys/bus/pci/drivers/nvidia");
	n->vgpu_driver = root_exists(n->r, "sys/module/nvidia_vgpu_vfio");
	n->iommu = !is_empty(n->r, "sys/kernel/iommu_groups");
	pci_list(n->r, "sys/bus/pci/drivers/nvidia", &n->bound, NULL);
	pci_list(n->r, "sys/bus/pci/drivers/nouveau", &n->nouveau, NULL);
	pci_list(n->r, "sys/bus/pci/drivers/vfio-pci", &n->vfio, NULL);
	for (size_t i = 0; i < n->inv->ngpus; i++) {
		const struct gpu *g = &n->inv->gpus[i];

		bdf_list_add(&n->known, &g->addr);
		for (size_t p = 0; p < g->nparents; p++)
			bdf_list_add(&n->known, &g->parents[p]);
	}
	bdf_list_sort(&n->known);
}

static bool attr_begins(const struct root *r, const struct bdf *fn, const char *attr,
			const char *want)
{
	AUTO_FREE char *path = xasprintf(DEVICES "/%s/%s", BDF_STR(fn), attr);
	AUTO_FREE char *text = NULL;

	return root_read_attr(r, path, &text, NULL) == 0 && !strncmp(text, want, strlen(want));
}

/* The name of a function's driver, "" without one. The caller frees it. */
static char *driver_of(const struct node *n, const struct bdf *fn)
{
	AUTO_FREE char *path = xasprintf(DEVICES "/%s/driver", BDF_STR(fn));
	AUTO_FREE char *target = NULL;

	if (has(&n->bound, fn))
		return xstrdup("nvidia");
	if (root_readlink(n->r, path, &target, NULL) < 0)
		return xstrdup("");
	return xstrdup(path_base(target));
}

/* Whether it is a GPU of NVIDIA's; those on NVIDIA's drivers are, without reading. */
static bool is_nvidia_gpu(const struct node *n, const struct bdf *fn)
{
	if (has(&n->bound, fn) || has(&n->nouveau, fn))
		return true;
	return attr_begins(n->r, fn, "class", CLASS_DISPLAY) &&
	       attr_begins(n->r, fn, "vendor", VENDOR_NVIDIA);
}

static void count_vfs(const struct node *n, const struct bdf *pf, struct health_facts *f)
{
	AUTO_BDF_LIST struct bdf_list vfs = { 0 };
	AUTO_FREE char *total = xasprintf(DEVICES "/%s/sriov_totalvfs", BDF_STR(pf));

	f->sriov = root_exists(n->r, total);
	pci_virtfns(n->r, pf, &vfs, NULL);
	f->vfs = vfs.n;
	for (size_t i = 0; i < vfs.n; i++) {
		AUTO_FREE char *driver = driver_of(n, &vfs.b[i]);

		f->bound_vfs += *driver != '\0';
	}
}

static void add(struct health *h, const struct bdf *gpu, enum ailment what)
{
	if (what == AILMENT_NONE)
		return;

	struct sick_gpu *s = GROW(h->sick, h->n);

	*s = (struct sick_gpu){
		.addr = *gpu, .what = what, .serves = what == AILMENT_SOME_UNBOUND,
	};
}

static struct health_facts facts_of(const struct node *n, const char *driver)
{
	return (struct health_facts){
		.driver = driver, .nvidia = n->nvidia, .vgpu_driver = n->vgpu_driver,
		.iommu = n->iommu,
	};
}

/* A function that is neither a GPU of the inventory nor one of its VFs. */
static void check_stranger(const struct node *n, const struct bdf *fn, struct health *out)
{
	AUTO_FREE char *driver = NULL;
	struct bdf pf;
	struct health_facts f;

	if (pci_physfn(n->r, fn, &pf) == 0)
		return;
	driver = driver_of(n, fn);
	if (*driver && strcmp(driver, "nvidia") && strcmp(driver, "nouveau") &&
	    strcmp(driver, "vfio-pci"))
		return;
	/* Gone since the bus was listed: no word on what it was. */
	if (!is_nvidia_gpu(n, fn) || !pci_exists(n->r, fn))
		return;
	f = facts_of(n, driver);
	count_vfs(n, fn, &f);
	add(out, fn, health_judge(&f));
}

/* The driver has answered for all of it in this run: nothing can be made. */
static bool has_no_room(const struct gpu *g)
{
	for (size_t i = 0; i < g->noffers; i++)
		if (!g->offers[i].known || g->offers[i].available)
			return false;
	return g->noffers || g->asked;
}

/*
 * Nothing can be made on a GPU that holds nothing. On the mdev bus the types are
 * there to be seen; a board with MIG-backed ones has reasons of its own.
 */
static bool is_silent(const struct node *n, struct gpu *g)
{
	const struct vgpu_type **types = NULL;
	struct bdf vf;
	size_t listed;
	bool silent;

	if (gpu_count(n->inv, g) || g->framework != FRAMEWORK_NVIDIA_VFIO || mig_board(g) ||
	    !g->nparents)
		return false;
	if (n->counted)
		return has_no_room(g);
	vf = g->parents[0];
	if (nvidia_vfio_listing(n->r, n->c, g, &vf, &types, &listed, NULL) < 0)
		return false;
	silent = !listed && !mig_board(g) && !nvidia_vfio_first_on(n->r, g);
	free(types);
	return silent;
}

/* Types that could not be read are a fault of another kind, and reported as that. */
static bool shows_types(const struct node *n, const struct gpu *g)
{
	if (g->noffers || g->framework != FRAMEWORK_MDEV || !g->nparents)
		return true;

	AUTO_FREE char *types = xasprintf(DEVICES "/%s/mdev_supported_types", BDF_STR(&g->parents[0]));

	return !is_empty(n->r, types);
}

static void check_known(const struct node *n, struct gpu *g, struct health *out)
{
	struct health_facts f = facts_of(n, "nvidia");

	f.vfs = g->sriov ? g->nparents : 0;
	f.bound_vfs = f.vfs - (g->sriov ? g->driverless : 0);
	f.types = shows_types(n, g);
	f.silent = is_silent(n, g);
	f.vgpu_driver = f.iommu = true;
	add(out, &g->addr, health_judge(&f));
}

static int by_sick_address(const void *a, const void *b)
{
	return bdf_cmp(&((const struct sick_gpu *)a)->addr, &((const struct sick_gpu *)b)->addr);
}

void health_check(const struct root *r, struct catalog *c, struct inventory *inv, bool counted,
		  struct health *out)
{
	__attribute__((cleanup(node_free))) struct node n = {
		.r = r, .c = c, .inv = inv, .counted = counted,
	};
	AUTO_BDF_LIST struct bdf_list all = { 0 };

	*out = (struct health){ 0 };
	read_node(&n);
	for (size_t i = 0; i < inv->ngpus; i++)
		check_known(&n, &inv->gpus[i], out);
	pci_list(r, DEVICES, &all, NULL);
	for (size_t i = 0; i < all.n; i++)
		if (!has(&n.known, &all.b[i]))
			check_stranger(&n, &all.b[i], out);
	if (out->n)
		qsort(out->sick, out->n, sizeof(*out->sick), by_sick_address);
}

void health_free(struct health *h)
{
	free(take_ptr(h->sick));
	h->n = 0;
}

const struct sick_gpu *health_of(const struct health *h, const struct bdf *gpu)
{
	for (size_t i = 0; i < h->n; i++)
		if (bdf_eq(&h->sick[i].addr, gpu))
			return &h->sick[i];
	return NULL;
}
