# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Node;

# A simulated node that is put back, between two points, to what it was: mounted
# once, with vGPUs, records, settings and configs made anew. PVE's programs are
# those of tests/pve/tools, /etc/pve is tests/pmxcfs.

use strict;
use warnings;

use Fcntl qw(LOCK_EX LOCK_NB);
use File::Find ();
use File::Path qw(make_path remove_tree);
use File::Temp ();
use Time::HiRes qw(sleep);

use Crash::File qw(append files spew slurp);

my $FOREIGN_UUID = 'f0f0f0f0-1111-4222-8333-444444444444';
# What vGPUs are made of here: two of them fill a GPU
my $TYPE = 'nvidia-575';

# Two GPUs with VFs, and one whose VFs are not enabled
sub _description {
    my ($framework) = @_;
    my @gpus = map {
        my $vfs = $_ eq 'ea' ? ', "numvfs": 0' : '';
        qq({"bdf": "0000:$_:00.0", "framework": "$framework", "totalvfs": 4$vfs})
    } qw(e8 e9 ea);

    return '{"gpus": [' . join(', ', @gpus) . "]}\n";
}

# how: another node's description, and the GPUs of it that have VFs
sub new {
    my ($class, $top, $framework, $program, %how) = @_;
    my $dir = File::Temp::tempdir('pve-vgpu-crash.XXXXXX', TMPDIR => 1);
    my $self = bless({
        top => $top, dir => $dir, root => "$dir/root", sys => "$dir/root/sys",
        framework => $framework, program => $program, owner => $$,
    }, $class);

    $self->_directories();
    spew("$dir/node.json", $how{description} // _description($framework));
    $self->_mount("$top/tests/sim/vgpu-sim", "$dir/node.json", $self->{sys});
    push(@{$self->{mounted}}, $self->{sys});
    $self->_mount("$top/tests/pmxcfs/pmxcfs-sim", "here=$self->{root}/etc/pve");
    push(@{$self->{mounted}}, "$self->{root}/etc/pve");
    $self->_programs();
    make_path(map { "$self->{root}/etc/pve/$_" } qw(mapping priv/lock));
    my @vfs = map { $self->vfs($_) } @{$how{gpus} // [ map { "0000:$_:00.0" } qw(e8 e9) ]};
    $self->{vfs} = \@vfs;
    $self->{foreign_vf} = $vfs[-1];
    return $self;
}

sub _mount {
    my ($self, @command) = @_;

    system(@command) == 0 or die "$command[0] does not mount\n";
    return;
}

sub _directories {
    my ($self) = @_;
    my $root = $self->{root};

    make_path(map { "$root/$_" } qw(sys etc/pve etc/pve-vgpu run/qemu-server run/lock/qemu-server var/lib/vz/snippets
        etc/modprobe.d proc usr/sbin usr/bin var/lib/dpkg));
    mkdir("$self->{dir}/pve");
    symlink('/run/lock', "$root/var/lock");
    symlink('/run', "$root/var/run");
    symlink("$self->{dir}/pve", "$root/.pve");
    return;
}

sub _copy {
    my ($from, $to) = @_;

    spew($to, slurp($from));
    chmod(0755, $to);
    return;
}

sub _programs {
    my ($self) = @_;
    my ($root, $tools) = ($self->{root}, "$self->{top}/tests/pve/tools");

    _copy("$tools/$_", "$root/usr/sbin/$_") for qw(qm pvesm);
    _copy("$tools/pvesh", "$root/usr/bin/pvesh");
    symlink("$self->{top}/tests/pve", "$root/.pve/lib");
    spew("$root/.pve/log", '');
    spew("$root/.pve/nodes", '');
    spew("$root/.pve/version", "9.2.6\n");
    spew("$root/var/lib/dpkg/status", join('', map {
        "Package: $_\nStatus: install ok installed\nVersion: 9.2.6\n\n" } qw(qemu-server pve-manager)));
    spew("$root/usr/bin/pve-vgpu", "#!/bin/sh\nexec '$self->{program}' --root '$root' \"\$\@\"\n");
    chmod(0755, "$root/usr/bin/pve-vgpu");
    make_path("$root/usr/share/pve-vgpu");
    spew("$root/usr/share/pve-vgpu/vgpu-guest.yaml.in", slurp("$self->{top}/snippets/vgpu-guest.yaml.in"));
    spew("$self->{dir}/client.tok", "eyJhbGciOi.J9-x_Y\n");
    $self->_own_hook();
    $self->_wrapper();
    $self->_sriov_manage();
    return;
}

# The hookscript that a VM had before ours, which says how it was called
sub _own_hook {
    my ($self) = @_;
    my $hook = "$self->{root}/var/lib/vz/snippets/own.sh";

    spew($hook, "#!/bin/sh\necho \"\$1 \$2\" >> '$self->{dir}/calls'\n");
    chmod(0755, $hook);
    return;
}

# The wrapper, as its package puts it
sub _wrapper {
    my ($self) = @_;
    my $root = $self->{root};

    make_path("$root/usr/lib/pve-vgpu");
    spew($_, '') for "$root/usr/lib/pve-vgpu/qemu-wrapper", "$root/usr/bin/kvm.distrib";
    symlink('../lib/pve-vgpu/qemu-wrapper', "$root/usr/bin/kvm");
    return;
}

# NVIDIA's program, which enables a GPU's VFs and removes them
sub _sriov_manage {
    my ($self) = @_;
    my $root = $self->{root};

    make_path("$root/usr/lib/nvidia");
    spew("$root/usr/lib/nvidia/sriov-manage", <<"END");
#!/bin/sh
case \$1 in
-e)
	echo "\$2 4" > '$self->{sys}/.sim/vfs'
	for vf in '$self->{sys}'/bus/pci/devices/"\$2"/virtfn*; do
		vf=\$(readlink "\$vf")
		echo "\${vf##*/} nvidia" > '$self->{sys}/.sim/driver'
	done
	;;
-d) echo "\$2 0" > '$self->{sys}/.sim/vfs' ;;
esac
END
    chmod(0755, "$root/usr/lib/nvidia/sriov-manage");
    return;
}

