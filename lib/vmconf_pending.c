/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vmconf_pending.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "xalloc.h"

#define LOWER	"abcdefghijklmnopqrstuvwxyz"

static size_t trimmed(const char *s, size_t len)
{
	while (len && isspace((unsigned char)s[len - 1]))
		len--;
	return len;
}

static void add(struct pending *p, char *key, char *value)
{
	struct pending_change *c = GROW(p->changes, p->n);

	c->key = key;
	c->value = value;
}

/* "hostpci0,!args": a '!' only says how hard it goes. */
static void add_deleted(struct pending *p, const char *list)
{
	while (*list) {
		size_t len = strcspn(list, ",; \t");
		size_t force = *list == '!';

		if (len > force)
			add(p, xstrndup(list + force, len - force), NULL);
		list += len + !!list[len];
	}
}

/* The length of a line's key; 0: it has none. */
static size_t key_of(const char *line)
{
	size_t n = strspn(line, LOWER "0123456789_-");

	return n && line[n] == ':' && strchr(LOWER, *line) ? n : 0;
}

static void read_line(struct pending *p, const char *line, size_t len)
{
	AUTO_FREE char *text = xstrndup(line, trimmed(line, len));
	size_t key = key_of(text);
	const char *value = text + key + 1;

	if (!key)
		return;
	while (isspace((unsigned char)*value))
		value++;
	if (!*value)
		return;
	text[key] = '\0';
	if (!strcmp(text, "delete"))
		add_deleted(p, value);
	else
		add(p, xstrdup(text), xstrdup(value));
}

static bool is_pending_header(const char *line, size_t len)
{
	static const char name[] = "[PENDING]";

	return trimmed(line, len) == strlen(name) && !strncasecmp(line, name, strlen(name));
}

void pending_parse(const char *text, size_t len, struct pending *out)
{
	const char *next = text, *end = text + len;
	bool inside = false;

	*out = (struct pending){ 0 };
	while (next < end) {
		const char *line = next;
		const char *nl = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((nl ? nl : end) - line);

		next = nl ? nl + 1 : end;
		if (n && *line == '[')
			inside = is_pending_header(line, n);
		else if (inside)
			read_line(out, line, n);
	}
}

const struct pending_change *pending_of(const struct pending *p, const char *key)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->changes[i].key, key))
			return &p->changes[i];
	return NULL;
}

/* Whether the line of the current configuration is not the next one's. */
static bool is_replaced(const struct pending *p, const char *line, size_t len)
{
	AUTO_FREE char *text = xstrndup(line, len);
	size_t key = key_of(text);

	text[key] = '\0';
	return key && pending_of(p, text);
}

char *pending_apply(const struct pending *p, const char *text, size_t len)
{
	const char *next = text, *end = text + len;
	char *out;
	size_t n;
	FILE *f = xmemstream(&out, &n);

	while (next < end && *next != '[') {
		const char *line = next;
		const char *nl = memchr(line, '\n', (size_t)(end - line));
		size_t line_len = (size_t)((nl ? nl : end) - line);

		next = nl ? nl + 1 : end;
		if (!is_replaced(p, line, line_len))
			fprintf(f, "%.*s\n", (int)line_len, line);
	}
	for (size_t i = 0; i < p->n; i++)
		if (p->changes[i].value)
			fprintf(f, "%s: %s\n", p->changes[i].key, p->changes[i].value);
	fclose(f);
	return out;
}

void pending_free(struct pending *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->changes[i].key);
		free(p->changes[i].value);
	}
	free(p->changes);
	*p = (struct pending){ 0 };
}

int vmconf_parse_all(const char *text, size_t len, const char *file, struct vmconf *now,
		     struct pending *waits, struct vmconf *next, struct err *e)
{
	AUTO_FREE char *made = NULL;
	int rc = vmconf_parse(text, len, file, now, e);

	if (rc < 0)
		return rc;
	pending_parse(text, len, waits);
	made = pending_apply(waits, text, len);
	return vmconf_parse(made, strlen(made), file, next, e);
}
