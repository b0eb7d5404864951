/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sriov_others.h"

#include <string.h>

#include "cleanup.h"
#include "units.h"
#include "xalloc.h"

bool sriov_others_line(const char *line, const struct bdf_list *gpus)
{
	line += strspn(line, " \t");
	if (!*line || strchr("#;", *line))
		return false;
	if (strstr(line, "sriov-manage"))
		return !strstr(line, " -d");
	if (!strstr(line, "sriov_numvfs"))
		return false;
	if (strstr(line, "10de"))
		return true;
	for (size_t i = 0; i < gpus->n; i++)
		if (strstr(line, BDF_STR(&gpus->b[i])))
			return true;
	return false;
}

static bool any_line(char *text, const struct bdf_list *gpus)
{
	char *line;

	while ((line = strsep(&text, "\n")))
		if (sriov_others_line(line, gpus))
			return true;
	return false;
}

static void look_at(const struct root *r, const char *path, const struct bdf_list *gpus,
		    struct strlist *out)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	if (root_read(r, path, &text, &len, NULL) == 0 && any_line(text, gpus))
		strlist_take(out, xasprintf("/%s", path));
}

static void look_in(const struct root *r, const char *dir, const struct bdf_list *gpus,
		    struct strlist *out)
{
	AUTO_STRLIST struct strlist names = { 0 };

	if (root_list(r, dir, &names, NULL) < 0)
		return;
	strlist_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", dir, names.s[i]);

		look_at(r, path, gpus, out);
	}
}

/* Ours and Proxmox's are known by name. */
static bool is_known(const char *unit)
{
	return !strncmp(unit, "pve-vgpu-", strlen("pve-vgpu-")) ||
	       !strncmp(unit, "pve-nvidia-sriov@", strlen("pve-nvidia-sriov@"));
}

/* An instance has its text in its template: "a@.service" of "a@b.service". */
static char *file_of(const char *unit)
{
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');

	if (!at || !dot || dot < at)
		return xstrdup(unit);
	return xasprintf("%.*s@%s", (int)(at - unit), unit, dot);
}

static void look_at_units(const struct root *r, const struct bdf_list *gpus, struct strlist *out)
{
	AUTO_STRLIST struct strlist wanted = { 0 };

	units_wanted(r, &wanted);
	for (size_t i = 0; i < wanted.n; i++) {
		AUTO_FREE char *file = file_of(wanted.s[i]);
		AUTO_FREE char *text = is_known(wanted.s[i]) ? NULL : unit_text(r, file);

		if (text && any_line(text, gpus) && !strlist_has(out, wanted.s[i]))
			strlist_add(out, wanted.s[i]);
	}
}

void sriov_others(const struct root *r, const struct bdf_list *gpus, struct strlist *out)
{
	look_at(r, "etc/rc.local", gpus, out);
	look_at(r, "etc/crontab", gpus, out);
	look_in(r, "etc/cron.d", gpus, out);
	look_at(r, "var/spool/cron/crontabs/root", gpus, out);
	look_at(r, "etc/sysfs.conf", gpus, out);
	look_in(r, "etc/sysfs.d", gpus, out);
	look_in(r, "etc/udev/rules.d", gpus, out);
	look_at_units(r, gpus, out);
}
