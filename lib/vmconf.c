/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vmconf.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "parse.h"
#include "xalloc.h"

#define DIGITS	"0123456789"
#define LOWER	"abcdefghijklmnopqrstuvwxyz"
#define UPPER	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define HEX	"0123456789abcdef"	/* PVE's pattern takes lower case alone */

/* Perl's \s on bytes */
static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static char *trimmed(const char *s, size_t len)
{
	while (len && is_blank(*s)) {
		s++;
		len--;
	}
	while (len && is_blank(s[len - 1]))
		len--;
	return xstrndup(s, len);
}

static void set(char **slot, char *value)
{
	free(*slot);
	*slot = value;
}

static bool is_any(const char *text, const char *const words[4])
{
	for (int i = 0; i < 4; i++)
		if (!strcasecmp(text, words[i]))
			return true;
	return false;
}

/* The words PVE has for yes and no; -EINVAL for any other. */
static int parse_bool(const char *text, bool *out)
{
	static const char *const yes[] = { "1", "on", "yes", "true" };
	static const char *const no[] = { "0", "off", "no", "false" };

	if (!is_any(text, yes) && !is_any(text, no))
		return -EINVAL;
	*out = is_any(text, yes);
	return 0;
}

/* --- property strings --- */

struct property {
	char *key;	/* NULL: the value stands alone */
	char *value;
};

struct properties {
	struct property *item;
	size_t n;
};

static void properties_free(struct properties *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->item[i].key);
		free(l->item[i].value);
	}
	free(l->item);
}

#define AUTO_PROPERTIES AUTO(properties_free)

/* One part between commas; -EINVAL for "=value" and "key=". */
static int add_property(struct properties *l, const char *part, size_t len)
{
	const char *eq = memchr(part, '=', len);
	size_t key = eq ? (size_t)(eq - part) : 0;

	if (eq && (!key || key + 1 == len))
		return -EINVAL;

	struct property *new = GROW(l->item, l->n);

	new->key = eq ? xstrndup(part, key) : NULL;
	new->value = eq ? xstrndup(eq + 1, len - key - 1) : xstrndup(part, len);
	return 0;
}

static bool all_blank(const char *s, size_t len)
{
	while (len && is_blank(s[len - 1]))
		len--;
	return !len;
}

static int split_properties(const char *text, struct properties *l)
{
	for (const char *s = text; ; s++) {
		size_t len = strcspn(s, ",");

		if (!all_blank(s, len) && add_property(l, s, len) < 0)
			return -EINVAL;
		s += len;
		if (!*s)
			return 0;
	}
}

static bool property_is(const struct property *p, const char *key, const char *default_key)
{
	const char *name = p->key ? p->key : default_key;

	return name && !strcmp(name, key);
}

/* -EINVAL for a key that comes twice; *value NULL where it does not come. */
static int get_property(const struct properties *l, const char *key, const char *default_key,
			const char **value)
{
	*value = NULL;
	for (size_t i = 0; i < l->n; i++) {
		if (!property_is(&l->item[i], key, default_key))
			continue;
		if (*value)
			return -EINVAL;
		*value = l->item[i].value;
	}
	return 0;
}

char *vmconf_property(const char *text, const char *key, const char *default_key)
{
	AUTO_PROPERTIES struct properties l = { 0 };
	const char *value;

	if (split_properties(text, &l) < 0 || get_property(&l, key, default_key, &value) < 0)
		return NULL;
	return value ? xstrdup(value) : NULL;
}

bool vmconf_is_q35(const struct vmconf *c)
{
	AUTO_FREE char *type = c->machine ? vmconf_property(c->machine, "type", "type") : NULL;

	return type && strstr(type, "q35");
}

/* --- numa<N> --- */

char *vmconf_hostnodes(const struct vmconf *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < VMCONF_NUMA_MAX && c->numa; i++) {
		AUTO_FREE char *nodes = c->numa_node[i] ?
			vmconf_property(c->numa_node[i], "hostnodes", NULL) : NULL;

		/* Without any other character it is a list, or nothing that qemu-server starts. */
		if (!nodes || nodes[strspn(nodes, DIGITS "-;")])
			continue;
		for (char *s = nodes; (s = strchr(s, ';')); )
			*s = ',';
		fprintf(f, "%s%s", ftell(f) ? "," : "", nodes);
	}
	fclose(f);
	if (!len)
		free(take_ptr(text));
	return text;
}

/* --- hostpci --- */

/* [domain of four digits or more:]bus:device[.function] */
static bool is_host(const char *s)
{
	size_t n = strspn(s, HEX);

	if (n >= 4 && s[n] == ':') {
		s += n + 1;
		n = strspn(s, HEX);
	}
	if (n != 2 || s[2] != ':' || strspn(s + 3, HEX) != 2)
		return false;
	s += 5;
	return !*s || (*s == '.' && strspn(s + 1, HEX) == 1 && !s[2]);
}

