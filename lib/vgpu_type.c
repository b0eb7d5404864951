/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vgpu_type.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "parse.h"
#include "quote.h"
#include "xalloc.h"

/* Drivers that an NVIDIA function has been seen bound to; "pci" stands where it has none. */
static bool is_nvidia_driver(const char *name, size_t len)
{
	static const char *const drivers[] = { "nvidia", "vfio-pci", "pci" };

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strlen(drivers[i]) == len && !memcmp(drivers[i], name, len))
			return true;
	return false;
}

char *vgpu_type_nvidia_key(unsigned int number)
{
	return xasprintf("nvidia-%u", number);
}

char *vgpu_type_key(const char *dirname, unsigned int *number)
{
	AUTO_FREE char *name = text_clean(dirname, VGPU_NAME_MAX);
	const char *dash = strrchr(name, '-');
	unsigned long v;

	*number = 0;
	if (dash && is_nvidia_driver(name, (size_t)(dash - name)) &&
	    parse_ulong(dash + 1, 1, UINT_MAX, &v) == 0) {
		*number = (unsigned int)v;
		return vgpu_type_nvidia_key(*number);
	}
	return take_ptr(name);
}

const char *vgpu_type_id(const struct vgpu_type *t)
{
	/* Driver names have no dash but vfio-pci's, and that one stands before numbers. */
	const char *dash = strchr(t->key, '-');

	return dash ? dash + 1 : t->key;
}

const char *vgpu_type_name(const struct vgpu_type *t)
{
	const char *blank = strrchr(t->full_name, ' ');

	return blank ? blank + 1 : t->full_name;
}

/* The number behind "<field>=", which must stand at the begin or behind a separator. */
static unsigned int field(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *s = text; (s = strstr(s, name)); s += len) {
		bool starts = s == text || strchr(" ,\n\t", s[-1]);
		char *end;

		if (!starts || s[len] != '=' || !isdigit((unsigned char)s[len + 1]))
			continue;

		unsigned long v = strtoul(s + len + 1, &end, 10);

		return v > UINT_MAX ? 0 : (unsigned int)v;
	}
	return 0;
}

void vgpu_type_describe(struct vgpu_type *t, const char *description)
{
	unsigned int fb = field(description, "framebuffer");
	unsigned int max = field(description, "max_instance");

	if (fb)
		t->framebuffer_mib = fb;
	if (max)
		t->max_instance = max;
}

/* The last "-<digits><letters…>" of a name; NULL if it does not end so. */
static const char *size_part(const char *name)
{
	const char *dash = strrchr(name, '-');

	return dash && isdigit((unsigned char)dash[1]) ? dash + 1 : NULL;
}

unsigned int vgpu_type_mib_of_name(const char *full_name)
{
	const char *s = size_part(full_name);
	char *end;

	if (!s)
		return 0;

	unsigned long gb = strtoul(s, &end, 10);

	/* A series letter must follow: "GRID RTX2070-1" counts slices, "DC-12" states no series. */
	if (!strchr("ABCQ", *end) || gb > 1024)
		return 0;
	if (!*end)
		return 0;
	return gb ? (unsigned int)gb * 1024 : 512;
}

bool vgpu_type_is_mig(const struct vgpu_type *t)
{
	const char *name = vgpu_type_name(t);
	const char *s = size_part(name);

	/* One digit between two dashes before the size. */
	return t->number && s && s - name >= 4 && s[-3] == '-' &&
		isdigit((unsigned char)s[-2]) && s[-2] != '0';
}

size_t vgpu_type_board_len(const struct vgpu_type *t)
{
	const char *s = size_part(t->full_name);
	size_t len = s ? (size_t)(s - 1 - t->full_name) : strlen(t->full_name);

	/* "-1" of "A100-1-5C" */
	return s && vgpu_type_is_mig(t) ? len - 2 : len;
}

bool vgpu_type_same_board(const struct vgpu_type *a, const struct vgpu_type *b)
{
	size_t len = vgpu_type_board_len(a);

	return len == vgpu_type_board_len(b) && !memcmp(a->full_name, b->full_name, len);
}

void vgpu_type_free(struct vgpu_type *t)
{
	free(take_ptr(t->key));
	free(take_ptr(t->full_name));
}
