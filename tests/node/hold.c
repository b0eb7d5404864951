/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * hold [-OPTION VALUE]... VGPU... - opens vGPUs as QEMU does and keeps them open.
 *
 * Options are there to be seen in /proc/<pid>/cmdline and mean nothing here.
 * VGPU is a device's directory in sysfs: /sys/bus/mdev/devices/<uuid>, or the
 * VF of vendor VFIO. Says "held" when all are open, and ends when its standard
 * input does, or when it is killed.
 * Source: the kernel's Documentation/driver-api/vfio.rst
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The reason, if there is one, is in errno. */
static void fail(const char *fmt, ...)
{
	int reason = errno;
	va_list ap;

	fputs("hold: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (reason)
		fprintf(stderr, ": %s", strerror(reason));
	fputc('\n', stderr);
	exit(1);
}

static int open_path(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("open '%s'", path);
	return fd;
}

static int open_container(void)
{
	int fd = open_path("/dev/vfio/vfio");

	if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION) {
		errno = 0;
		fail("'/dev/vfio/vfio' speaks another version of VFIO");
	}
	if (ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1) {
		errno = 0;
		fail("'/dev/vfio/vfio' has no type 1 IOMMU: is vfio_iommu_type1 loaded?");
	}
	return fd;
}

/* The device's name, and of what its link iommu_group leads to; to be freed. */
static char *real_name(const char *path)
{
	char *full = realpath(path, NULL), *name;

	if (!full)
		fail("find '%s'", path);
	name = strdup(strrchr(full, '/') + 1);
	if (!name)
		fail("allocate memory");
	free(full);
	return name;
}

static int open_group(const char *device)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char *link, *group, *path;
	int fd;

	if (asprintf(&link, "%s/iommu_group", device) < 0)
		fail("allocate memory");
	group = real_name(link);
	if (asprintf(&path, "/dev/vfio/%s", group) < 0)
		fail("allocate memory");
	fd = open_path(path);
	if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status))
		fail("ask the status of '%s'", path);
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		errno = 0;
		fail("'%s' is not viable: another driver has a device of it", path);
	}
	free(path);
	free(group);
	free(link);
	return fd;
}

static void hold(int container, const char *path, int first)
{
	int group = open_group(path), device;
	char *name = real_name(path);

	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container))
		fail("put the group of '%s' into the container", path);
	if (first && ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		fail("set the type of the container of '%s'", path);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (device < 0)
		fail("open the device '%s'", name);
	free(name);
	/* Both stay open until the process ends. */
}

static void wait_for_end(void)
{
	char buf[64];
	ssize_t n;

	do
		n = read(STDIN_FILENO, buf, sizeof(buf));
	while (n > 0 || (n < 0 && errno == EINTR));
}

int main(int argc, char *argv[])
{
	int container, first = 1, i;

	while (first < argc && argv[first][0] == '-')
		first += 2;
	if (first >= argc) {
		fputs("usage: hold [-option value]... <device's directory in sysfs>...\n", stderr);
		return 2;
	}
	container = open_container();
	for (i = first; i < argc; i++)
		hold(container, argv[i], i == first);
	puts("held");
	fflush(stdout);
	wait_for_end();
	return 0;
}
