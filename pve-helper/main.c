/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * pve-vgpu: options that all commands share, the command table, and the one
 * place that prints failures.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "commands.h"
#include "quote.h"
#include "xalloc.h"

static const struct command {
	const char *name, *args, *help;
	int (*run)(struct ctx *c, int argc, char *argv[], struct err *e);
} commands[] = {
	{ "types", "[--json]", "vGPU types of this node, and how many more of each fit", cmd_types },
	{ "list", "[--json]", "vGPUs that exist: GPU, parent, type, VM", cmd_list },
	{ "plan", "<vmid> [--json]", "where a start of the VM would put its vGPUs, and why not elsewhere",
	  cmd_plan },
	{ "create", "<type> [--uuid U] [--gpu B] [--params P] [--dry-run] [--json]",
	  "make a vGPU for no VM; kept until it is removed", cmd_create },
	{ "remove", "<uuid|address> [--dry-run]", "remove a vGPU that pve-vgpu has made", cmd_remove },
	{ "gc", "[--dry-run]", "remove what VMs that no longer run have left", cmd_gc },
	{ "hook", "<vmid> <phase> [--dry-run]", "one phase of PVE's hookscript: pre-start, post-start, "
	  "pre-stop, post-stop", cmd_hook },
	{ "version", "", "print the version", cmd_version },
};

static void print_help(FILE *f)
{
	fputs("usage: pve-vgpu [--root DIR] COMMAND …\n"
	      "       pve-vgpu [--root DIR] <vmid> <phase>      as PVE calls a hookscript\n\n"
	      "NVIDIA vGPUs for VMs of Proxmox VE, by their friendly names.\n\ncommands:\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		fprintf(f, "  %s%s%s\n", commands[i].name, *commands[i].args ? " " : "",
			commands[i].args);
		fprintf(f, "        %s\n", commands[i].help);
	}
	fputs("\noptions:\n"
	      "  --root DIR    use DIR/sys, DIR/etc, DIR/run, DIR/var and DIR/proc\n"
	      "  --json        print JSON\n"
	      "  --dry-run     say what would be done and do nothing\n"
	      "  --help        print this\n"
	      "\nexit status: 0 done, 1 failed, 2 wrong usage\n", f);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void print_failure(const struct err *e)
{
	fprintf(stderr, "pve-vgpu: %s\n", e->msg ? e->msg : "failed");
	if (e->hint)
		fprintf(stderr, "hint: %s\n", e->hint);
}

static int usage_error(const struct command *cmd, const struct err *e)
{
	print_failure(e);
	if (cmd)
		fprintf(stderr, "usage: pve-vgpu %s %s\n", cmd->name, cmd->args);
	else
		fputs("try: pve-vgpu --help\n", stderr);
	return EXIT_USAGE;
}

static bool is_digits(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

static int run(const struct command *cmd, struct ctx *c, int argc, char *argv[])
{
	AUTO_ERR struct err e = { 0 };
	int rc = cmd->run(c, argc, argv, &e);

	if (rc == RC_USAGE)
		return usage_error(cmd, &e);
	if (rc == 0 && (fflush(stdout) || ferror(stdout)))
		rc = fail_errno(&e, errno ? errno : EIO, "write to standard output");
	if (rc < 0)
		print_failure(&e);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* Options before the command. Returns the index of the command's word, or -1. */
static int read_globals(int argc, char *argv[], const char **root, struct err *e)
{
	static const struct option longopts[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int got;

	opterr = 0;
	while ((got = getopt_long(argc, argv, "+:h", longopts, NULL)) != -1) {
		const char *word = argv[optind - 1];

		switch (got) {
		case 'r':
			*root = optarg;
			break;
		case 'h':
			print_help(stdout);
			exit(fflush(stdout) ? EXIT_FAILED : EXIT_DONE);
		case 'V':
			puts("pve-vgpu " PVE_VGPU_VERSION);
			exit(fflush(stdout) ? EXIT_FAILED : EXIT_DONE);
		case ':':
			fail(e, RC_USAGE, "option %s needs a value", QUOTED(word));
			return -1;
		default:
			fail(e, RC_USAGE, "option %s is not known", QUOTED(word));
			return -1;
		}
	}
	if (optind >= argc) {
		fail(e, RC_USAGE, "command missing");
		return -1;
	}
	return optind;
}

int main(int argc, char *argv[])
{
	struct ctx c = { .root = ROOT_CLOSED, .migrated_from = getenv("PVE_MIGRATED_FROM") };
	const struct command *cmd;
	const char *root = "/";
	AUTO_ERR struct err e = { 0 };
	int at = read_globals(argc, argv, &root, &e), status;

	if (at < 0)
		return usage_error(NULL, &e);
	/* `PROGRAM <vmid> <phase>`: a snippet is a link to this program. */
	cmd = find_command(is_digits(argv[at]) ? "hook" : argv[at]);
	if (!cmd) {
		fail(&e, RC_USAGE, "%s is no command", QUOTED(argv[at]));
		return usage_error(NULL, &e);
	}
	if (is_digits(argv[at]))
		at--;
	for (int i = at + 1; i < argc; i++)
		if (!strcmp(argv[i], "--help")) {
			printf("usage: pve-vgpu %s %s\n%s\n", cmd->name, cmd->args, cmd->help);
			return fflush(stdout) ? EXIT_FAILED : EXIT_DONE;
		}
	if (root_open(&c.root, root, &e) < 0) {
		print_failure(&e);
		return EXIT_FAILED;
	}
	status = run(cmd, &c, argc - at, argv + at);
	root_close(&c.root);
	return status;
}
