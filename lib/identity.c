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
	AUTO_FREE char *ctime = ctime_of(c), *uuid = uuid_of(c);

	if (ctime && uuid)
		return xasprintf("%s, %s", ctime, uuid);
	return ctime ? take_ptr(ctime) : take_ptr(uuid);
}

/* The uuid that identity has, alone or behind a creation time; NULL where it has none. */
static const char *recorded_uuid(const char *identity)
{
	const char *comma = strchr(identity, ',');

	if (comma)
		identity = comma + 1 + strspn(comma + 1, " \t");
	return strncmp(identity, UUID, strlen(UUID)) ? NULL : identity;
}

bool identity_same_ctime(const char *identity, const struct vmconf *c)
{
	AUTO_FREE char *ctime = ctime_of(c);
	size_t len = strcspn(identity, ", \t");

	return ctime && strlen(ctime) == len && !strncmp(ctime, identity, len);
}

bool identity_matches(const char *identity, const struct vmconf *c)
{
	if (!identity)
		return true;

	AUTO_FREE char *uuid = uuid_of(c);
	const char *want = recorded_uuid(identity);

	if (want == identity)
		return uuid && !strcasecmp(uuid, want);
	return identity_same_ctime(identity, c) && (!want || !uuid || !strcasecmp(uuid, want));
}
