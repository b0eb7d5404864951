/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "alive.h"

#include "xalloc.h"

char *alive_because(const struct life *l)
{
	if (l->age_ms >= 0 && l->age_ms < l->grace_ms)
		return xasprintf("its start began %lld s ago (start-grace is %lld s)",
				 (long long)(l->age_ms / 1000), (long long)(l->grace_ms / 1000));
	if (l->locked)
		return xstrdup(l->locked);
	if (l->qemu)
		return xasprintf("its QEMU runs (pid %d)", (int)l->qemu);
	if (l->open_by)
		return xasprintf("process %d has its vGPU open", (int)l->open_by);
	return NULL;
}
