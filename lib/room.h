/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How many more vGPUs of each type fit on each GPU now, as the driver has it. */
#ifndef ROOM_H
#define ROOM_H

#include "catalog.h"
#include "inventory.h"
#include "root.h"

/*
 * Set `available` of every offer of g. Asks the driver as little as possible:
 * NVIDIA's rules for time-sliced types tell what each attribute will read, two
 * attributes show whether they hold here (one type that should fit, one that
 * should not), and all are read where they do not, or where the rules do not
 * apply (MIG-backed types, other drivers than NVIDIA's). Vendor VFIO: one list.
 *
 * What cannot be read is left unknown and gets a line in inv->problems. vGPUs
 * must have been scanned.
 */
void room_ask(const struct root *r, struct catalog *c, struct inventory *inv, struct gpu *g);

#endif
