/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "scheduler_file.h"

#include "cleanup.h"
#include "xalloc.h"

int scheduler_read(const struct root *r, const struct bdf *gpu, struct scheduler *out)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int rc = root_read(r, "proc/driver/nvidia/params", &text, &len, NULL);

	*out = (struct scheduler){ 0 };
	if (rc == 0)
		scheduler_parse(text, gpu, out);
	return rc;
}

char *scheduler_against_sizes(const struct root *r, const struct bdf *gpu)
{
	struct scheduler s;

	if (scheduler_read(r, gpu, &s) < 0 || s.policy != SCHEDULER_FIXED_SHARE)
		return NULL;
	return xasprintf("its scheduler is fixed share (RmPVMRL=0x%x in %s), and mixed sizes take best effort or equal share",
			 s.value, s.of_gpu ? "NVreg_RegistryDwordsPerDevice" : "NVreg_RegistryDwords");
}
