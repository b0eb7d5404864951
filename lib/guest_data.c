/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "guest_data.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "quote.h"
#include "xalloc.h"

#define MARK		"# Written by `pve-vgpu guest "
#define TOKEN_PATH	"/etc/nvidia/ClientConfigToken/client_configuration_token.tok"

char guest_series(const char *name)
{
	const char *dash = strrchr(name, '-');
	const char *s = dash ? dash + 1 : name;
	size_t digits = strspn(s, "0123456789");
	char c = (char)toupper((unsigned char)s[digits]);

	return dash && digits && c && strchr("QBAC", c) ? c : 0;
}

enum feature_type guest_feature(const struct strlist *names)
{
	char series = names->n ? guest_series(names->s[0]) : 0;

	for (size_t i = 1; i < names->n; i++)
		if (guest_series(names->s[i]) != series)
			return FEATURE_VGPU;
	return series == 'Q' ? FEATURE_VWS : series == 'C' ? FEATURE_VCS : FEATURE_VGPU;
}

static const char *feature_text(enum feature_type f)
{
	switch (f) {
	case FEATURE_VWS:
		return "2: RTX virtual workstation (series Q)";
	case FEATURE_VCS:
		return "4: virtual compute server (series C)";
	case FEATURE_VGPU:
		break;
	}
	return "1: vGPU, with the licence that its type calls for";
}

static void put_token(FILE *f, const char *token)
{
	if (!token) {
		fputs("# The client configuration token of your licence server goes here; without one the guest is not\n"
		      "# licensed. It comes from NVIDIA's licensing portal (Service Instances, Generate client config\n"
		      "# token): pve-vgpu guest <vmid> --token-file <file> puts it in.\n"
		      "#  - path: " TOKEN_PATH "\n"
		      "#    permissions: '0744'\n"
		      "#    content: |\n"
		      "#      <token>\n", f);
		return;
	}
	fprintf(f, "  - path: " TOKEN_PATH "\n    permissions: '0744'\n    content: |\n      %s\n", token);
}

static void put_value(FILE *f, const char *key, size_t len, const struct guest_facts *facts)
{
	AUTO_FREE char *name = xstrndup(key, len);
	AUTO_FREE char *types = strlist_join(facts->types, ", ");
	enum feature_type feature = guest_feature(facts->types);

	if (!strcmp(name, "VMID"))
		fprintf(f, "%u", facts->vmid);
	else if (!strcmp(name, "TYPES"))
		fputs(types, f);
	else if (!strcmp(name, "FEATURE_TYPE"))
		fprintf(f, "%d", (int)feature);
	else if (!strcmp(name, "FEATURE_TEXT"))
		fputs(feature_text(feature), f);
	else
		fprintf(f, "@%s@", name);
}

/* The length of a name between two signs, at the first of them; 0: it stands for itself. */
static size_t name_length(const char *at)
{
	size_t len = strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

	return at[len + 1] == '@' ? len : 0;
}

static void put_line(FILE *f, const char *line, const struct guest_facts *facts)
{
	while (*line) {
		size_t len = *line == '@' ? name_length(line) : 0;

		if (len) {
			put_value(f, line + 1, len, facts);
			line += len + 2;
		} else {
			fputc(*line++, f);
		}
	}
	fputc('\n', f);
}

char *guest_render(const char *template, const struct guest_facts *facts)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (const char *s = template; *s; ) {
		size_t n = strcspn(s, "\n");
		AUTO_FREE char *line = xstrndup(s, n);

		if (!strcmp(line, "@TOKEN@"))
			put_token(f, facts->token);
		else if (strncmp(line, "##", 2))
			put_line(f, line, facts);
		s += n + (s[n] == '\n');
	}
	fclose(f);
	return text;
}

int guest_token(const char *text, size_t len, const char *file, char **token, struct err *e)
{
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && (!text[i] || !strchr(".-_=+/", text[i])))
			len = 0;
	if (!len) {
		fail(e, -EINVAL, "%s is no client configuration token: that is one line of letters, digits, '.', '-' and '_'",
		     QUOTED(file));
		err_hint(e, "take the file as NVIDIA's licensing portal gives it, client_configuration_token_*.tok");
		return -EINVAL;
	}
	*token = xstrndup(text, len);
	return 0;
}

bool guest_is_ours(const char *text)
{
	return strstr(text, "\n" MARK) != NULL;
}

bool guest_has_token(const char *text)
{
	return strstr(text, "\n  - path: " TOKEN_PATH) != NULL;
}
