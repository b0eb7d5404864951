/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The part of a VM's args that `set` writes: a unit for each vGPU (root port
 * where one is needed, and device) and behind the last of them the -uuid.
 * All else in the args is the admin's and stays byte for byte. Pure.
 *
 * A unit is known by its device: the UUID of qemu-server's pattern for this VM
 * and index, and the id hostpci<N> of that index. A -uuid is ours where it
 * stands right behind a unit.
 */
#ifndef ARGS_UNIT_H
#define ARGS_UNIT_H

#include <stdbool.h>

#include "qemu_device.h"

/*
 * Put the units of exactly these devices into args, with -uuid uuid behind them
 * where the args have none of their own. What has them already is not touched;
 * else what is there of ours goes, and the new units come at the end. n == 0
 * takes ours out.
 *
 * @args: as in the VM's config, or NULL
 * @uuid: or NULL for none
 *
 * Returns 0 and *out, which the caller frees, NULL where no args are left;
 * -EINVAL for a quote without its end; -EEXIST where the args bring one of the
 * devices' mdevs, or something else with the id of one, in words that are not ours.
 */
int args_units_write(const char *args, unsigned int vmid, const struct qemu_device *devices,
		     size_t n, const char *uuid, char **out, struct err *e);

/*
 * Take out the unit of one index. A -uuid behind it goes to the unit that is left
 * before it, if one is. Returns as args_units_write().
 */
int args_unit_remove(const char *args, unsigned int vmid, unsigned int index, char **out,
		     struct err *e);

/*
 * Whether args could have a unit of this VM at all, by the look of them: also
 * args that cannot be read.
 */
bool args_may_have_unit(const char *args, unsigned int vmid);

/* Whether args have a unit for this index. False for args that cannot be read. */
bool args_unit_there(const char *args, unsigned int vmid, unsigned int index);

#endif
