/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wrapper.h"
#include "wrapper_there.h"

int main(int argc, char *argv[])
{
	(void)argc;
	return wrapper_run("/", "/" WRAPPER_DIVERTED, argv);
}
