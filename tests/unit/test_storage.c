/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "storage.h"
#include "tree.h"

static struct storage_list read_text(const char *text)
{
	struct storage_list l = { 0 };

	CHECK_NUM(storage_list_parse(text, strlen(text), "f.cfg", &l, NULL), 0);
	return l;
}

static void check_path(const char *text, const char *volid, const char *want, const char *msg)
{
	AUTO_STORAGES struct storage_list l = read_text(text);
	AUTO_FREE char *path = NULL;
	AUTO_ERR struct err e = { 0 };
	int rc = storage_snippet_path(&l, volid, &path, &e);

	CHECK_STR(path, want);
	CHECK_STR(e.msg, msg);
	CHECK_NUM(rc == 0, want != NULL);
}

static void check_volume(const char *want)
{
	AUTO_FREE char *volid = NULL;
	AUTO_ERR struct err e = { 0 };

	CHECK_NUM(snippet_volume(&tree, &volid, &e), want ? 0 : -ENOENT);
	CHECK_STR(volid, want);
	CHECK_STR(e.hint, want ? NULL : "pve-vgpu snippet install");
}

static void test_list(void)
{
	TEST("without a file there is local, with snippets") {
		AUTO_STORAGES struct storage_list l = { 0 };

		CHECK_NUM(storage_list_read(&tree, &l, NULL), 0);
		CHECK_NUM(l.n, 1);
		CHECK_STR(l.s[0].id, "local");
		CHECK_STR(l.s[0].path, "/var/lib/vz");
		CHECK(storage_has_snippets(&l.s[0]) && storage_is_local(&l.s[0]));
	}
	TEST("local of another type or path is PVE's own; its nodes count for nothing") {
		AUTO_STORAGES struct storage_list l =
			read_text("dir: local\n\tpath /mnt\n\tcontent iso\n\tnodes a\n");
		AUTO_STORAGES struct storage_list m =
			read_text("dir: local\n\tcontent iso\n\tnodes a\n\tdisable\n");

		CHECK_STR(l.s[0].path, "/var/lib/vz");
		CHECK(storage_has_snippets(&l.s[0]) && storage_on_node(&l.s[0], "b"));
		CHECK_STR(m.s[0].path, "/var/lib/vz");
		CHECK(!storage_has_snippets(&m.s[0]) && storage_on_node(&m.s[0], "b"));
	}
	TEST("who sees a storage, and where it is") {
		AUTO_STORAGES struct storage_list l = read_text(
			"dir: local\n\tcontent iso\n\n"
			"nfs: nas\n\tpath /mnt/pve/nas\n\tcontent snippets\n\n"
			"dir: all\n\tpath /mnt/all\n\tshared 1\n\n"
			"btrfs: own\n\tpath /own\n\tcontent images snippets\n\tnodes b;c\n\n"
			"zfspool: zfs\n\tpool rpool\n\n"
			"dir: off\n\tpath /off\n\tdisable 1\n\n"
			"dir: x\n\tpath /one\n\ndir: 9bad\n\tpath /bad\n");

		CHECK_NUM(l.n, 6);
		CHECK(!storage_is_local(storage_find(&l, "nas")) && !storage_is_local(storage_find(&l, "all")));
		CHECK(storage_has_snippets(storage_find(&l, "nas")));
		CHECK(storage_is_local(storage_find(&l, "own")) && !storage_is_local(storage_find(&l, "zfs")));
		CHECK(storage_on_node(storage_find(&l, "own"), "c") && !storage_on_node(storage_find(&l, "own"), "a"));
		CHECK(storage_has_snippets(storage_find(&l, "own")));
		CHECK(!storage_has_snippets(storage_find(&l, "all")));
		CHECK(!storage_on_node(storage_find(&l, "off"), "a"));
		CHECK(!storage_find(&l, "x") && !storage_find(&l, "9bad"));
	}
}