static int parse_hosts(const char *text, struct hostpci *h)
{
	for (const char *s = text; ; s++) {
		size_t len = strcspn(s, ";");

		strlist_take(&h->hosts, xstrndup(s, len));
		if (!is_host(h->hosts.s[h->hosts.n - 1]))
			return -EINVAL;
		s += len;
		if (!*s)
			break;
	}
	h->has_addr = h->hosts.n == 1 && bdf_parse(h->hosts.s[0], &h->addr) == 0;
	return 0;
}

/* pve-common src/PVE/JSONSchema.pm, $CONFIGID_RE */
static bool is_config_id(const char *s)
{
	return isalpha((unsigned char)*s) && s[1] && !s[strspn(s, LOWER UPPER DIGITS "_-")];
}

static bool keys_are_fine(const struct properties *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *key = l->item[i].key;
		const char *again;

		if (key && key[strspn(key, LOWER DIGITS "-")])
			return false;
		if (get_property(l, key ? key : "host", "host", &again) < 0)
			return false;
	}
	return true;
}

static int get_bool(const struct properties *l, const char *key, bool *out)
{
	const char *value;

	get_property(l, key, "host", &value);
	return value ? parse_bool(value, out) : 0;
}

static int fill_hostpci(const struct properties *l, struct hostpci *h)
{
	const char *host, *mapping, *mdev;

	if (!keys_are_fine(l))
		return -EINVAL;
	get_property(l, "host", "host", &host);
	get_property(l, "mapping", "host", &mapping);
	get_property(l, "mdev", "host", &mdev);
	if (!host == !mapping)
		return -EINVAL;
	if (host && parse_hosts(host, h) < 0)
		return -EINVAL;
	if (mapping && !is_config_id(mapping))
		return -EINVAL;
	if (mdev && mdev[strcspn(mdev, "/.:")])
		return -EINVAL;
	if (get_bool(l, "pcie", &h->pcie) < 0 || get_bool(l, "x-vga", &h->x_vga) < 0)
		return -EINVAL;
	h->mapping = mapping ? xstrdup(mapping) : NULL;
	h->mdev = mdev ? xstrdup(mdev) : NULL;
	return 0;
}

void hostpci_parse(const char *value, struct hostpci *out)
{
	AUTO_PROPERTIES struct properties l = { 0 };

	*out = (struct hostpci){ 0 };
	if (split_properties(value, &l) < 0 || fill_hostpci(&l, out) < 0) {
		hostpci_free(out);
		out->bad = true;
	}
	out->present = true;
	out->raw = xstrdup(value);
}

void hostpci_free(struct hostpci *h)
{
	free(h->raw);
	free(h->mapping);
	strlist_free(&h->hosts);
	free(h->mdev);
	*h = (struct hostpci){ 0 };
}

/* --- the file --- */

static void set_hostpci(struct vmconf *c, const char *digits, const char *value)
{
	unsigned long index;
	struct hostpci new;

	if ((*digits == '0' && digits[1]) ||
	    parse_ulong(digits, 0, VMCONF_HOSTPCI_MAX - 1, &index) < 0)
		return;

	struct hostpci *h = &c->hostpci[index];

	hostpci_parse(value, &new);
	/* PVE drops a value it cannot parse, and the line before it stays in force. */
	if (new.bad && h->present && !h->bad) {
		hostpci_free(&new);
		return;
	}
	hostpci_free(h);
	*h = new;
}

static void set_numa_node(struct vmconf *c, const char *digits, const char *value)
{
	unsigned long index;

	if ((*digits == '0' && digits[1]) ||
	    parse_ulong(digits, 0, VMCONF_NUMA_MAX - 1, &index) < 0)
		return;
	set(&c->numa_node[index], xstrdup(value));
}

/* "bios" has no format in PVE's schema, and check_type() takes the quotes off such a string. */
static char *unquoted(const char *value)
{
	size_t len = strlen(value);

	if (len >= 2 && value[0] == '"' && value[len - 1] == '"')
		return xstrndup(value + 1, len - 2);
	return xstrdup(value);
}

static char **text_slot(struct vmconf *c, const char *key)
{
	const struct {
		const char *key;
		char **slot;
	} slots[] = {
		{ "name", &c->name },
		{ "machine", &c->machine },
		{ "smbios1", &c->smbios1 },
		{ "vga", &c->vga },
		{ "hookscript", &c->hookscript },
		{ "meta", &c->meta },
		{ "affinity", &c->affinity },
		{ "ostype", &c->ostype },
		{ "lock", &c->lock },
		{ "cicustom", &c->cicustom },
	};

	for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
		if (!strcmp(key, slots[i].key))
			return slots[i].slot;
	return NULL;
}

