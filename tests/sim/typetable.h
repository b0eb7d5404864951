/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * vGPU types: from a node file's own array, or of a board from types.json.
 *
 * types.json lies in ../nodes beside the folder of this program. It is an
 * object, board -> array of types, or a flat array of rows with "gpu" (the
 * board) and "id" (575 or "nvidia-575").
 */
#ifndef SIM_TYPETABLE_H
#define SIM_TYPETABLE_H

#include "json.h"
#include "model.h"

/* @types: a board's name, an array, or NULL for @board. 0 or -1. */
int types_load(json_object *types, const char *board, const struct gpu *gpu,
	       struct type_set *out, struct err *e);

#endif
