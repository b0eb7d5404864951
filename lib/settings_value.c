/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "boards.h"
#include "cleanup.h"
#include "params.h"
#include "parse.h"
#include "quote.h"
#include "xalloc.h"

#define BLANKS	" \t"
#define DIGITS	"0123456789"

int value_hostpci_key(const char *name, unsigned int *index)
{
	const char *digits = name + strlen("hostpci");
	unsigned long v;

	if (strncmp(name, "hostpci", strlen("hostpci")) || !*digits ||
	    digits[strspn(digits, DIGITS)])
		return -ENOENT;
	if ((*digits == '0' && digits[1]) ||
	    parse_ulong(digits, 0, SETTINGS_HOSTPCI_MAX - 1, &v) < 0)
		return -EINVAL;
	*index = (unsigned int)v;
	return 0;
}

/* Split at commas, without the blanks around each item; -EINVAL if one is empty. */
static int split_list(const char *value, struct strlist *items)
{
	for (const char *s = value; ; s++) {
		s += strspn(s, BLANKS);

		size_t len = strcspn(s, ",");
		const char *comma = s + len;

		while (len && strchr(BLANKS, s[len - 1]))
			len--;
		if (!len)
			return -EINVAL;
		strlist_take(items, xstrndup(s, len));
		s = comma;
		if (!*s)
			return 0;
	}
}

/* The number of value among names, which may have gaps; -1: it is none of them. */
static int among(const char *value, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (names[i] && !strcmp(value, names[i]))
			return (int)i;
	return -1;
}

char *value_choices(unsigned int index, const char *value, struct strlist *choices)
{
	if (split_list(value, choices) < 0)
		return xasprintf("'hostpci%u': empty item in %s; write type names with one comma between them",
				 index, QUOTED(value));
	if (choices->n > SETTINGS_CHOICES_MAX)
		return xasprintf("'hostpci%u': %zu types; write at most %d", index, choices->n,
				 SETTINGS_CHOICES_MAX);
	/* `set` writes them with a blank between, behind which it would begin a comment. */
	for (size_t i = 0; i < choices->n; i++)
		if (strchr("#;", *choices->s[i]))
			return xasprintf("'hostpci%u': %s is no type; write type names with one comma between them",
					 index, QUOTED(choices->s[i]));
	return NULL;
}

char *value_gpus(const char *value, struct bdf **gpus, size_t *n, struct strlist *boards)
{
	AUTO_STRLIST struct strlist items = { 0 };
	struct bdf b;

	if (split_list(value, &items) < 0)
		return xasprintf("'gpu': empty item in %s; write PCI addresses or boards with one comma between them",
				 QUOTED(value));
	for (size_t i = 0; i < items.n; i++) {
		if (bdf_parse(items.s[i], &b) < 0) {
			if (board_is_name(items.s[i])) {
				strlist_add(boards, items.s[i]);
				continue;
			}
			return xasprintf("'gpu': %s is no PCI address and no board; write it as '0000:3b:00.0' or 'A40'",
					 QUOTED(items.s[i]));
		}
		struct bdf *slot = GROW(*gpus, *n);
		*slot = b;
	}
	return NULL;
}

static const char *const placements[] = {
	[PLACEMENT_FIRST] = "first",
	[PLACEMENT_SPREAD] = "spread",
	[PLACEMENT_PACK] = "pack",
};

const char *placement_name(enum placement p)
{
	return placements[p];
}

char *value_placement(const char *value, enum placement *out)
{
	int i = among(value, placements, ARRAY_SIZE(placements));

	if (i < 0)
		return xasprintf("'placement': %s is none; write 'spread', 'pack' or 'first'",
				 QUOTED(value));
	*out = (enum placement)i;
	return NULL;
}

char *value_params(const char *value, char **out)
{
	if (params_parse(value, out) < 0)
		return xasprintf("'params': %s is not of the form " PARAMS_FORM, QUOTED(value));
	return NULL;
}

char *value_seconds(const char *name, const char *value, unsigned int min, unsigned int max,
		    unsigned int *out)
{
	unsigned long v;

	if (parse_ulong(value, min, max, &v) < 0)
		return xasprintf("'%s': %s is out of place; write seconds from %u to %u",
				 name, QUOTED(value), min, max);
	*out = (unsigned int)v;
	return NULL;
}

char *value_yes(const char *name, const char *value, bool *out)
{
	static const char *const words[] = { "no", "yes" };
	int i = among(value, words, ARRAY_SIZE(words));

	if (i < 0)
		return xasprintf("'%s': %s is neither 'yes' nor 'no'", name, QUOTED(value));
	*out = i;
	return NULL;
}

static const char *const modes[] = {
	[MODE_NATIVE] = "native",
	[MODE_ARGS] = "args",
	[MODE_WRAPPER] = "wrapper",
};

const char *vm_mode_name(enum vm_mode m)
{
	return modes[m];
}

char *value_mode(const char *value, enum vm_mode *out)
{
	int i = among(value, modes, ARRAY_SIZE(modes));

	if (i < 0)
		return xasprintf("'mode': %s is none; write 'native', 'args' or 'wrapper'",
				 QUOTED(value));
	*out = (enum vm_mode)i;
	return NULL;
}

static const char *const displays[] = {
	[DISPLAY_ON] = "on",
	[DISPLAY_OFF] = "off",
	[DISPLAY_AUTO] = "auto",
};

const char *display_name(enum display d)
{
	return displays[d];
}

char *value_display(const char *value, enum display *out)
{
	int i = among(value, displays, ARRAY_SIZE(displays));

	if (i < 0)
		return xasprintf("'display': %s is none; write 'on', 'off' or 'auto'", QUOTED(value));
	*out = (enum display)i;
	return NULL;
}

char *value_x_vga(const char *value, int *out)
{
	unsigned int index;

	if (!strcmp(value, "yes"))
		*out = X_VGA_FIRST;
	else if (!strcmp(value, "no"))
		*out = X_VGA_NONE;
	else if (value_hostpci_key(value, &index) == 0)
		*out = (int)index;
	else
		return xasprintf("'x-vga': %s is out of place; write 'yes', 'no' or the device, 'hostpci0'",
				 QUOTED(value));
	return NULL;
}

/* "ctime:<seconds>", "uuid:<uuid>", or both in this order with a comma between. */
static bool is_identity(const char *value)
{
	static const char ctime[] = "ctime:", uuid[] = "uuid:";

	if (!strncmp(value, ctime, strlen(ctime))) {
		const char *digits = value + strlen(ctime);
		size_t len = strspn(digits, DIGITS);

		value = digits + len;
		if (!len || !*value)
			return len;
		value += strspn(value, " \t");
		if (*value++ != ',')
			return false;
		value += strspn(value, " \t");
	}
	return !strncmp(value, uuid, strlen(uuid)) && is_uuid(value + strlen(uuid));
}

char *value_identity(const char *value, char **out)
{
	if (!is_identity(value))
		return xasprintf("'identity': %s is none; remove the line, or let `pve-vgpu set` write it",
				 QUOTED(value));
	*out = xstrdup(value);
	return NULL;
}

/* Source: pve-storage src/PVE/Storage/Plugin.pm, parse_volume_id(); a storage's name begins with a letter. */
char *value_next_hook(const char *value, char **out)
{
	const char *colon = strchr(value, ':');

	if (!colon || !isalpha((unsigned char)*value) || !colon[1])
		return xasprintf("'next-hook': %s is no volume; write it as 'local:snippets/own.sh'",
				 QUOTED(value));
	*out = xstrdup(value);
	return NULL;
}
