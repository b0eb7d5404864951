/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /proc/driver/nvidia/params. */
#include "fuzz.h"
#include "scheduler.h"

FUZZ(text, len)
{
	struct bdf gpu = { 0, 0xe8, 0, 0 };
	struct scheduler s, again, decoded;

	(void)len;
	scheduler_parse(text, &gpu, &s);
	must(s.set || !s.of_gpu, "what a GPU has of its own is there");
	if (!s.set)
		return;
	scheduler_decode(s.value, &decoded);
	must(decoded.policy == s.policy && decoded.timeslice_ms == s.timeslice_ms && decoded.frequency_hz == s.frequency_hz,
	     "what was read is what its value says");

	AUTO_FREE char *printed = xasprintf("RegistryDwords: \"RmPVMRL=0x%x\"\n", s.value);

	scheduler_parse(printed, &gpu, &again);
	must(again.set && !again.of_gpu && again.value == s.value, "parse of print is the value");
}
