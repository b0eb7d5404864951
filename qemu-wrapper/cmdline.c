/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cmdline.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json_util.h"
#include "parse.h"
#include "pci_slot.h"
#include "root.h"
#include "xalloc.h"

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

static bool takes_anything(const char *name)
{
	static const char *const free_text[] = { "append", "name" };

	for (size_t i = 0; i < ARRAY_SIZE(free_text); i++)
		if (!strcmp(name, free_text[i]))
			return true;
	return false;
}

bool cmdline_next(const struct strlist *words, struct option *o)
{
	size_t at = o->next;
	const char *word = at < words->n ? words->s[at] : NULL;

	if (!word)
		return false;
	*o = (struct option){ .at = at, .next = at + 1 };
	if (!is_option(word))
		return true;
	o->name = word + 1 + (word[1] == '-');
	if (o->next < words->n && (!is_option(words->s[o->next]) || takes_anything(o->name)))
		o->value = words->s[o->next++];
	return true;
}

bool cmdline_lacks_value(const struct option *o)
{
	return o->name && !o->value && takes_anything(o->name);
}

bool cmdline_next_of(const struct strlist *words, const char *name, struct option *o)
{
	while (cmdline_next(words, o))
		if (o->name && !strcmp(o->name, name))
			return true;
	return false;
}

const char *cmdline_value(const struct strlist *words, const char *name)
{
	struct option o = { .next = 1 };

	return cmdline_next_of(words, name, &o) ? o.value : NULL;
}

unsigned int cmdline_vmid(const struct strlist *words)
{
	const char *id = cmdline_value(words, "id");
	unsigned int vmid;

	return id && parse_vmid(id, &vmid) == 0 ? vmid : 0;
}

/* Behind the item that begins at s; a comma that is written twice does not end it. */
static const char *item_end(const char *s)
{
	while (*s && (s[0] != ',' || s[1] == ','))
		s += s[0] == ',' ? 2 : 1;
	return s;
}

static char *without_doubled(const char *s, size_t len)
{
	char *text = xstrndup(s, len), *to = text;

	for (const char *from = text; *from; from++) {
		*to++ = *from;
		if (from[0] == ',' && from[1] == ',')
			from++;
	}
	*to = '\0';
	return text;
}

static char *list_property(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *s = list; ; ) {
		const char *end = item_end(s), *eq = memchr(s, '=', (size_t)(end - s));

		if (!eq && s == list && !strcmp(name, "driver"))
			return without_doubled(s, (size_t)(end - s));
		if (eq && (size_t)(eq - s) == len && !memcmp(s, name, len))
			return without_doubled(eq + 1, (size_t)(end - eq - 1));
		if (!*end)
			return NULL;
		s = end + 1;
	}
}

char *property(const char *list, const char *name)
{
	if (*list != '{')
		return list_property(list, name);

	AUTO_JSON struct json_object *o = json_parse(list, strlen(list));
	const char *text = o && json_object_is_type(o, json_type_object) ? json_str(o, name) : NULL;

	return text ? xstrdup(text) : NULL;
}

bool has_property(const char *list, const char *name)
{
	AUTO_FREE char *value = property(list, name);

	return value;
}

char *cmdline_smbios_uuid(const struct strlist *words)
{
	struct option o = { .next = 1 };

	while (cmdline_next_of(words, "smbios", &o)) {
		AUTO_FREE char *type = o.value ? property(o.value, "type") : NULL;
		AUTO_FREE char *uuid = o.value ? property(o.value, "uuid") : NULL;

		if (type && !strcmp(type, "1") && uuid && is_uuid(uuid))
			return take_ptr(uuid);
	}
	return NULL;
}

int hostpci_index(const char *id)
{
	unsigned long n;

	if (!id || strncmp(id, "hostpci", strlen("hostpci")) != 0)
		return -1;

	AUTO_FREE char *digits = xstrdup(id + strlen("hostpci"));

	digits[strcspn(digits, ".")] = '\0';
	return parse_ulong(digits, 0, PCI_SLOT_MAX - 1, &n) == 0 ? (int)n : -1;
}

bool vfio_device_read(const char *value, struct vfio_device *d)
{
	AUTO_FREE char *driver = property(value, "driver");

	*d = (struct vfio_device){ .index = -1 };
	if (!driver || (strcmp(driver, "vfio-pci") != 0 && strcmp(driver, "vfio-pci-nohotplug") != 0))
		return false;

	AUTO_FREE char *path = property(value, "sysfsdev");
	AUTO_FREE char *host = property(value, "host");
	const char *name = path ? path_base(path) : host;

	d->id = property(value, "id");
	d->index = hostpci_index(d->id);
	/*
	 * /sys/bus/mdev/devices/<uuid> since 7.2-7, before that below the parent:
	 * /sys/bus/pci/devices/<bdf>/<uuid>. By hand also through /sys/class/mdev_bus or /sys/devices.
	 */
	if (path && is_uuid(name))
		memcpy(d->uuid, name, UUID_TEXT_LEN);
	else if (name && bdf_parse(name, &d->bdf) == 0)
		d->on_bdf = true;
	return true;
}

void vfio_device_free(struct vfio_device *d)
{
	free(take_ptr(d->id));
}
