/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tree.h"

#include <stdlib.h>
#include <string.h>

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

bool path_is_private(const char *path)
{
	if (is_below(path, "priv"))
		return true;
	if (strncmp(path, "nodes/", 6))
		return false;
	path += 6;
	path += strcspn(path, "/");
	return *path && is_below(path + 1, "priv");
}

unsigned int path_vmid(const char *path, const char **place, size_t *place_len)
{
	const char *file = strrchr(path, '/');
	unsigned long vmid;
	char *end;

	if (strncmp(path, "nodes/", 6) || !file || file[1] < '1' || file[1] > '9')
		return 0;
	*place = path + 6;
	*place_len = (size_t)(file - *place);
	const char *kind = memchr(*place, '/', *place_len);
	size_t kind_len = kind ? (size_t)(file - kind) : 0;

	if (!(kind_len == 12 && !strncmp(kind, "/qemu-server", 12)) &&
	    !(kind_len == 4 && !strncmp(kind, "/lxc", 4)))
		return 0;
	vmid = strtoul(file + 1, &end, 10);
	if (strcmp(end, ".conf") || vmid > UINT32_MAX)
		return 0;
	return (unsigned int)vmid;
}
