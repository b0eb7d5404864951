# SPDX-License-Identifier: AGPL-3.0-or-later
package Load::Node;

# The simulated node with 16 GPUs of 64 VFs each: its VMs, what is foreign on
# it, and what the driver is like at the moment.

use strict;
use warnings;

use parent 'Crash::Node';

use File::Path qw(remove_tree);
use JSON::PP ();
use Time::HiRes ();

use Crash::File qw(files slurp spew);

# What VMs want. The GPUs are to become full: of the first ones two fit on a GPU, of the last 32.
my @WANTS = ('A40-24A', 'A40-24A', 'A40-12A', 'A40-8Q', 'A40-4Q', 'A40-2B', 'A40-1Q', 'A40-48A', 'A40-24Q, A40-12A', 'A40-16Q, A40-24A');

sub new {
    my ($class, $top, $framework, $program) = @_;
    my $name = $framework eq 'mdev' ? 'mdev' : 'vfio';
    my $text = slurp("$top/tests/nodes/a40x16-64vf-$name.json");
    my @gpus = $text =~ /"bdf":\s*"([^"]+)"/g;
    my $self = $class->SUPER::new($top, $framework, $program, description => $text, gpus => \@gpus);

    $self->{gpus} = \@gpus;
    for my $gpu (@gpus) {
        $self->{gpu_of}{$_} = $gpu for $self->vfs($gpu);
    }
    $self->{types} = { map { $_->{id} => $_ } @{JSON::PP::decode_json(slurp("$top/tests/nodes/types.json"))->{A40}} };
    return $self;
}

# They are read once: a thousand links through FUSE are felt.
sub vfs {
    my ($self, $gpu) = @_;

    return @{$self->{vfs_of}{$gpu} //= [ $self->SUPER::vfs($gpu) ]};
}

# --- VMs --------------------------------------------------------------------------------

sub _args {
    my ($self, $vmid, $n) = @_;

    return join(' ', map { '-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/' . $self->uuid($vmid, $_) } 0 .. $n - 1);
}

# The address that some VMs name; two of them each the same one
sub _pinned {
    my ($self, $vmid) = @_;

    return $self->{vfs}[($vmid >> 4) * 64 % @{$self->{vfs}} + 20];
}

# A VM's section of the settings, its config, and how many vGPUs it wants
sub _vm {
    my ($self, $vmid) = @_;
    my $want = $WANTS[$vmid % @WANTS];
    my $n = $vmid % 9 == 4 ? 2 : 1;
    my $placement = (undef, 'spread', 'pack')[$vmid % 3];
    my $conf = "name: vm$vmid\nmemory: 512\n";

    if ($vmid % 16 < 2) {
        $n = 1;
        $want = 'A40-12A';
        $conf .= 'hostpci0: ' . $self->_pinned($vmid) . ",mdev=nvidia-573\n";
    } elsif ($self->is_mdev) {
        $conf .= 'args: ' . $self->_args($vmid, $n) . "\n";
    }
    return (join('', "[vm $vmid]\n", map({ "hostpci$_ = $want\n" } 0 .. $n - 1), $placement ? "placement = $placement\n" : ''), $conf, $n);
}

# These VMs. What is dead is dead after a second, and each start has its answer, on a machine with much else to do, too: how long it waited is
# told. Returns { vmid => vGPUs }.
sub with_vms {
    my ($self, @vmids) = @_;
    my ($settings, %confs, %wants) = ("[defaults]\nstart-grace = 1\nlock-wait = 600\n");

    for my $vmid (@vmids) {
        my ($section, $conf, $n) = $self->_vm($vmid);

        $settings .= $section;
        $confs{$vmid} = $conf;
        $wants{$vmid} = $n;
    }
    $self->reset_cluster(settings => $settings, confs => \%confs);
    return \%wants;
}

# --- what is somebody else's ------------------------------------------------------------

# One on each of four GPUs: at the first VF, in the middle, at the last; of qemu-server's pattern for a VM without an intent
sub with_foreign {
    my ($self) = @_;
    my @at = map { ($self->vfs($self->{gpus}[$_->[0]]))[$_->[1]] } [ 0, 0 ], [ 1, 30 ], [ 2, 63 ], [ 3, 1 ];
    my @uuids = (map({ "f0f0f0f0-1111-4222-8333-44444444444$_" } 0 .. 2), $self->uuid(777));

    $self->make($uuids[$_], $at[$_]) for 0 .. $#at;
    return map { { parent => $at[$_], type => 575, uuid => $self->is_mdev ? $uuids[$_] : '-' } } 0 .. $#at;
}

# Nothing of any VM, nor foreign
sub empty {
    my ($self) = @_;
    my $run = "$self->{root}/run";

    $self->calm();
    $self->qemu_gone($_) for $self->qemus();
    for my $vgpu ($self->there()) {
        $self->control('open', id($vgpu) . ' no');
        $self->take_away(id($vgpu));
    }
    remove_tree("$run/pve-vgpu");
    unlink(files("$run/qemu-server"));
    return;
}

# --- what there is ----------------------------------------------------------------------

# What a vGPU goes by: its UUID, or its VF where it has none
sub id { return $_[0]{uuid} eq '-' ? $_[0]{parent} : $_[0]{uuid} }

# All vGPUs at one moment, as the driver has them
sub there {
    my ($self) = @_;

    return map {
        my ($parent, $type, $uuid, $held) = split(/ /);
        { parent => $parent, type => $type, uuid => $uuid, held => $held eq 'held' }
    } split(/\n/, slurp("$self->{sys}/.sim/vgpus"));
}

# What tells one content of a file from the next: each is a new file
sub _stamp {
    my ($path) = @_;

    return join(' ', (Time::HiRes::stat($path))[1, 7, 9, 10]);
}

sub unchanged { return _stamp($_[1]{path}) eq $_[1]{stamp} }

sub _parse {
    my ($path, $stamp) = @_;
    my $state = eval { JSON::PP::decode_json(slurp($path)) } or return;

    return { path => $path, stamp => $stamp, vmid => $state->{vmid} // 0, vgpus => [ map { {
        parent => $_->{parent}, type => $_->{type} =~ s/.*-//r, uuid => $_->{uuid} // '-', created => $_->{created},
    } } @{$state->{vgpus}} ] };
}

