/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sriov.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

#define DEVICES		"sys/bus/pci/devices"

/* PCI base classes: display controller; processing accelerator, as some of AMD's GPUs have it. */
#define CLASS_DISPLAY		0x03
#define CLASS_ACCELERATOR	0x12

/* A number as sysfs has it in hexadecimal; 0 where it cannot be read. */
static unsigned long attr_hex(const struct root *r, const struct bdf *fn, const char *attr)
{
	AUTO_FREE char *path = xasprintf(DEVICES "/%s/%s", BDF_STR(fn), attr);
	AUTO_FREE char *text = NULL;

	return root_read_attr(r, path, &text, NULL) < 0 ? 0 : strtoul(text, NULL, 16);
}

static bool attr_number(const struct root *r, const struct bdf *fn, const char *attr,
			unsigned int *out)
{
	AUTO_FREE char *path = xasprintf(DEVICES "/%s/%s", BDF_STR(fn), attr);
	unsigned long v;

	if (root_read_number(r, path, &v, NULL) < 0)
		return false;
	*out = (unsigned int)v;
	return true;
}

static bool is_gpu(unsigned int vendor, unsigned long class)
{
	return class >> 16 == CLASS_DISPLAY ||
	       (vendor == PCI_VENDOR_AMD && class >> 16 == CLASS_ACCELERATOR);
}

static char *driver_of(const struct root *r, const struct bdf *fn)
{
	AUTO_FREE char *path = xasprintf(DEVICES "/%s/driver", BDF_STR(fn));
	AUTO_FREE char *target = NULL;

	return xstrdup(root_readlink(r, path, &target, NULL) < 0 ? "" : path_base(target));
}

const char *sriov_vendor_name(unsigned int vendor, char buf[static 8])
{
	switch (vendor) {
	case PCI_VENDOR_NVIDIA:
		return "NVIDIA";
	case PCI_VENDOR_AMD:
		return "AMD";
	case PCI_VENDOR_INTEL:
		return "Intel";
	}
	snprintf(buf, 8, "0x%04x", vendor & 0xffff);
	return buf;
}

void sriov_free(struct sriov *s)
{
	free(take_ptr(s->driver));
	bdf_list_free(&s->vfs);
}

static int check_device(const struct root *r, const struct bdf *addr, unsigned int vendor,
			struct err *e)
{
	unsigned long class = attr_hex(r, addr, "class");
	struct bdf pf;

	if (!pci_exists(r, addr)) {
		fail(e, -ENODEV, "there is no PCI device %s", BDF_STR(addr));
		err_hint(e, "`pve-vgpu sriov status` shows the GPUs of this node; an address changes when cards are added or moved");
		return -ENODEV;
	}
	if (pci_physfn(r, addr, &pf) == 0) {
		fail(e, -EINVAL, "%s is a VF of GPU %s", BDF_STR(addr), BDF_STR(&pf));
		err_hint(e, "name the GPU itself: %s", BDF_STR(&pf));
		return -EINVAL;
	}
	if (is_gpu(vendor, class))
		return 0;
	fail(e, -ENODEV, "%s is no GPU: its PCI class is 0x%06lx", BDF_STR(addr), class);
	err_hint(e, "`pve-vgpu sriov status` shows the GPUs of this node");
	return -ENODEV;
}

int sriov_look(const struct root *r, const struct bdf *addr, struct sriov *out, struct err *e)
{
	AUTO_SRIOV struct sriov s = { .addr = *addr };
	int rc;

	s.vendor = (unsigned int)attr_hex(r, addr, "vendor");
	rc = check_device(r, addr, s.vendor, e);
	if (rc < 0)
		return rc;
	s.driver = driver_of(r, addr);
	s.capable = attr_number(r, addr, "sriov_totalvfs", &s.total) && s.total;
	attr_number(r, addr, "sriov_numvfs", &s.num);
	rc = pci_virtfns(r, addr, &s.vfs, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < s.vfs.n; i++)
		s.bound += pci_has_driver(r, &s.vfs.b[i]);
	*out = s;
	s = (struct sriov){ 0 };
	return 0;
}

int sriov_list(const struct root *r, struct bdf_list *out, struct err *e)
{
	AUTO_BDF_LIST struct bdf_list all = { 0 };
	int rc = pci_list(r, DEVICES, &all, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < all.n; i++) {
		unsigned int total;

		/* VFs do not have that attribute, nor do most other functions. */
		if (attr_number(r, &all.b[i], "sriov_totalvfs", &total) && total &&
		    is_gpu((unsigned int)attr_hex(r, &all.b[i], "vendor"),
			   attr_hex(r, &all.b[i], "class")))
			bdf_list_add(out, &all.b[i]);
	}
	return 0;
}

int gpu_list(const struct root *r, unsigned int vendor, struct bdf_list *out, struct err *e)
{
	AUTO_BDF_LIST struct bdf_list all = { 0 };
	int rc = pci_list(r, DEVICES, &all, e);

	for (size_t i = 0; i < all.n && rc == 0; i++) {
		struct bdf pf;

		if (attr_hex(r, &all.b[i], "vendor") == vendor && pci_physfn(r, &all.b[i], &pf) < 0 &&
		    is_gpu(vendor, attr_hex(r, &all.b[i], "class")))
			bdf_list_add(out, &all.b[i]);
	}
	return rc;
}

static int write_number(const struct root *r, const struct bdf *gpu, unsigned int n, struct err *e)
{
	AUTO_FREE char *path = xasprintf(DEVICES "/%s/sriov_numvfs", BDF_STR(gpu));
	AUTO_FREE char *value = xasprintf("%u", n);

	return root_write_attr(r, path, value, 0, e);
}

int sriov_write(const struct root *r, const struct sriov *s, unsigned int n, struct err *e)
{
	int rc = 0;

	/* The kernel refuses to go from one number to another. */
	if (s->num && n)
		rc = write_number(r, &s->addr, 0, e);
	return rc < 0 ? rc : write_number(r, &s->addr, n, e);
}

bool sriov_complete(const struct sriov *s)
{
	return s->num && s->vfs.n == s->num && s->bound == s->num;
}
