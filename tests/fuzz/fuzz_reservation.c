/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* qemu-server's list of reserved PCI devices. */
#include "fuzz.h"
#include "reservation.h"

FUZZ(text, len)
{
	AUTO_RESERVATIONS struct reservation_list l = { 0 };

	reservation_parse(text, &l);

	AUTO_FREE char *printed = reservation_print(&l);
	size_t n = strlen(text);
	bool ends = !n || text[n - 1] == '\n';
	AUTO_FREE char *whole = xasprintf("%s%s", text, ends ? "" : "\n");

	(void)len;
	must_equal(printed, whole, "print of parse is the text");
	for (size_t i = 0; i < l.n; i++)
		must(l.r[i].vmid || (!l.r[i].time && !l.r[i].pid), "what is no reservation holds nothing");
}