# All records, each as it was at some moment
sub records {
    my ($self) = @_;
    my (%now, @all);

    for my $path (grep { m!/\d+\.json$! } files("$self->{root}/run/pve-vgpu")) {
        my $stamp = _stamp($path) or next;
        my $known = $self->{parsed}{$path};
        my $record = $known && $known->{stamp} eq $stamp ? $known : _parse($path, $stamp);

        next if !$record;
        $now{$path} = $record;
        push(@all, $record);
    }
    $self->{parsed} = \%now;
    return @all;
}

sub record {
    my ($self, $vmid) = @_;
    my ($found) = grep { $_->{vmid} == $vmid } $self->records();

    return $found;
}

# --- the driver's moods -----------------------------------------------------------------

my %MOODS = (
    mdev => [
        [ 'slow create', delay => '*/create 60' ],
        [ 'slow create and remove', delay => '*/create 40', delay => '*/remove 40' ],
        [ 'slow remove', delay => '*/remove 80' ],
        [ 'one slow GPU', delay => '*/0000:17:*/create 400', delay => '*/0000:17:*/available_instances 100' ],
        [ 'create refused', fault => 'write */create ENOSPC 4', fault => 'write */create EIO 3' ],
        [ 'create does nothing', fault => 'write */create LOST 2' ],
        [ 'remove refused', fault => 'write */remove EIO 3', fault => 'write */remove EBUSY 2' ],
        [ 'reads fail', fault => 'read */available_instances EIO 3' ],
    ],
    'nvidia-vfio' => [
        [ 'slow create and remove', delay => '*/current_vgpu_type 30' ],
        [ 'slow lists', delay => '*/creatable_vgpu_types 60' ],
        [ 'one slow GPU', delay => '*/0000:17:*/nvidia/* 200' ],
        [ 'writes refused', fault => 'write */current_vgpu_type ENOSPC 4', fault => 'write */current_vgpu_type EIO 3' ],
        [ 'writes do nothing', fault => 'write */current_vgpu_type LOST 2' ],
        [ 'busy', fault => 'write */current_vgpu_type EBUSY 3' ],
        [ 'reads fail', fault => 'read */creatable_vgpu_types EIO 3' ],
    ],
);

sub control {
    my ($self, $file, $text) = @_;

    return spew("$self->{sys}/.sim/$file", $text);
}

sub calm {
    my ($self) = @_;

    $self->control($_, 'clear') for qw(fault delay);
    return 'calm';
}

# Another mood, of which every third is none; returns its name
sub mood {
    my ($self, $random) = @_;
    my $calm = $self->calm();
    my ($name, @controls) = @{$random->below(3) ? $random->pick(@{$MOODS{$self->{framework}}}) : [ $calm ]};

    while (my ($file, $text) = splice(@controls, 0, 2)) {
        $self->control($file, $text);
    }
    return $name;
}

1;
