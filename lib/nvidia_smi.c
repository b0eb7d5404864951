/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "nvidia_smi.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "process.h"
#include "quote.h"
#include "xalloc.h"

int nvidia_smi(const struct root *r, const char *const *args, int timeout_ms, char **text,
	       struct err *e)
{
	struct process p = {
		.program = "usr/bin/nvidia-smi", .args = args, .timeout_ms = timeout_ms,
	};
	AUTO_PROCESS struct process_result res;
	int rc = process_run(r, &p, &res, e);

	*text = NULL;
	if (rc < 0)
		return rc;
	if (res.status) {
		AUTO_FREE char *line = xstrndup(res.out, strcspn(res.out, "\n"));

		rc = fail(e, -EIO, "'%s' failed with status %d: %s", res.path, res.status,
			  QUOTED(line));
	}
	*text = take_ptr(res.out);
	return rc;
}
