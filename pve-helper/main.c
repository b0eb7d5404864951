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
#include "names.h"
#include "options.h"
#include "quote.h"
#include "xalloc.h"

/* Edits between the word that was written and the command that was meant. */
#define NEAR	2

static const struct command {
	const char *name, *args, *help;
	int (*run)(struct ctx *c, int argc, char *argv[], struct err *e);
} commands[] = {
	{ "doctor", "[--json]", "is this node ready? each check with yes, no or n/a, and to each no the command that mends it",
	  cmd_doctor },
	{ "types", "[--json]", "vGPU types of this node, and how many more of each fit", cmd_types },
	{ "list", "[--json]", "vGPUs that exist: GPU, parent, type, VM", cmd_list },
	{ "plan", "<vmid>|--fit [--json]", "where a start of the VM would put its vGPUs, and why not "
	  "elsewhere; --fit: how many more VMs could start with each type, and why no more", cmd_plan },
	{ "show", "[<vmid>] [--json]", "what VMs are to get, how their configs carry it, what they have, and "
	  "what is wrong; without a vmid all of the cluster that are to get something", cmd_show },
	{ "set", "<vmid> <type>[,<type>…] [--index N] [--gpu G] [--placement P] [--params P] "
	  "[--mode M] [--x-vga|--no-x-vga] [--pcie|--no-pcie] [--display D] [--ramfb|--no-ramfb] [--dry-run]",
	  "give a VM a vGPU: its intent into the settings, and what brings it to QEMU into the VM's config",
	  cmd_set },
	{ "unset", "<vmid> [--index N] [--dry-run]", "take that back, as it was before", cmd_unset },
	{ "create", "<type> [--uuid U] [--gpu B] [--params P]|--configured [--dry-run] [--json]",
	  "make a vGPU for no VM; kept until it is removed; --configured: those of node.conf", cmd_create },
	{ "remove", "<uuid|address> [--dry-run]", "remove a vGPU that pve-vgpu has made", cmd_remove },
	{ "gc", "[--keep-settings] [--quiet] [--dry-run]", "remove what VMs that no longer run have left, and the settings "
	  "of VMs that are gone from the cluster", cmd_gc },
	{ "sriov", "[status|enable|disable] [<GPU>|all] [--configured] [--dry-run] [--json]",
	  "VFs of the GPUs: show, make, remove; --configured: make those that node.conf asks for", cmd_sriov },
	{ "scheduler", "[status|apply] [--dry-run] [--json]",
	  "how NVIDIA's GPUs share their time between vGPUs: show, and write what node.conf asks for into /etc/modprobe.d",
	  cmd_scheduler },
	{ "hook", "<vmid> <phase> [--dry-run]", "one phase of PVE's hookscript: pre-start, post-start, "
	  "pre-stop, post-stop", cmd_hook },
	{ "snippet", "install|status|remove [--storage S] [--enable] [--dry-run] [--json]",
	  "the hookscript as a snippet in a storage of this node's own", cmd_snippet },
	{ "guest", "<vmid> [--token-file F] [--storage S|--output F] [--dry-run]",
	  "cloud-init vendor data for the guest: licence feature and client configuration token", cmd_guest },
	{ "reconcile", "[--dry-run]",
	  "after a driver upgrade: the types' new ids into the configs of this node's VMs", cmd_reconcile },
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
	      "  --version     print the version\n"
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
	/* In a log, what was printed stands before what went wrong. */
	fflush(stdout);
	fprintf(stderr, "pve-vgpu: %s\n", e->msg ? e->msg : "failed");
	if (e->hint)
		fprintf(stderr, "hint: %s\n", e->hint);
}

static int usage_error(const struct command *cmd, const struct err *e)
{
	print_failure(e);
	if (cmd)
		fprintf(stderr, "usage: pve-vgpu %s%s%s\n", cmd->name, *cmd->args ? " " : "", cmd->args);
	else
		fputs("try: pve-vgpu --help\n", stderr);
	return EXIT_USAGE;
}

