/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* vGPUs of other VMs in the args of a VM's config, which a clone brings along. Pure. */
#ifndef ARGS_CARRIED_H
#define ARGS_CARRIED_H

#include "err.h"
#include "settings.h"
#include "strlist.h"

/*
 * The args without the units that `set` has written for other VMs; a line for
 * each such VM is appended to notes. Args that name none come back as they are.
 * Returns 0 and *out, which the caller frees, NULL where no args are left; or
 * -EINVAL where they name one and have a quote without its end.
 */
int args_drop_carried(const struct settings *settings, unsigned int vmid, const char *args, char **out,
		      struct strlist *notes, struct err *e);

/* Returns 0, or -EPERM where the args name a vGPU that the settings give to another VM: no start would be let through. */
int args_check_carried(const struct settings *settings, unsigned int vmid, const char *args, struct err *e);

#endif
