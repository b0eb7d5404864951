/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A unit of systemd with its drop-ins. */
#include "fuzz.h"
#include "unit_file.h"

#define WORD	"pve-guests.service"

FUZZ(text, len)
{
	AUTO_FREE char *more = xasprintf("%s\n\n[Unit]\nBefore=" WORD "\n", text);
	AUTO_FREE char *anew = xasprintf("%s\n\n[Unit]\nBefore=" WORD "\nBefore=\n", text);

	(void)len;
	unit_file_lists(text, "Before", WORD);
	must(unit_file_lists(more, "Before", WORD), "what a drop-in adds is listed");
	must(!unit_file_lists(anew, "Before", WORD), "an empty line begins the list anew");
	must(!unit_file_lists(text, "Before", "two words"), "a word has no blank");
}
