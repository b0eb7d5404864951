/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A client configuration token, and the template for the guest's vendor data, which an admin may change. */
#include "fuzz.h"
#include "guest_data.h"

FUZZ(text, len)
{
	AUTO_STRLIST struct strlist types = { 0 };
	AUTO_FREE char *token = NULL;
	struct guest_facts facts = { .vmid = 100, .types = &types };

	strlist_add(&types, "A40-24Q");
	if (guest_token(text, len, "client.tok", &token, NULL) == 0) {
		must(*token && !token[strcspn(token, " \t\r\n'\"\\")], "a token is one word");
		facts.token = token;
	}

	AUTO_FREE char *made = guest_render(text, &facts);

	guest_is_ours(made);
	must(!strstr(text, "\n@TOKEN@\n") || guest_has_token(made) == !!token, "a token is there where one was given");
}
