/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What NVIDIA's driver calls a GPU, before any of its types shows: "NVIDIA A40",
 * "NVIDIA RTX 6000 Ada Generation".
 */
#ifndef GPU_MODEL_H
#define GPU_MODEL_H

#include <stdbool.h>

#include "bdf.h"
#include "root.h"

/* The caller frees it. NULL: the driver does not have the GPU, or does not tell. */
char *gpu_model(const struct root *r, const struct bdf *gpu);

/* The same in the text of that file. Pure. */
char *gpu_model_in(const char *information);

/*
 * Whether a model is of a board by the name that its types have ("A40",
 * "RTX6000-Ada"): the first words behind the maker's are those of the board;
 * case makes no difference, nor do blanks, '-' and '_' within. Pure.
 */
bool gpu_model_is(const char *model, const char *board);

#endif
