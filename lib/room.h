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
 * should not), and all are read where they do not (a GPU in mixed-size mode),
 * or where the rules do not apply (MIG-backed types, other drivers than
 * NVIDIA's). Vendor VFIO: one list. What is claimed and not made yet counts as
 * taken.
 *
 * A VF tells of a MIG-backed type that one more fits, or none; so the answer is
 * 1 where more instances may be free, and at_least says so
 * (mig_learn_instances() makes it exact).
 *
 * What cannot be read from any of three parents is left unknown and gets a line
 * in inv->problems. vGPUs must have been scanned. Takes no lock: the answer is
 * old by the time it is read, with a lock or without.
 */
void room_ask(const struct root *r, struct catalog *c, struct inventory *inv, struct gpu *g);

#endif
