/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "section_config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "xalloc.h"

/* Perl's \s on bytes */
#define BLANKS	" \t\n\v\f\r"

struct parser {
	enum section_header header;
	struct section_config *out;
	bool open;		/* the last section of out still takes lines */
	unsigned int line;
};

/* The word at the start of *s, which moves behind it and the blanks that follow; NULL: none. */
static char *take_word(const char **s)
{
	size_t len = strcspn(*s, BLANKS);
	char *word = len ? xstrndup(*s, len) : NULL;

	*s += len;
	*s += strspn(*s, BLANKS);
	return word;
}

static char *without_blanks_behind(const char *s)
{
	size_t len = strlen(s);

	while (len && strchr(BLANKS, s[len - 1]))
		len--;
	return xstrndup(s, len);
}

static void add_section(struct parser *p, char *type, char *id)
{
	struct section *new = GROW(p->out->sections, p->out->n);

	*new = (struct section){ .type = type, .id = id, .line = p->line };
	p->open = true;
}

/* The colon between type and id in one word: the last one with something on both sides; NULL: none. */
static char *inner_colon(char *word)
{
	size_t len = strlen(word);

	for (char *s = word + len - (len > 0); s-- > word + 1; )
		if (*s == ':')
			return s;
	return NULL;
}

/* "<type>: <id>", or without the blank */
static void read_typed(struct parser *p, const char *line)
{
	AUTO_FREE char *type = take_word(&line);
	AUTO_FREE char *id = type ? take_word(&line) : NULL;
	char *colon;

	if (!type || *line)
		return;
	colon = id ? type + strlen(type) - 1 : inner_colon(type);
	if (!colon || *colon != ':' || colon == type)
		return;
	*colon = '\0';
	if (!id)
		id = xstrdup(colon + 1);
	for (char *s = type; *s; s++)
		*s = (char)tolower((unsigned char)*s);
	add_section(p, take_ptr(type), take_ptr(id));
}

static void read_bare(struct parser *p, const char *line)
{
	AUTO_FREE char *id = take_word(&line);

	if (id && !*line)
		add_section(p, xstrdup(""), take_ptr(id));
}

static void read_key(struct parser *p, const char *line)
{
	struct section *s = &p->out->sections[p->out->n - 1];
	size_t indent = strspn(line, BLANKS);
	char *key;

	line += indent;
	if (!indent || !*line)
		return;
	key = take_word(&line);

	struct section_line *new = GROW(s->lines, s->n);

	new->key = key;
	new->value = without_blanks_behind(line);
}

static void read_line(struct parser *p, const char *line)
{
	p->line++;
	if (line[strspn(line, BLANKS)] == '#')
		return;
	/* "0" is as false as the empty line that Perl looks for. */
	if (!*line || !strcmp(line, "0"))
		p->open = false;
	else if (p->open)
		read_key(p, line);
	else if (p->header == SECTION_TYPED)
		read_typed(p, line);
	else
		read_bare(p, line);
}

int section_config_parse(const char *text, size_t len, enum section_header header,
			 const char *file, struct section_config *out, struct err *e)
{
	struct parser p = { .header = header, .out = out };
	const char *end = text + len;

	if (memchr(text, '\0', len))
		return fail(e, -EINVAL, "%s: NUL byte in the file", file);
	*out = (struct section_config){ 0 };
	for (const char *s = text; s < end; ) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		AUTO_FREE char *line = xstrndup(s, (size_t)((nl ? nl : end) - s));

		read_line(&p, line);
		s = nl ? nl + 1 : end;
	}
	return 0;
}

const struct section *section_find(const struct section_config *c, const char *id)
{
	for (size_t i = c->n; i-- > 0; )
		if (!strcmp(c->sections[i].id, id))
			return &c->sections[i];
	return NULL;
}

bool section_is_replaced(const struct section_config *c, const struct section *s)
{
	return section_find(c, s->id) != s;
}

const char *section_value(const struct section *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->lines[i].key, key))
			return s->lines[i].value;
	return NULL;
}

bool section_bool(const struct section *s, const char *key)
{
	static const char *const yes[] = { "1", "on", "yes", "true" };
	const char *value = section_value(s, key);

	for (size_t i = 0; value && i < ARRAY_SIZE(yes); i++)
		if (!strcasecmp(value, yes[i]))
			return true;
	return false;
}

static void section_free(struct section *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->lines[i].key);
		free(s->lines[i].value);
	}
	free(s->lines);
	free(s->type);
	free(s->id);
}

void section_config_free(struct section_config *c)
{
	for (size_t i = 0; i < c->n; i++)
		section_free(&c->sections[i]);
	free(take_ptr(c->sections));
	c->n = 0;
}
