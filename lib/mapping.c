/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mapping.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "quote.h"
#include "section_config.h"
#include "vmconf.h"
#include "xalloc.h"

/* --- the file --- */

void mapping_entry_free(struct mapping_entry *m)
{
	free(m->raw);
	free(m->node);
	free(m->id);
	free(m->subsystem_id);
	free(m->iommugroup);
	strlist_free(&m->paths);
	*m = (struct mapping_entry){ 0 };
}

void mapping_entry_parse(const char *raw, struct mapping_entry *out)
{
	AUTO_FREE char *path = vmconf_property(raw, "path", NULL);

	*out = (struct mapping_entry){
		.raw = xstrdup(raw),
		.node = vmconf_property(raw, "node", NULL),
		.id = vmconf_property(raw, "id", NULL),
		.subsystem_id = vmconf_property(raw, "subsystem-id", NULL),
		.iommugroup = vmconf_property(raw, "iommugroup", NULL),
	};
	out->bad = !out->node || !out->id || !path;
	for (const char *s = path; s && *s; s += strspn(s, ";")) {
		size_t len = strcspn(s, ";");

		if (len)
			strlist_take(&out->paths, xstrndup(s, len));
		s += len;
	}
	if (!out->paths.n)
		out->bad = true;
}

bool mapping_id_ok(const char *id)
{
	if (!isalpha((unsigned char)*id) || !id[1])
		return false;
	for (; *id; id++)
		if (!isalnum((unsigned char)*id) && *id != '-' && *id != '_')
			return false;
	return true;
}

static void fill(const struct section *s, struct mapping *new)
{
	new->id = xstrdup(s->id);
	new->mdev = section_bool(s, "mdev");
	new->live_migration = section_bool(s, "live-migration-capable");
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->lines[i].key, "map"))
			continue;

		struct mapping_entry *entry = GROW(new->entries, new->n);

		mapping_entry_parse(s->lines[i].value, entry);
	}
}

int mapping_list_parse(const char *text, size_t len, const char *file,
		       struct mapping_list *out, struct err *e)
{
	AUTO_SECTION_CONFIG struct section_config c = { 0 };
	int rc = section_config_parse(text, len, SECTION_BARE, file, &c, e);

	if (rc < 0)
		return rc;
	*out = (struct mapping_list){ 0 };
	for (size_t i = 0; i < c.n; i++) {
		const struct section *s = &c.sections[i];

		if (!mapping_id_ok(s->id) || section_is_replaced(&c, s))
			continue;

		struct mapping *new = GROW(out->m, out->n);

		fill(s, new);
	}
	return 0;
}

int mapping_list_read(const struct root *r, struct mapping_list *out, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_ERR struct err why = { 0 };
	size_t len = 0;
	int rc = root_read(r, MAPPING_CFG, &text, &len, &why);

	if (rc < 0 && rc != -ENOENT)
		return err_move(e, &why, rc);
	return mapping_list_parse(text ? text : "", len, "/" MAPPING_CFG, out, e);
}

static void mapping_free(struct mapping *m)
{
	for (size_t i = 0; i < m->n; i++)
		mapping_entry_free(&m->entries[i]);
	free(m->entries);
	free(m->id);
}

void mapping_list_free(struct mapping_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		mapping_free(&l->m[i]);
	free(take_ptr(l->m));
	l->n = 0;
}

const struct mapping *mapping_find(const struct mapping_list *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->m[i].id, id))
			return &l->m[i];
	return NULL;
}

/* --- against the hardware --- */

/* What is to be compared of a function; NULL: it has none. */
struct facts {
	char *id;
	char *subsystem_id;
	char *iommugroup;
	bool mdev;
};

static void facts_free(struct facts *f)
{
	free(f->id);
	free(f->subsystem_id);
	free(f->iommugroup);
}

#define AUTO_FACTS AUTO(facts_free)

/* "10de:2235" of two attributes "0x10de" and "0x2235" */
static int read_pair(const struct root *r, const char *dir, const char *first, const char *second,
		     char **out, struct err *e)
{
	AUTO_FREE char *path1 = xasprintf("%s/%s", dir, first);
	AUTO_FREE char *path2 = xasprintf("%s/%s", dir, second);
	AUTO_FREE char *a = NULL, *b = NULL;
	int rc = root_read_attr(r, path1, &a, e);

	if (rc == 0)
		rc = root_read_attr(r, path2, &b, e);
	if (rc < 0)
		return rc;
	*out = xasprintf("%s:%s", a + 2 * !strncmp(a, "0x", 2), b + 2 * !strncmp(b, "0x", 2));
	return 0;
}

static bool has(const struct root *r, const char *dir, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);

	return root_exists(r, path);
}