static void test_snippet_path(void)
{
	TEST("the file of a snippet") {
		static const char cfg[] = "dir: own\n\tpath /own/\n\tcontent snippets\n\n"
			"dir: sub\n\tpath /sub\n\tcontent-dirs iso=a,snippets=/b/c\n\nzfspool: zfs\n\tpool p\n";

		check_path(cfg, "local:snippets/x.sh", "/var/lib/vz/snippets/x.sh", NULL);
		check_path(cfg, "own:snippets/x", "/own//snippets/x", NULL);
		check_path(cfg, "sub:snippets/x", "/sub/b/c/x", NULL);
		check_path(cfg, "zfs:snippets/x", NULL, "'zfs:snippets/x': storage 'zfs' has no directory");
		check_path(cfg, "no:snippets/x", NULL, "'no:snippets/x': storage 'no' is not in /etc/pve/storage.cfg");
		check_path(cfg, "local:iso/x", NULL,
			   "'local:iso/x' is no snippet: it must read <storage>:snippets/<name>");
		check_path(cfg, "local:snippets/../x", NULL,
			   "'local:snippets/../x' is no snippet: it must read <storage>:snippets/<name>");
		check_path(cfg, "local:snippets/..", NULL,
			   "'local:snippets/..' is no snippet: it must read <storage>:snippets/<name>");
		check_path(cfg, "/usr/bin/x", NULL,
			   "'/usr/bin/x' is no snippet: it must read <storage>:snippets/<name>");
	}

	TEST("what PVE passes over in a storage does not lead elsewhere") {
		static const char cfg[] = "dir: up\n\tpath /up\n\tcontent-dirs snippets=a/..\n\n"
			"dir: end\n\tpath /end\n\tcontent-dirs snippets=a/b,iso=c.\n\n"
			"dir: none\n\tpath /none\n\tcontent-dirs snippets=a,b\n\n"
			"dir: dots\n\tpath /dots\n\tcontent-dirs snippets=.a/b.c\n\n"
			"dir: here\n\tpath here\n\ndir: root\n\tpath /\n\ndir: shell\n\tpath /;x\n";

		check_path(cfg, "up:snippets/x", "/up/snippets/x", NULL);
		check_path(cfg, "end:snippets/x", "/end/snippets/x", NULL);
		check_path(cfg, "none:snippets/x", "/none/snippets/x", NULL);
		check_path(cfg, "dots:snippets/x", "/dots/.a/b.c/x", NULL);
		check_path(cfg, "here:snippets/x", NULL, "'here:snippets/x': storage 'here' has no directory");
		check_path(cfg, "root:snippets/x", NULL, "'root:snippets/x': storage 'root' has no directory");
		check_path(cfg, "shell:snippets/x", NULL, "'shell:snippets/x': storage 'shell' has no directory");
	}
}

static void test_snippet_volume(void)
{
	TEST("no link, no volume; a file of that name that is not ours is none") {
		check_volume(NULL);
		tree_put("var/lib/vz/snippets/pve-vgpu", "#!\n");
		check_volume(NULL);
	}
	TEST("the link is found under another name, and the usual name goes before it") {
		CHECK_NUM(shell(tree_dir, "ln -s /usr/bin/pve-vgpu var/lib/vz/snippets/hook.sh"), 0);
		check_volume("local:snippets/hook.sh");
		CHECK_NUM(shell(tree_dir, "ln -sf /usr/bin/pve-vgpu var/lib/vz/snippets/pve-vgpu"), 0);
		check_volume("local:snippets/pve-vgpu");
	}
	TEST("a storage of this node alone, and never a shared one") {
		tree_put("etc/pve/storage.cfg", "dir: local\n\tcontent iso\n\n"
			 "nfs: nas\n\tpath /nas\n\tcontent snippets\n\n"
			 "dir: far\n\tpath /own\n\tcontent snippets\n\tnodes other\n");
		CHECK_NUM(shell(tree_dir, "mkdir -p nas/snippets own/snippets && ln -s nodes/here etc/pve/local && "
				"ln -s /usr/bin/pve-vgpu nas/snippets/pve-vgpu && "
				"ln -s ../../usr/bin/pve-vgpu own/snippets/pve-vgpu"), 0);
		check_volume(NULL);
		tree_put("etc/pve/storage.cfg", "dir: local\n\tcontent iso\n\n"
			 "dir: near\n\tpath /own\n\tcontent snippets\n\tnodes here\n");
		check_volume("near:snippets/pve-vgpu");
	}
	TEST("local goes before a storage that stands before it") {
		tree_put("etc/pve/storage.cfg", "dir: near\n\tpath /own\n\tcontent snippets\n\n"
			 "dir: local\n\tcontent snippets\n");
		check_volume("local:snippets/pve-vgpu");
	}
}

int main(void)
{
	tree_begin();
	tree_put("usr/bin/pve-vgpu", "#!\n");
	test_list();
	test_snippet_path();
	test_snippet_volume();
	return tap_done();
}
