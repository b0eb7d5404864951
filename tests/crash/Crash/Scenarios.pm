# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Scenarios;

# What is done to a node and how that comes right again. A scenario has
#   framework
#   to        what the node is put to before each point, as Crash::Node::reset has it
#   prepare   what comes before the command
#   command   the arguments of pve-vgpu that are met by something
#   vgpus     how many vGPUs VM 100 is to have
#   done      what must hold where the command says that it is done
#   ways      each a way out: a name, and what is done there; all of them must lead to the same

use strict;
use warnings;

use Crash::Life;

my $OLD_SETTINGS = <<'END';
# What stands here is the admin's.
[defaults]
cleanup-wait = 0
lock-wait = 5

; the other one
[vm 101]
hostpci0 = A40-24A ; as asked for by accounting
END

my $VM = <<'END';
#The admin's note%3A do not touch
boot: order=scsi0;net0
cores: 4
memory: 8192
END

sub settings { return join("\n", $OLD_SETTINGS, @_, '') }

sub mdev_vm {
    my ($node, $vmid, $n) = @_;
    my $devices = join(' ', map { '-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/' . $node->uuid($vmid, $_) } 0 .. $n - 1);

    return "${VM}args: -cpu host $devices\nname: vm$vmid\n\n[before]\n#a snapshot\nargs: -cpu host\ncores: 2\n";
}

# VM 100 on the first VFs, 101 behind them
sub vf_vm {
    my ($node, $vmid, $n) = @_;
    my @vfs = $vmid == 100 ? @{$node->{vfs}}[0 .. $n - 1] : $node->{vfs}[4];
    my $devices = join('', map { "hostpci$_: $vfs[$_],mdev=nvidia-575\n" } 0 .. $n - 1);

    return "${VM}args: -cpu host\n${devices}name: vm$vmid\n\n[before]\n#a snapshot\nargs: -cpu host\ncores: 2\n";
}

sub _vm {
    my ($node, @vm) = @_;

    return $node->is_mdev ? mdev_vm($node, @vm) : vf_vm($node, @vm);
}

# Settings and configs with an intent of VM 100 for so many vGPUs
sub with_intent {
    my ($n, %more) = @_;

    return sub {
        my ($node) = @_;

        return (
            settings => settings('[vm 100]', map({ "hostpci$_ = A40-24A" } 0 .. $n - 1), @{$more{settings} // []}),
            confs => { 100 => _vm($node, 100, $n), 101 => _vm($node, 101, 1) },
        );
    };
}

# --- ways out ---------------------------------------------------------------------------

# The VM is started again at once, and another beside it; then gc
sub starts_again {
    my ($node, $run, $s) = @_;
    my %wanted = (100 => $s->{vgpus}, 101 => 1);

    return (
        Crash::Life::lives($node, $run, \%wanted, 100, 101),
        Crash::Life::collect($node, $run),
    );
}

# Another VM is started first
sub other_first {
    my ($node, $run, $s) = @_;
    my %wanted = (100 => $s->{vgpus}, 101 => 1);

    return (
        Crash::Life::lives($node, $run, \%wanted, 101, 100),
        Crash::Life::collect($node, $run),
    );
}

# Nobody starts the VM, and gc comes; then both start
sub collected {
    my ($node, $run, $s) = @_;

    return (
        Crash::Life::collect($node, $run),
        Crash::Life::nothing_left($node),
        starts_again($node, $run, $s),
    );
}

my @STARTS = ([ 'next start' => \&starts_again ], [ 'other VM first' => \&other_first ], [ 'gc' => \&collected ]);

# The VM runs on: nothing takes its vGPU, and its end does
sub runs_on {
    my ($node, $run, $s) = @_;

    return (
        Crash::Life::lives($node, $run, { 101 => 1 }, 101),
        Crash::Life::collect($node, $run),
        Crash::Life::have_vgpus($node, { 100 => $s->{vgpus} }),
        Crash::Life::stop($node, $run, 100),
        Crash::Life::collect($node, $run),
        Crash::Life::nothing_left($node),
        starts_again($node, $run, $s),
    );
}

# --- scenarios --------------------------------------------------------------------------

sub _started {
    my ($node, $run) = @_;

    return Crash::Life::start($node, $run, 100);
}

sub _running {
    my ($node, $run) = @_;

    return (_started($node, $run), Crash::Life::running($node, $run, 100));
}

sub _ended {
    my ($node, $run) = @_;
    my @wrong = _running($node, $run);

    $node->qemu_gone(100);
    return @wrong;
}

sub _has_its_own {
    my ($node, $run, $s) = @_;

    return Crash::Life::have_vgpus($node, { 100 => $s->{vgpus} });
}

sub _hooks {
    my ($framework) = @_;
    my %start = (command => [ 100, 'pre-start' ], done => \&_has_its_own, ways => \@STARTS);
    my %both = (framework => $framework, vgpus => 1, to => with_intent(1));

    return (
        { %both, %start, name => 'pre-start' },
        { %both, %start, name => 'pre-start-leftover', prepare => \&_started },
        { %both, %start, name => 'pre-start-two', vgpus => 2, to => with_intent(2) },
        { %both, name => 'post-start', command => [ 100, 'post-start' ], prepare => sub {
            my ($node, $run) = @_;
            my @wrong = _started($node, $run);

            $node->qemu(100, Crash::Life::on_record($node, 100));
            return @wrong;
        }, done => \&_has_its_own, ways => [ [ 'runs on' => \&runs_on ] ] },
        { %both, name => 'post-stop', command => [ 100, 'post-stop' ], prepare => \&_ended,
            done => \&Crash::Life::nothing_left, ways => \@STARTS },
    );
}

sub all {
    my @all;

    for my $framework (qw(mdev nvidia-vfio)) {
        push(@all, map { { %$_, name => "$_->{name}-" . ($framework eq 'mdev' ? 'mdev' : 'vfio') } } _hooks($framework));
    }
    return @all;
}

1;
