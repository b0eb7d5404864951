/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "pkg_version.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

#define STATUS	"var/lib/dpkg/status"

/* --- dpkg's list --- */

/* The value of a line "<name>: <value>" where it is one; names are of any case. */
static const char *field(const char *line, size_t len, const char *name, size_t *value_len)
{
	size_t n = strlen(name);

	if (len < n + 1 || strncasecmp(line, name, n) || line[n] != ':')
		return NULL;
	for (n++; n < len && isblank((unsigned char)line[n]); n++)
		;
	while (len > n && isspace((unsigned char)line[len - 1]))
		len--;
	*value_len = len - n;
	return line + n;
}

static bool equals(const char *value, size_t len, const char *text)
{
	return len == strlen(text) && !memcmp(value, text, len);
}

/* "install ok installed": the third word is what is on the disk. */
static bool is_there(const char *status, size_t len)
{
	const char *state = memrchr(status, ' ', len);
	size_t n = state ? (size_t)(status + len - ++state) : 0;

	return n && !equals(state, n, "not-installed") && !equals(state, n, "config-files") &&
		!equals(state, n, "half-installed");
}

struct stanza {
	bool named, there;
	char *version;
};

static void read_field(struct stanza *s, const char *line, size_t len, const char *package)
{
	const char *value;
	size_t n;

	if ((value = field(line, len, "Package", &n))) {
		s->named = equals(value, n, package);
	} else if ((value = field(line, len, "Status", &n))) {
		s->there = is_there(value, n);
	} else if ((value = field(line, len, "Version", &n))) {
		free(s->version);
		s->version = xstrndup(value, n);
	}
}

char *package_version_in(const char *text, size_t len, const char *package)
{
	const char *next = text, *end = text + len;
	struct stanza s = { 0 };

	while (next < end) {
		const char *line = next;
		const char *nl = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((nl ? nl : end) - line);

		next = nl ? nl + 1 : end;
		if (n)
			read_field(&s, line, n, package);
		if (n && next < end)
			continue;
		if (s.named && s.there && s.version && *s.version)
			return s.version;
		free(s.version);
		s = (struct stanza){ 0 };
	}
	return NULL;
}

int package_version(const struct root *r, const char *package, char **version, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int rc = root_read(r, STATUS, &text, &len, e);

	if (rc < 0)
		return fail_in(e, rc, "version of package '%s'", package);

	char *found = package_version_in(text, len, package);

	if (!found)
		return fail(e, -ENOENT, "package '%s' is not installed, says '/" STATUS "'", package);
	*version = found;
	return 0;
}

/* --- order --- */

/* A '~' is before the end, the end before letters, letters before all else. */
static int order(char c)
{
	if (c == '~')
		return -1;
	if (!c || isdigit((unsigned char)c))
		return 0;
	return isalpha((unsigned char)c) ? (unsigned char)c : (unsigned char)c + 256;
}

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* Numbers of any length. */
static int compare_numbers(const char **a, const char **b)
{
	*a += strspn(*a, "0");
	*b += strspn(*b, "0");

	size_t n = digits(*a), m = digits(*b);
	int d = n != m ? (n > m ? 1 : -1) : strncmp(*a, *b, n);

	*a += n;
	*b += m;
	return d;
}

static int compare_part(const char *a, const char *b)
{
	while (*a || *b) {
		int d = 0;

		while (!d && ((*a && !digits(a)) || (*b && !digits(b)))) {
			d = order(*a) - order(*b);
			a += !!*a && !digits(a);
			b += !!*b && !digits(b);
		}
		if (!d)
			d = compare_numbers(&a, &b);
		if (d)
			return d;
	}
	return 0;
}

/* "[epoch:]upstream[-revision]"; the parts are within text. */
struct version {
	char *text;
	const char *epoch, *upstream, *revision;
};

static void split(const char *text, struct version *v)
{
	v->text = xstrdup(text);

	char *colon = strchr(v->text, ':'), *dash = strrchr(v->text, '-');

	v->epoch = colon ? v->text : "";
	v->upstream = colon ? colon + 1 : v->text;
	v->revision = dash && dash > v->upstream ? dash + 1 : "";
	if (colon)
		*colon = '\0';
	if (*v->revision)
		*dash = '\0';
}

bool version_at_least(const char *version, const char *since)
{
	struct version a, b;
	int d;

	split(version, &a);
	split(since, &b);
	d = compare_part(a.epoch, b.epoch);
	if (!d)
		d = compare_part(a.upstream, b.upstream);
	if (!d)
		d = compare_part(a.revision, b.revision);
	free(a.text);
	free(b.text);
	return d >= 0;
}
