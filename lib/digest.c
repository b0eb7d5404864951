/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "digest.h"

#include <sha1.h>

#include "xalloc.h"

char *digest_of(const char *text, size_t len)
{
	char digest[SHA1_DIGEST_STRING_LENGTH];

	SHA1Data((const uint8_t *)text, len, digest);
	return xstrdup(digest);
}