static bool is_digits(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

/* What is printed counts as done only when it has arrived. */
static int flush_output(struct err *e)
{
	if (fflush(stdout))
		return fail_errno(e, errno, "write to standard output");
	/* An earlier write failed, and its errno is gone by now. */
	if (ferror(stdout))
		return fail(e, -EIO, "write to standard output: some of it did not get through");
	return 0;
}

static int run(const struct command *cmd, struct ctx *c, int argc, char *argv[])
{
	AUTO_ERR struct err e = { 0 };
	int rc = cmd->run(c, argc, argv, &e);

	if (rc == RC_USAGE)
		return usage_error(cmd, &e);
	if (rc == 0)
		rc = flush_output(&e);
	if (rc < 0)
		print_failure(&e);
	return rc < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int finish_print(void)
{
	AUTO_ERR struct err e = { 0 };

	if (flush_output(&e) == 0)
		return EXIT_DONE;
	print_failure(&e);
	return EXIT_FAILED;
}

/* What stands before the command's word. */
struct globals {
	const char *root;
	bool help, version;
	int at;			/* index of the command's word */
};

static int read_globals(int argc, char *argv[], struct globals *g, struct ctx *c, struct err *e)
{
	static const struct option longopts[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int got;

	opterr = 0;
	while (!g->help && !g->version &&
	       (got = getopt_long(argc, argv, "+:h", longopts, NULL)) != -1) {
		switch (got) {
		case 'r':
			g->root = optarg;
			break;
		case 'j':
			c->json = true;
			break;
		case 'n':
			c->dry_run = true;
			break;
		case 'h':
			g->help = true;
			break;
		case 'V':
			g->version = true;
			break;
		default:
			return options_bad(longopts, argv, got, e);
		}
	}
	g->at = optind;
	if (g->at >= argc && !g->help && !g->version)
		return fail(e, RC_USAGE, "command missing");
	return 0;
}

static int no_command(const char *word, struct err *e)
{
	const char *found = NULL;
	size_t best = NEAR + 1;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		size_t d = names_distance(word, commands[i].name, NEAR);

		if (d < best && d < strlen(commands[i].name)) {
			best = d;
			found = commands[i].name;
		}
	}
	fail(e, RC_USAGE, "%s is no command", QUOTED(word));
	if (found)
		err_hint(e, "did you mean %s?", found);
	return RC_USAGE;
}

static bool wants_help(char *const *words)
{
	for (; *words && strcmp(*words, "--"); words++)
		if (!strcmp(*words, "--help") || !strcmp(*words, "-h"))
			return true;
	return false;
}

/* argv[0] is the command's word, or what stands for it. */
static int run_command(const struct command *cmd, struct ctx *c, const char *root,
		       int argc, char *argv[])
{
	AUTO_ERR struct err e = { 0 };
	int status;

	if (wants_help(argv + 1)) {
		printf("usage: pve-vgpu %s%s%s\n%s\n", cmd->name, *cmd->args ? " " : "", cmd->args,
		       cmd->help);
		return finish_print();
	}
	if (root_open(&c->root, root, &e) < 0) {
		print_failure(&e);
		return EXIT_FAILED;
	}
	status = run(cmd, c, argc, argv);
	root_close(&c->root);
	return status;
}

int main(int argc, char *argv[])
{
	struct ctx c = { .root = ROOT_CLOSED, .migrated_from = getenv("PVE_MIGRATED_FROM") };
	struct globals g = { .root = "/" };
	static char hook[] = "hook";
	const struct command *cmd;
	AUTO_ERR struct err e = { 0 };

	if (surroundings_settle(&c.before, &e) < 0) {
		print_failure(&e);
		return EXIT_FAILED;
	}
	if (read_globals(argc, argv, &g, &c, &e) < 0)
		return usage_error(NULL, &e);
	if (g.help || g.version) {
		if (g.help)
			print_help(stdout);
		else
			puts("pve-vgpu " PVE_VGPU_VERSION);
		return finish_print();
	}
	/* `PROGRAM <vmid> <phase>`: a snippet is a link to this program. */
	if (is_digits(argv[g.at]))
		argv[--g.at] = hook;
	cmd = find_command(argv[g.at]);
	if (!cmd) {
		no_command(argv[g.at], &e);
		return usage_error(NULL, &e);
	}
	return run_command(cmd, &c, g.root, argc - g.at, argv + g.at);
}