/* pve-common src/PVE/SysFSTools.pm, pci_device_info() */
static int facts_read(const struct root *r, const struct bdf *fn, struct facts *out, struct err *e)
{
	AUTO_FREE char *dir = xasprintf("sys/bus/pci/devices/%s", BDF_STR(fn));
	AUTO_FREE char *group = xasprintf("%s/iommu_group", dir);
	AUTO_FREE char *target = NULL;
	int rc = read_pair(r, dir, "vendor", "device", &out->id, e);

	if (rc < 0)
		return rc;
	read_pair(r, dir, "subsystem_vendor", "subsystem_device", &out->subsystem_id, NULL);
	if (root_readlink(r, group, &target, NULL) == 0)
		out->iommugroup = xstrdup(path_base(target));
	out->mdev = has(r, dir, "mdev_supported_types") || has(r, dir, "nvidia");
	return 0;
}

int mapping_entry_of(const struct root *r, const char *node, const struct bdf *fn, char **raw,
		     struct err *e)
{
	AUTO_FACTS struct facts f = { 0 };
	int rc = facts_read(r, fn, &f, e);

	if (rc < 0)
		return rc;
	*raw = xasprintf("id=%s%s%s,node=%s,path=%s%s%s", f.id,
			 f.iommugroup ? ",iommugroup=" : "", f.iommugroup ? f.iommugroup : "",
			 node, BDF_STR(fn),
			 f.subsystem_id ? ",subsystem-id=" : "", f.subsystem_id ? f.subsystem_id : "");
	return 0;
}

/* PVE compares texts, so case counts. */
static char *differs(const char *what, const char *there, const char *entry)
{
	if (!there && !entry)
		return NULL;
	if (!there)
		return xasprintf("the entry has %s=%s, and the device has none", what, entry);
	if (!entry)
		return xasprintf("the entry lacks %s=%s", what, there);
	if (strcmp(there, entry))
		return xasprintf("the entry has %s=%s, and the device %s", what, entry, there);
	return NULL;
}

/* An address as it stands in an entry; without a function, function 0 is looked at. */
static int entry_address(const char *text, struct bdf *out)
{
	AUTO_FREE char *first = xasprintf("%s.0", text);

	return bdf_parse(strchr(text, '.') ? text : first, out);
}

static char *path_fault(const struct root *r, const struct mapping_entry *m, size_t i, bool mdev)
{
	AUTO_FACTS struct facts f = { 0 };
	struct bdf fn;
	char *why;

	if (entry_address(m->paths.s[i], &fn) < 0)
		return xasprintf("%s is no PCI address", QUOTED(m->paths.s[i]));
	if (facts_read(r, &fn, &f, NULL) < 0)
		return xasprintf("there is no device %s", BDF_STR(&fn));
	why = differs("id", f.id, m->id);
	/* The group is checked for the first one only. */
	if (!why && i == 0)
		why = differs("iommugroup", f.iommugroup, m->iommugroup);
	if (!why)
		why = differs("subsystem-id", f.subsystem_id, m->subsystem_id);
	if (!why && mdev && !f.mdev)
		why = xasprintf("device %s offers no vGPU types, and the mapping is for mediated devices",
				BDF_STR(&fn));
	if (!why && !mdev && f.mdev)
		why = xasprintf("device %s offers vGPU types, and the mapping is not for mediated devices",
				BDF_STR(&fn));
	return why;
}

char *mapping_entry_fault(const struct root *r, const struct mapping_entry *m, bool mdev)
{
	if (m->bad)
		return xstrdup("PVE cannot read the entry");
	for (size_t i = 0; i < m->paths.n; i++) {
		char *why = path_fault(r, m, i, mdev);

		if (why)
			return why;
	}
	if (mdev && m->paths.n > 1)
		return xstrdup("an entry with several paths is one device of several functions, which mdev= does not take");
	return NULL;
}

bool mapping_entry_is(const struct mapping_entry *m, const struct bdf *fn)
{
	struct bdf at;

	return !m->bad && m->paths.n == 1 && bdf_parse(m->paths.s[0], &at) == 0 && bdf_eq(&at, fn);
}

void mapping_check(const struct root *r, const struct mapping *m, const char *node,
		   struct strlist *faults)
{
	size_t own = 0;

	if (!m->mdev)
		strlist_take(faults, xasprintf("mapping %s: not marked for mediated devices (mdev)",
					       QUOTED(m->id)));
	for (size_t i = 0; i < m->n; i++) {
		const struct mapping_entry *entry = &m->entries[i];

		if (entry->bad || strcmp(entry->node, node))
			continue;
		own++;

		AUTO_FREE char *why = mapping_entry_fault(r, entry, true);

		if (why)
			strlist_take(faults, xasprintf("mapping %s: entry %s: %s", QUOTED(m->id),
						       QUOTED(entry->raw), why));
	}
	if (!own)
		strlist_take(faults, xasprintf("mapping %s: no entry for node %s", QUOTED(m->id),
					       QUOTED(node)));
}
