/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How many more VMs could start with each type of this node now, and what stands in the way of more. */
#ifndef FIT_H
#define FIT_H

#include "ctx.h"

/*
 * Print one row for each type that a GPU of this node offers: the number that
 * the drivers give, summed over the GPUs, and the reason against every GPU that
 * takes none, in the words of a plan. Each row is for itself: what one type
 * takes is gone for the others. Asks the drivers what `types` asks.
 */
int fit_view(const struct ctx *c, struct err *e);

#endif
