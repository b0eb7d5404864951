/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cpu_flags.h"

#include <stdbool.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

/* The name of a flag without its sign; its length is in *len. */
static const char *flag_name(const char *flag, size_t *len)
{
	flag += *flag == '+' || *flag == '-';
	*len = strcspn(flag, "=,");
	return flag;
}

/* The flag, or model, behind this one; NULL: it is the last. */
static const char *next_flag(const char *flag)
{
	const char *comma = strchr(flag, ',');

	return comma ? comma + 1 : NULL;
}

/* hv_vendor_id and hv-vendor-id are one flag to QEMU. */
static bool is_flag(const char *flag, const char *want)
{
	size_t len;
	const char *name = flag_name(flag, &len);

	if (len != strlen(want))
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] != want[i] && !(name[i] == '-' && want[i] == '_'))
			return false;
	return true;
}

static bool has_flag(const char *cpu, const char *want)
{
	for (const char *f = next_flag(cpu); f; f = next_flag(f))
		if (is_flag(f, want))
			return true;
	return false;
}

static int compare(const char *flag, const char *want)
{
	size_t len, want_len = strcspn(want, "=");
	const char *name = flag_name(flag, &len);
	int order = strncmp(name, want, len < want_len ? len : want_len);

	return order ? order : (len > want_len) - (len < want_len);
}

/* Qemu-server puts the level before the flags, and the bits of an address behind them. */
static bool is_behind(const char *flag, const char *want)
{
	if (is_flag(flag, "level"))
		return false;
	return is_flag(flag, "guest_phys_bits") || is_flag(flag, "phys_bits") ||
	       is_flag(flag, "host_phys_bits") || compare(flag, want) > 0;
}

static char *add_flag(const char *cpu, const char *flag)
{
	const char *f = next_flag(cpu);

	while (f && !is_behind(f, flag))
		f = next_flag(f);
	if (!f)
		return xasprintf("%s,%s", cpu, flag);
	return xasprintf("%.*s%s,%s", (int)(f - cpu), cpu, flag, f);
}

char *cpu_for_x_vga(const char *cpu)
{
	AUTO_FREE char *text = has_flag(cpu, "kvm") ? xstrdup(cpu) : add_flag(cpu, "kvm=off");

	if (has_flag(text, "hv_spinlocks") && !has_flag(text, "hv_vendor_id"))
		return add_flag(text, "hv_vendor_id=proxmox");
	return take_ptr(text);
}
