/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files of modprobe.d, and module parameters and others on the kernel's command line. */
#include "fuzz.h"
#include "kernel_cmdline.h"
#include "modprobe_conf.h"

#define MODULE	"nvidia"
#define PARAM	"NVreg_RegistryDwordsPerDevice"

static unsigned int count_lines(const char *text)
{
	unsigned int n = 1;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* What was read, written as `scheduler apply` does. */
static void judge_value(const char *value)
{
	AUTO_FREE char *text = xasprintf("options " MODULE " " PARAM "=\"%s\"\n", value);
	unsigned int line = 0;
	AUTO_FREE char *again = modprobe_value(text, MODULE, PARAM, &line);
	AUTO_FREE char *cmdline = xasprintf(MODULE "." PARAM "=\"%s\"", value);
	AUTO_FREE char *there = modprobe_cmdline_value(cmdline, MODULE, PARAM);

	must_equal(again, value, "parse of print is the value");
	must(line == 1, "the value is in the line where it is");
	must_equal(there, value, "a command line says the same");
}

FUZZ(text, len)
{
	unsigned int line = 0;
	AUTO_FREE char *value = modprobe_value(text, MODULE, PARAM, &line);
	AUTO_FREE char *cmdline = modprobe_cmdline_value(text, MODULE, PARAM);

	(void)len;
	must(!value == !line, "a value has its line");
	must(line <= count_lines(text), "the line is one of the text");
	if (value)
		judge_value(value);
	if (cmdline)
		judge_value(cmdline);

	bool off = kernel_cmdline_says(text, "intel_iommu", "off", "on");
	AUTO_FREE char *on = xasprintf("%s intel_iommu=on", text);

	must(!off || kernel_cmdline_says(text, "intel_iommu", "off", NULL), "what holds was said");
	must(!kernel_cmdline_says(on, "intel_iommu", "off", "on"), "the last word holds");
	must(kernel_cmdline_says(on, "intel_iommu", "on", "off"), "the last word is read");
}