/* ide2, sata0, scsi1: the buses that can have the drive for cloud-init. */
static bool is_drive_key(const char *key)
{
	size_t len = strcspn(key, DIGITS);

	return key[len] && !key[len + strspn(key + len, DIGITS)] &&
		((len == 3 && !strncmp(key, "ide", 3)) || (len == 4 && !strncmp(key, "sata", 4)) ||
		 (len == 4 && !strncmp(key, "scsi", 4)));
}

/*
 * "local:100/vm-100-cloudinit.qcow2,media=cdrom", "none:cloudinit"
 * Source: qemu-server src/PVE/QemuServer/Drive.pm, drive_is_cloudinit()
 */
static bool is_cloudinit_drive(const char *value)
{
	static const char word[] = "cloudinit";
	AUTO_FREE char *file = vmconf_property(value, "file", "file");
	const char *s = file ? file + strcspn(file, ":/") : "";

	for (; *s; s += strcspn(s, ":/")) {
		s++;
		if (!strncmp(s, "vm-", 3) && s[3 + strspn(s + 3, DIGITS)] == '-')
			s += 4 + strspn(s + 3, DIGITS);
		if (strncmp(s, word, sizeof(word) - 1))
			continue;
		s += sizeof(word) - 1;
		if (!*s || (*s == '.' && !s[strcspn(s, ":/")]))
			return true;
	}
	return false;
}

static void set_key(struct vmconf *c, const char *key, const char *value)
{
	char **slot = text_slot(c, key);

	if (!strcmp(key, "args"))
		set(&c->args, xstrdup(value));
	else if (!*value || strchr(value, '\r'))
		return;
	else if (slot)
		set(slot, xstrdup(value));
	else if (!strcmp(key, "bios"))
		set(&c->bios, unquoted(value));
	else if (!strcmp(key, "numa"))
		parse_bool(value, &c->numa);
	else if (!strncmp(key, "numa", strlen("numa")))
		set_numa_node(c, key + strlen("numa"), value);
	else if (is_drive_key(key))
		c->cloudinit |= is_cloudinit_drive(value);
	else if (!strcmp(key, "template"))
		parse_bool(value, &c->template);
	else if (!strncmp(key, "hostpci", strlen("hostpci")))
		set_hostpci(c, key + strlen("hostpci"), value);
}

/* parse_vm_config() looks for this anywhere in the line, before it looks for a key. */
static bool is_snapstate(const char *line)
{
	for (const char *s = line; (s = strstr(s, "snapstate:")); s++) {
		const char *value = s + strlen("snapstate:");
		AUTO_FREE char *word = trimmed(value, strlen(value));

		if (!strcmp(word, "prepare") || !strcmp(word, "delete"))
			return true;
	}
	return false;
}

/* Length of a key at the start of line and a colon behind it; 0: there is none. */
static size_t key_length(const char *line)
{
	size_t n = islower((unsigned char)*line) ? strspn(line, LOWER "_-") : 0;

	if (n)
		n += strspn(line + n, DIGITS);
	return line[n] == ':' ? n : 0;
}

static void parse_line(struct vmconf *c, const char *line)
{
	size_t len = key_length(line);

	/* A colon with nothing at all behind it is no setting; a blank is an empty value. */
	if (!len || !line[len + 1] || is_snapstate(line))
		return;

	AUTO_FREE char *key = xstrndup(line, len);
	AUTO_FREE char *value = trimmed(line + len + 1, strlen(line + len + 1));

	set_key(c, key, value);
}

static bool is_section(const char *line)
{
	const char *close = strchr(line, ']');

	return *line == '[' && close && all_blank(close + 1, strlen(close + 1));
}

static unsigned int line_of(const char *text, const char *at)
{
	unsigned int n = 1;

	for (; text < at; text++)
		n += *text == '\n';
	return n;
}

int vmconf_parse(const char *text, size_t len, const char *file,
		 struct vmconf *out, struct err *e)
{
	const char *nul = memchr(text, '\0', len);
	const char *end = text + len;

	if (nul)
		return fail(e, -EINVAL, "%s:%u: NUL byte in the line", file, line_of(text, nul));
	*out = (struct vmconf){ 0 };
	for (const char *s = text; s < end; ) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		AUTO_FREE char *line = xstrndup(s, (size_t)((nl ? nl : end) - s));

		if (is_section(line))
			break;
		parse_line(out, line);
		s = nl ? nl + 1 : end;
	}
	return 0;
}

void vmconf_free(struct vmconf *c)
{
	char *const texts[] = {
		c->name, c->machine, c->bios, c->smbios1, c->vga,
		c->args, c->hookscript, c->meta, c->affinity, c->ostype, c->lock,
		c->cicustom,
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	for (size_t i = 0; i < VMCONF_HOSTPCI_MAX; i++)
		hostpci_free(&c->hostpci[i]);
	for (size_t i = 0; i < VMCONF_NUMA_MAX; i++)
		free(c->numa_node[i]);
	*c = (struct vmconf){ 0 };
}
