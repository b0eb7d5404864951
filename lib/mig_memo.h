/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * /run/pve-vgpu/mig.json: what nvidia-smi has said of GPU instances, with the
 * driver's version. A cache: what is lost is asked again.
 */
#ifndef MIG_MEMO_H
#define MIG_MEMO_H

#include "bdf.h"
#include "mig_table.h"
#include "root.h"

/* What a text says of this GPU under this driver, as mig_memo_read(). Pure. */
bool mig_memo_parse(const char *text, size_t len, const struct bdf *gpu, const char *driver,
		    struct mig_table *out);

/* The text with this GPU's table put in; the caller frees it. Pure. */
char *mig_memo_with(const char *text, size_t len, const struct bdf *gpu, const char *driver,
		    const struct mig_table *t);

/* What was said of this GPU under this driver. False: nothing. Release with mig_table_free(). */
bool mig_memo_read(const struct root *r, const struct bdf *gpu, const char *driver,
		   struct mig_table *out);

/* Keep it for the next command; where that cannot be, it is asked again. */
void mig_memo_write(const struct root *r, const struct bdf *gpu, const char *driver,
		    const struct mig_table *t);

#endif
