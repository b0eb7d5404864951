/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cleanup.h"
#include "modprobe_conf.h"
#include "tap.h"
#include "xalloc.h"

#define P	"NVreg_RegistryDwordsPerDevice"

static void check(const char *text, const char *want, unsigned int want_line)
{
	unsigned int line = 0;
	AUTO_FREE char *got = modprobe_value(text, "nvidia", P, &line);

	CHECK_STR(got ? got : "(none)", want ? want : "(none)");
	CHECK_NUM(line, want_line);
}

int main(void)
{
	TEST("modprobe_conf: the last value of a parameter, and no other word") {
		check("", NULL, 0);
		check("options nvidia " P "=\"pci=0000:3b:00.0;RmPVMRL=0x11\"\n", "pci=0000:3b:00.0;RmPVMRL=0x11", 1);
		check("options nvidia " P "=pci=0000:3b:00.0;RmPVMRL=0x11", "pci=0000:3b:00.0;RmPVMRL=0x11", 1);
		check("options nvidia \"" P "=a b\" x=1\n", "a b", 1);
		check("# options nvidia " P "=a\n", NULL, 0);
		check("\n\toptions\tnvidia  x=1\t" P "=a\n", "a", 2);
		check("options nvidia " P "=a\noptions nvidia " P "=b\n", "b", 2);
		check("options nvidia " P "=b " P "=a\n", "a", 1);
		check("options nvidia-drm " P "=a\n", NULL, 0);
		check("options nvidia " P "X=a\n", NULL, 0);
		check("options nvidia x=\"y " P "=a\"\n", NULL, 0);
		check("optionsnvidia " P "=a\n", NULL, 0);
		check("options nvidia NVreg-RegistryDwordsPerDevice=a\n", "a", 1);
		check("options nvidia " P "=\n", "", 1);
	}
	TEST("modprobe_conf: lines that end early") {
		check("options nvidia", NULL, 0);
		check("options", NULL, 0);
		check("options nvidia \"", NULL, 0);
		check("\\", NULL, 0);
	}
	TEST("modprobe_conf: lines joined by a backslash are one, and count") {
		check("options nvidia \\\n " P "=a\\\n\nx", "a", 1);
		check("x\\\ny\noptions nvidia " P "=a", "a", 3);
		check("options nvidia " P "=a\\", "a", 1);
		check("\\\n", NULL, 0);
	}
	TEST("modprobe_conf: the kernel's command line") {
		AUTO_FREE char *one = modprobe_cmdline_value("quiet nvidia." P "=\"a b\" x\n", "nvidia", P);
		AUTO_FREE char *none = modprobe_cmdline_value("quiet " P "=a xnvidia." P "=b\n", "nvidia", P);

		CHECK_STR(one ? one : "(none)", "a b");
		CHECK_STR(none ? none : "(none)", "(none)");
	}
	return tap_done();
}
