/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Boards by name: what stands before the size in the names of the types that a
 * GPU offers ("A40" of "NVIDIA A40-24A", "RTX6000-Ada", "DC" of "NVIDIA RTX Pro
 * 6000 Blackwell DC-48C"). PCI ids are no help: some stand for two boards.
 */
#ifndef BOARDS_H
#define BOARDS_H

#include <stdbool.h>

#include "inventory.h"

/* Whether a text could be a board's name; a PCI address with a slip in it could not. */
bool board_is_name(const char *text);

/*
 * Whether the GPU offers types of this board. The words before the last one of
 * the board's name may be left out; case, and blanks against '-' and '_', make no
 * difference.
 */
bool gpu_is_board(const struct gpu *g, const char *name);

/* The GPUs with their boards, "0000:17:00.0 (A40), 0000:65:00.0 (L40S)". The caller frees it. */
char *boards_gpus(const struct inventory *inv);

/* The boards of the node, "A40, L40S", each by its last word. The caller frees it. */
char *boards_list(const struct inventory *inv);

#endif