sub DESTROY {
    my ($self) = @_;

    return if $$ != $self->{owner};
    local $?;
    for my $at (reverse(@{$self->{mounted} // []})) {
        system("fusermount3 -u '$at' 2>/dev/null || fusermount3 -uz '$at'");
    }
    remove_tree($self->{dir});
    return;
}

# --- paths ------------------------------------------------------------------------------

sub settings_path { return "$_[0]{root}/etc/pve/pve-vgpu.conf" }

sub conf_path { return "$_[0]{root}/etc/pve/nodes/here/qemu-server/$_[1].conf" }

sub record_path { return "$_[0]{root}/run/pve-vgpu/$_[1].json" }

# A file below the root with its mode, or where a link leads
sub _text_at {
    my ($self, $path) = @_;
    my $at = "$self->{root}/$path";

    return 'link to ' . readlink($at) if -l $at;
    return -e $at ? sprintf("mode %03o\n", (stat(_))[2] & 0777) . slurp($at) : '(gone)';
}

# What is the admin's, by name: the settings, the configs of VMs by their vmid, and other files by their path below the root
sub texts {
    my ($self, @names) = @_;
    my %texts = map { $_ => $self->_text_at($_) } grep { !/^\d+$/ } @names;
    my %paths = (settings => $self->settings_path, map { $_ => $self->conf_path($_) } grep { /^\d+$/ } @names);

    $texts{$_} = -e $paths{$_} ? slurp($paths{$_}) : '(gone)' for keys(%paths);
    return \%texts;
}

# --- what it is put back to -------------------------------------------------------------

# settings TEXT, configs of VMs by vmid, node.conf, GPU ea with VFs or without, files by their path below the root,
# no_snippet: our hookscript is in no storage
sub reset {
    my ($self, %to) = @_;
    my $root = $self->{root};

    $self->qemu_gone($_) for $self->qemus();
    remove_tree("$root/run/pve-vgpu", "$root/var/lib/pve-vgpu");
    unlink(files("$root/run/qemu-server"), files("$root/run/lock/qemu-server"));
    $self->_reset_vgpus();
    $self->vfs_of_third($to{vfs} // 0);
    spew("$root/.pve/log", '');
    spew("$root/etc/pve-vgpu/node.conf", $to{node_conf} // '');
    $self->reset_cluster(%to);
    $self->_reset_files(%to);
    $self->forget_calls();
    return;
}

sub _reset_files {
    my ($self, %to) = @_;
    my $root = $self->{root};
    my $hook = "$root/var/lib/vz/snippets/pve-vgpu";

    unlink(files("$root/etc/modprobe.d"), grep({ /vgpu-guest/ } files("$root/var/lib/vz/snippets")), $hook);
    symlink('../../../../usr/bin/pve-vgpu', $hook) if !$to{no_snippet};
    for my $path (sort(keys(%{$to{files} // {}}))) {
        make_path("$root/$path" =~ s!/[^/]+$!!r);
        spew("$root/$path", $to{files}{$path});
    }
    return;
}

sub reset_cluster {
    my ($self, %to) = @_;
    my $pve = "$self->{root}/etc/pve";

    rmdir($_) for files("$pve/priv/lock");
    unlink(grep { -f && !m!/\.(?:version|members|rrd|vmlist|clusterlog|debug)$! && m!pve-vgpu! } files($pve));
    unlink(files("$pve/mapping"), files("$pve/nodes/here/qemu-server"));
    spew("$pve/storage.cfg", "dir: local\n\tpath /var/lib/vz\n\tcontent backup,iso,snippets,vztmpl\n\n");
    spew($self->settings_path, $to{settings});
    spew($self->conf_path($_), $to{confs}{$_}) for sort(keys(%{$to{confs}}));
    return;
}

# What `set` has made in the cluster for that VM, to be put there again without it
sub cluster {
    my ($self, $vmid) = @_;
    my $mapping = "$self->{root}/etc/pve/mapping/pci.cfg";

    return { map { $_ => slurp($_) } grep { -e } $mapping, $self->settings_path, $self->conf_path($vmid) };
}

sub put_cluster {
    my ($self, $made) = @_;

    spew($_, $made->{$_}) for sort(keys(%$made));
    return;
}

# Somebody writes what `texts` has read.
sub put_back {
    my ($self, $texts) = @_;

    spew($_ eq 'settings' ? $self->settings_path : $self->conf_path($_), $texts->{$_}) for sort(keys(%$texts));
    return;
}

sub _reset_vgpus {
    my ($self) = @_;

    for my $vgpu ($self->vgpus()) {
        $self->take_away($vgpu->{id}) if $vgpu->{id} ne $self->foreign();
    }
    $self->make($FOREIGN_UUID, $self->{foreign_vf}) if !grep { $_->{id} eq $self->foreign() } $self->vgpus();
    return;
}

# Somebody enables the VFs of the third GPU or removes them.
sub vfs_of_third {
    my ($self, $want) = @_;
    my $there = $self->numvfs('0000:ea:00.0');

    system("$self->{root}/usr/lib/nvidia/sriov-manage", $want ? '-e' : '-d', '0000:ea:00.0') if !!$want != !!$there;
    return;
}

sub numvfs {
    my ($self, $gpu) = @_;

    return 0 + slurp("$self->{sys}/bus/pci/devices/$gpu/sriov_numvfs");
}

# --- vGPUs ------------------------------------------------------------------------------

sub is_mdev { return $_[0]{framework} eq 'mdev' }

sub vfs {
    my ($self, $gpu) = @_;

    return sort(map { readlink($_) =~ m!([^/]+)$! } glob("$self->{sys}/bus/pci/devices/$gpu/virtfn*"));
}

sub foreign { return $_[0]->is_mdev ? $FOREIGN_UUID : $_[0]{foreign_vf} }

sub uuid {
    my ($self, $vmid, $index) = @_;

    return sprintf('%08d-0000-0000-0000-%012d', $index // 0, $vmid);
}

# Of all vGPUs: id (UUID or VF), parent, type
sub vgpus {
    my ($self) = @_;
    my @found;

    if ($self->is_mdev) {
        for my $link (files("$self->{sys}/bus/mdev/devices")) {
            my ($parent, $uuid) = readlink($link) =~ m!([^/]+)/([^/]+)$!;
            my ($type) = (readlink("$link/mdev_type") // '') =~ m!([^/]+)$!;

            push(@found, { id => $uuid, parent => $parent, type => $type // '' });
        }
        return @found;
    }
    for my $vf (@{$self->{vfs}}, $self->vfs('0000:ea:00.0')) {
        chomp(my $type = slurp("$self->{sys}/bus/pci/devices/$vf/nvidia/current_vgpu_type"));
        push(@found, { id => $vf, parent => $vf, type => "nvidia-$type" }) if $type;
    }
    return @found;
}

# Somebody else makes one.
sub make {
    my ($self, $uuid, $vf) = @_;
    my $at = "$self->{sys}/bus/pci/devices/$vf";

    if ($self->is_mdev) {
        spew("$at/mdev_supported_types/$TYPE/create", $uuid);
    } else {
        spew("$at/nvidia/current_vgpu_type", '575');
    }
    return;
}

sub take_away {
    my ($self, $id) = @_;

    spew($self->is_mdev ? "$self->{sys}/bus/mdev/devices/$id/remove" : "$self->{sys}/bus/pci/devices/$id/nvidia/current_vgpu_type",
        $self->is_mdev ? '1' : '0');
    return;
}

# The driver removes that one itself, so many milliseconds after QEMU has let go of it.
sub removed_by_driver {
    my ($self, $id, $ms) = @_;

    spew("$self->{sys}/.sim/selfclean", "$id $ms");
    return;
}

# The driver gets the time that it takes for that, and does no more of it.
sub driver_is_done {
    my ($self, $ms) = @_;

    sleep(0.001 * $ms);
    spew("$self->{sys}/.sim/selfclean", 'clear');
    return;
}

# --- QEMU -------------------------------------------------------------------------------

sub _names {
    my ($self, $id) = @_;
    my $at = "$self->{sys}/bus/" . ($self->is_mdev ? 'mdev' : 'pci') . "/devices/$id";
    my ($group) = (readlink("$at/iommu_group") // '') =~ m!([^/]+)$!;

    return ($group // (), map { m!([^/]+)$! ? "devices/$1" : () } files("$at/vfio-dev"));
}

# The VM's QEMU, as PVE sees it, with these vGPUs open
sub qemu {
    my ($self, $vmid, @ids) = @_;
    my ($root, $pid, $fd) = ($self->{root}, 400000 + $vmid, 20);

    make_path("$root/proc/$pid/fd");
    spew("$root/proc/$pid/cmdline", join("\0", '/usr/bin/kvm', '-id', $vmid, '-pidfile', "/var/run/qemu-server/$vmid.pid",
        '-daemonize', ''));
    spew("$root/run/qemu-server/$vmid.pid", "$pid\n");
    for my $id (@ids) {
        spew("$self->{sys}/.sim/open", "$id yes");
        symlink("/dev/vfio/$_", "$root/proc/$pid/fd/" . $fd++) for $self->_names($id);
        append("$root/proc/$pid/devices", "$id\n");
    }
    return;
}

sub qemus {
    my ($self) = @_;

    return map { m!/4(\d{5})$! ? 0 + $1 : () } files("$self->{root}/proc");
}

sub qemu_gone {
    my ($self, $vmid) = @_;
    my $at = "$self->{root}/proc/" . (400000 + $vmid);

    for my $id (split(/\n/, -e "$at/devices" ? slurp("$at/devices") : '')) {
        eval { spew("$self->{sys}/.sim/open", "$id no") };
    }
    remove_tree($at);
    unlink("$self->{root}/run/qemu-server/$vmid.pid");
    return;
}

# --- the VM's own hookscript ------------------------------------------------------------

sub forget_calls {
    my ($self) = @_;

    spew("$self->{dir}/calls", '');
    return;
}

# It has been called for VM 100 with these phases and no others.
sub was_called {
    my ($self, @phases) = @_;
    my $called = join(', ', split(/\n/, slurp("$self->{dir}/calls")));
    my $wanted = join(', ', map { "100 $_" } @phases);

    return $called eq $wanted ? () : "its own hookscript was called with '$called', not '$wanted'";
}

# --- time -------------------------------------------------------------------------------

# start-grace is over for all that was claimed, and so is the time of locks of the cluster.
sub time_passes {
    my ($self) = @_;
    my $run = "$self->{root}/run";

    for my $path (grep { m!/[^/.][^/]*\.json$! } files("$run/pve-vgpu"), files("$run/pve-vgpu/standalone")) {
        my $text = slurp($path);

        spew($path, $text) if $text =~ s/("claimed_ms":\s*)\d+/${1}0/;
    }
    my $reserved = "$run/qemu-server/pci-id-reservations";
    my $text = -e $reserved ? slurp($reserved) : '';

    spew($reserved, $text) if $text =~ s/time:\d+/time:1/g;
    # What is being written in a storage may be another node's.
    utime(0, 0, grep { m!\.tmp$! } files("$self->{root}/var/lib/vz/snippets"));
    $self->cluster_locks_expire();
    return;
}

# A lock of the cluster whose owner is dead lasts for 120 s.
sub cluster_locks_expire {
    my ($self) = @_;

    for my $lock (files("$self->{root}/etc/pve/priv/lock")) {
        my ($name) = $lock =~ m!([^/]+)$!;

        spew("$self->{root}/etc/pve/.sim/age", "priv/lock/$name 130");
    }
    return;
}

# --- what is left -----------------------------------------------------------------------

# Temporary files, wherever pve-vgpu may have made them
sub temporaries {
    my ($self) = @_;
    my @found;

    File::Find::find({ no_chdir => 1, wanted => sub {
        my $path = $File::Find::name;

        if ($path eq $self->{sys} || $path eq "$self->{root}/proc") {
            $File::Find::prune = 1;
        } elsif (m!/\.[^/]*\.tmp$! || m!\.tmp(?:\.|$)!) {
            push(@found, substr($path, length($self->{root})));
        }
    } }, $self->{root});
    return @found;
}

# Locks that somebody still holds, though nobody of ours runs
sub held_locks {
    my ($self) = @_;
    my @held;

    for my $path (files("$self->{root}/run/pve-vgpu/locks"), files("$self->{root}/run/lock/qemu-server"),
        grep { /lock/ } files("$self->{root}/run/qemu-server")) {
        open(my $fh, '+<', $path) or next;
        push(@held, $path) if !flock($fh, LOCK_EX | LOCK_NB);
        close($fh);
    }
    return @held;
}

# PVE's reservations; with alive: those that hold, which a time that is over and the pid of a QEMU that has ended do not
sub reservations {
    my ($self, $alive) = @_;
    my $path = "$self->{root}/run/qemu-server/pci-id-reservations";
    my @lines = -e $path ? split(/\n/, slurp($path)) : ();

    return grep { !$alive || (/ time:(\d+)$/ && $1 > time()) || (/ pid:(\d+)$/ && -e "$self->{root}/proc/$1") } @lines;
}

1;
