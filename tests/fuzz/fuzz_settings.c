/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /etc/pve/pve-vgpu.conf, read. */
#include "bdf.h"
#include "fuzz.h"
#include "params.h"
#include "settings.h"

/* The GPUs that it may have, inherited ones too. */
static void print_gpus(FILE *f, const struct vm_settings *vm)
{
	const char *between = "gpu = ";

	for (size_t i = 0; i < vm->n_gpus; i++, between = ", ")
		fprintf(f, "%s%s", between, BDF_STR(&vm->gpus[i]));
	for (size_t i = 0; i < vm->boards.n; i++, between = ", ")
		fprintf(f, "%s%s", between, vm->boards.s[i]);
	if (vm->n_gpus || vm->boards.n)
		fputc('\n', f);
}

static void print_x_vga(FILE *f, int x_vga)
{
	if (x_vga == X_VGA_FIRST)
		fputs("x-vga = yes\n", f);
	else if (x_vga != X_VGA_NONE)
		fprintf(f, "x-vga = hostpci%d\n", x_vga);
}

/* What `unset` brings back */
static void print_former(FILE *f, const struct vm_settings *vm)
{
	if (vm->next_hook)
		fprintf(f, "next-hook = %s\n", vm->next_hook);
	for (unsigned int i = 0; i < SETTINGS_HOSTPCI_MAX; i++)
		if (vm->was[i])
			fprintf(f, "was-hostpci%u = %s\n", i, vm->was[i]);
}

/* What was read of a VM, written in the words that `set` uses. */
static char *print(const struct vm_settings *vm)
{
	char *text;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	fprintf(f, "[vm %u]\n", vm->vmid);
	for (size_t i = 0; i < vm->n_intents; i++) {
		AUTO_FREE char *choices = strlist_join(&vm->intents[i].choices, ", ");

		fprintf(f, "hostpci%u = %s\n", vm->intents[i].index, choices);
	}
	print_gpus(f, vm);
	print_x_vga(f, vm->x_vga);
	print_former(f, vm);
	if (vm->has_placement)
		fprintf(f, "placement = %s\n", placement_name(vm->placement));
	if (vm->params)
		fprintf(f, "params = %s\n", vm->params);
	if (vm->mode)
		fprintf(f, "mode = %s\n", vm_mode_name(vm->mode));
	if (vm->display)
		fprintf(f, "display = %s\n", display_name(vm->display));
	if (vm->identity)
		fprintf(f, "identity = %s\n", vm->identity);
	fprintf(f, "pcie = %s\nramfb = %s\n", vm->pcie ? "yes" : "no", vm->ramfb ? "yes" : "no");
	fclose(f);
	return text;
}

/* Lines that are too long to be read again are left alone. */
static bool is_readable(const char *text)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strcspn(text, "\n") > SETTINGS_LINE_MAX)
			return false;
	return true;
}

static void judge_vm(const struct vm_settings *vm)
{
	AUTO_FREE char *text = print(vm);
	AUTO_SETTINGS struct settings s = { 0 };

	if (!is_readable(text))
		return;
	settings_parse(text, strlen(text), "printed", &s);
	must(s.n_vms == 1, "a printed section is a section");
	if (s.vms->fault)
		must_equal(s.vms->fault, NULL, "what was read is read again");

	AUTO_FREE char *again = print(s.vms);

	must_equal(again, text, "print of parse of print is print");
}

FUZZ(text, len)
{
	AUTO_SETTINGS struct settings s = { 0 };
	AUTO_STRLIST struct strlist warnings = { 0 };

	settings_parse(text, len, "/etc/pve/pve-vgpu.conf", &s);
	must(s.start_grace_s <= 3600 && s.cleanup_wait_s <= 60 && s.lock_wait_s >= 1 && s.lock_wait_s <= 600,
	     "times are within their limits");
	settings_warnings_for(&s, 0, &warnings);
	for (size_t i = 0; i < s.n_vms; i++) {
		const struct vm_settings *vm = NULL;

		must(settings_section(&s, s.vms[i].vmid) == &s.vms[i], "each VM has one section");
		if (settings_vm(&s, s.vms[i].vmid, &vm, NULL) == 0 && vm)
			judge_vm(vm);
	}
}
