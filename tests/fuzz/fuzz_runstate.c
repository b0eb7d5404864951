/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /run/pve-vgpu/<vmid>.json. */
#include "fuzz.h"
#include "runstate.h"

FUZZ(text, len)
{
	AUTO_RUNSTATE struct runstate s = { 0 }, again = { 0 };

	if (runstate_parse(text, len, &s) < 0)
		return;
	for (size_t i = 0; i < s.ndevices; i++)
		must(!s.devices[i].add || runstate_index(&s, s.devices[i].index), "what is added has its vGPU");

	AUTO_FREE char *once = runstate_print(&s);

	must(runstate_parse(once, strlen(once), &again) == 0, "what was printed is read");

	AUTO_FREE char *twice = runstate_print(&again);

	must_equal(twice, once, "print of parse of print is print");
}
