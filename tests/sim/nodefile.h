/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * NODE.json to a node that is ready to run.
 */
#ifndef SIM_NODEFILE_H
#define SIM_NODEFILE_H

#include "err.h"
#include "model.h"

/* 0, or -1 with a line that names file, place, key and reason. */
int nodefile_load(const char *path, struct sim *sim, struct err *e);

#endif
