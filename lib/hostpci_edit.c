/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "hostpci_edit.h"

#include <string.h>

#include "xalloc.h"

char *hostpci_with_mdev(const char *value, const char *type)
{
	static const char key[] = "mdev=";

	for (const char *s = value; *s; s += *s == ',') {
		size_t len = strcspn(s, ",");

		if (!strncmp(s, key, sizeof(key) - 1))
			return xasprintf("%.*s%s%s%s", (int)(s - value), value, key, type, s + len);
		s += len;
	}
	return xstrdup(value);
}
