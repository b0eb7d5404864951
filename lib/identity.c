/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "identity.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "parse.h"
#include "xalloc.h"

#define CTIME	"ctime:"
#define UUID	"uuid:"

static char *ctime_of(const struct vmconf *c)
{
	AUTO_FREE char *text = c->meta ? vmconf_property(c->meta, "ctime", NULL) : NULL;

	if (!text || !*text || text[strspn(text, "0123456789")])
		return NULL;
	return xasprintf(CTIME "%s", text);
}

static char *uuid_of(const struct vmconf *c)
{
	AUTO_FREE char *text = c->smbios1 ? vmconf_property(c->smbios1, "uuid", NULL) : NULL;

	if (!text || !is_uuid(text))
		return NULL;
	for (char *s = text; *s; s++)
		*s = (char)tolower((unsigned char)*s);
	return xasprintf(UUID "%s", text);
}

char *identity_of(const struct vmconf *c)
{
	char *id = ctime_of(c);

	return id ? id : uuid_of(c);
}

bool identity_matches(const char *identity, const struct vmconf *c)
{
	if (!identity)
		return true;

	AUTO_FREE char *id = !strncmp(identity, UUID, strlen(UUID)) ? uuid_of(c) : ctime_of(c);

	return id && !strcasecmp(id, identity);
}
