/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "pci_tree.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "parse.h"
#include "xalloc.h"

void bdf_list_free(struct bdf_list *l)
{
	free(take_ptr(l->b));
	l->n = 0;
}

void bdf_list_add(struct bdf_list *l, const struct bdf *b)
{
	struct bdf *slot = GROW(l->b, l->n);

	*slot = *b;
}

bool bdf_list_has(const struct bdf_list *l, const struct bdf *b)
{
	for (size_t i = 0; i < l->n; i++)
		if (bdf_eq(&l->b[i], b))
			return true;
	return false;
}

static int cmp(const void *a, const void *b)
{
	return bdf_cmp(a, b);
}

void bdf_list_sort(struct bdf_list *l)
{
	if (l->n)
		qsort(l->b, l->n, sizeof(*l->b), cmp);
}

int pci_list(const struct root *r, const char *path, struct bdf_list *out, struct err *e)
{
	AUTO_STRLIST struct strlist names = { 0 };
	struct err why = { 0 };
	int rc = root_list(r, path, &names, &why);

	if (rc < 0 && rc != -ENOENT) {
		rc = fail(e, rc, "%s", why.msg);
		err_clear(&why);
		return rc;
	}
	err_clear(&why);
	for (size_t i = 0; i < names.n; i++) {
		struct bdf b;

		if (bdf_parse(names.s[i], &b) == 0)
			bdf_list_add(out, &b);
	}
	bdf_list_sort(out);
	return 0;
}

int pci_shown(const struct root *r, struct err *e)
{
	AUTO_FD int fd = root_openat(r, PCI_DEVICES, O_PATH | O_DIRECTORY, 0);

	return fd < 0 ? fail_errno(e, -fd, "list '/" PCI_DEVICES "'") : 0;
}

bool pci_exists(const struct root *r, const struct bdf *fn)
{
	AUTO_FREE char *path = xasprintf("sys/bus/pci/devices/%s", BDF_STR(fn));

	return root_exists(r, path);
}

bool pci_has_driver(const struct root *r, const struct bdf *fn)
{
	AUTO_FREE char *path = xasprintf("sys/bus/pci/devices/%s/driver", BDF_STR(fn));
	AUTO_FREE char *target = NULL;

	return root_readlink(r, path, &target, NULL) == 0;
}

int pci_physfn(const struct root *r, const struct bdf *fn, struct bdf *pf)
{
	AUTO_FREE char *path = xasprintf("sys/bus/pci/devices/%s/physfn", BDF_STR(fn));
	AUTO_FREE char *target = NULL;
	int rc = root_readlink(r, path, &target, NULL);

	return rc < 0 ? rc : bdf_parse(path_base(target), pf);
}

struct numbered_vf {
	unsigned long number;
	struct bdf addr;
};

static int by_number(const void *a, const void *b)
{
	unsigned long x = ((const struct numbered_vf *)a)->number;
	unsigned long y = ((const struct numbered_vf *)b)->number;

	return x < y ? -1 : x > y;
}

static const char prefix[] = "virtfn";

/* The numbers of the links, from one listing, in order. pf_fd has not been read before. */
static int list_virtfns(int pf_fd, struct numbered_vf **vfs, size_t *n)
{
	AUTO_STRLIST struct strlist names = { 0 };
	int rc = list_in(pf_fd, &names);

	for (size_t i = 0; rc == 0 && i < names.n; i++) {
		unsigned long number;

		if (strncmp(names.s[i], prefix, sizeof(prefix) - 1) ||
		    parse_ulong(names.s[i] + sizeof(prefix) - 1, 0, ULONG_MAX, &number) < 0)
			continue;

		struct numbered_vf *slot = GROW(*vfs, *n);

		slot->number = number;
	}
	if (rc == 0 && *n)
		qsort(*vfs, *n, sizeof(**vfs), by_number);
	return rc;
}

static int read_virtfn(int pf_fd, struct numbered_vf *vf)
{
	AUTO_FREE char *name = xasprintf("%s%lu", prefix, vf->number);
	AUTO_FREE char *target = NULL;
	int rc = readlink_in(pf_fd, name, &target);

	return rc < 0 ? rc : bdf_parse(path_base(target), &vf->addr);
}

/* Bus, device and function as PCI's routing id. */
static unsigned int rid_of(const struct bdf *b)
{
	return (unsigned int)b->bus << 8 | (unsigned int)b->dev << 3 | b->fn;
}

/*
 * A GPU's VFs lie at equal distances, as SR-IOV has them (First VF Offset, VF
 * Stride): two links and, to be sure of it, the last tell of all. False where
 * those do not agree; each link is to be read then.
 * Source: PCI Express Base Specification, "Single Root I/O Virtualization"
 */
static bool reckon_virtfns(int pf_fd, struct numbered_vf *vfs, size_t n)
{
	unsigned int first, stride, last;

	if (n < 4 || vfs[n - 1].number != n - 1 || read_virtfn(pf_fd, &vfs[0]) < 0 ||
	    read_virtfn(pf_fd, &vfs[1]) < 0 || read_virtfn(pf_fd, &vfs[n - 1]) < 0)
		return false;
	first = rid_of(&vfs[0].addr);
	stride = rid_of(&vfs[1].addr) - first;
	last = rid_of(&vfs[n - 1].addr);
	if (rid_of(&vfs[1].addr) <= first || last != first + stride * (unsigned int)(n - 1) ||
	    vfs[0].addr.domain != vfs[1].addr.domain || vfs[0].addr.domain != vfs[n - 1].addr.domain)
		return false;
	for (size_t i = 2; i + 1 < n; i++) {
		unsigned int rid = first + stride * (unsigned int)i;

		vfs[i].addr = (struct bdf){
			vfs[0].addr.domain, (uint8_t)(rid >> 8), (uint8_t)(rid >> 3 & 0x1f), (uint8_t)(rid & 7),
		};
	}
	return true;
}

/* Relative to the open directory. */
static int read_virtfns(int pf_fd, struct numbered_vf **vfs, size_t *n)
{
	size_t kept = 0;
	int rc = list_virtfns(pf_fd, vfs, n);

	if (rc < 0 || reckon_virtfns(pf_fd, *vfs, *n))
		return rc;
	/* Gone between listing and reading: the VFs are being taken down. */
	for (size_t i = 0; i < *n; i++)
		if (read_virtfn(pf_fd, &(*vfs)[i]) == 0)
			(*vfs)[kept++] = (*vfs)[i];
	*n = kept;
	return 0;
}

int pci_virtfns(const struct root *r, const struct bdf *pf, struct bdf_list *out, struct err *e)
{
	AUTO_FREE char *path = xasprintf("sys/bus/pci/devices/%s", BDF_STR(pf));
	AUTO_FD int fd = root_openat(r, path, O_RDONLY | O_DIRECTORY, 0);
	AUTO_FREE struct numbered_vf *vfs = NULL;
	size_t n = 0;
	int rc = fd < 0 ? fd : read_virtfns(fd, &vfs, &n);

	if (rc < 0)
		return fail_errno(e, -rc, "list '/%s'", path);
	for (size_t i = 0; i < n; i++)
		bdf_list_add(out, &vfs[i].addr);
	return 0;
}
