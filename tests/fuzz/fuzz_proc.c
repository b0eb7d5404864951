/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files of /proc: a process' command line, and what NVIDIA's driver says of a GPU. */
#include "fuzz.h"
#include "gpu_model.h"
#include "quote.h"
#include "vmproc.h"

#define PIDFILE	"/var/run/qemu-server/100.pid"

FUZZ(text, len)
{
	AUTO_FREE char *model = gpu_model_in(text);
	bool is = vm_qemu_cmdline(text, len, PIDFILE);

	must(!is || memmem(text, len, PIDFILE, sizeof(PIDFILE) - 1), "a QEMU of the VM names its pid file");
	must(!is || !vm_qemu_cmdline(text, len, "/var/run/qemu-server/101.pid"), "a QEMU is of one VM");
	if (!model)
		return;

	AUTO_FREE char *printed = xasprintf("Model: \t\t %s\nIRQ:   1\n", model);
	AUTO_FREE char *again = gpu_model_in(printed);

	must_equal(again, model, "parse of print is the model");
	gpu_model_is(model, "A40");
}
