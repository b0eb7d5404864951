# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Scenarios;

# What is done to a node and how that comes right again. A scenario has
#   framework
#   to        what the node is put to before each point, as Crash::Node::reset has it
#   prepare   what comes before the command
#   command   the arguments of pve-vgpu that are met by something
#   vgpus     how many vGPUs VM 100 is to have
#   done      what must hold where the command says that it is done
#   polls     that it looks again and again until something happens, so that reads have no fixed numbers
#   takes     that it takes a VF: where the driver says no and does it, nobody can tell whose that is
#   settle    what goes on by itself and is over before anything else begins
#   ends      settings and configs as they are to be in the end; as before where nothing is said
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

# VM 100 behind the first VF, which `create` takes, and 101 on another GPU: the second, or the third
sub vf_vm {
    my ($node, $vmid, $n, $third) = @_;
    my @vfs = $vmid == 100 ? @{$node->{vfs}}[1 .. $n] : $third ? '0000:ea:00.6' : $node->{vfs}[4];
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
            confs => { 100 => _vm($node, 100, $n), 101 => _vm($node, 101, 1, $more{third}) },
            vfs => $more{third},
        );
    };
}

# --- ways out ---------------------------------------------------------------------------

# Both VMs are started, in this order; then gc
sub starts {
    my (@order) = @_;

    return sub {
        my ($node, $run, $s) = @_;

        return (
            Crash::Life::lives($node, $run, { 100 => $s->{vgpus}, 101 => 1 }, @order),
            Crash::Life::collect($node, $run),
        );
    };
}

my $starts_again = starts(100, 101);

# Nobody starts the VM, and gc comes; then both start
sub collected {
    my ($node, $run, $s) = @_;

    return (
        Crash::Life::collect($node, $run),
        Crash::Life::nothing_left($node),
        $starts_again->($node, $run, $s),
    );
}

my @STARTS = ([ 'next start' => $starts_again ], [ 'other VM first' => starts(101, 100) ], [ 'gc' => \&collected ]);

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
        $starts_again->($node, $run, $s),
    );
}

# What stands for no VM is taken away by an admin.
sub _remove_standalone {
    my ($node, $run) = @_;

    return map { Crash::Life::went("remove $_", $run->call('remove', $_)) }
        grep { $_ ne $node->foreign() } map { $_->{id} } $node->vgpus();
}

# VMs start beside what has been left, gc comes, and all that is for no VM can be removed
sub removed {
    my ($node, $run) = @_;

    return (
        Crash::Life::lives($node, $run, { 100 => 1, 101 => 1 }, 100, 101),
        Crash::Life::collect($node, $run),
        _remove_standalone($node, $run),
    );
}

# The same command once more does it; VMs start beside it
sub again {
    my ($node, $run, $s) = @_;

    # What a create that was killed has claimed is free after two minutes.
    $node->time_passes();
    return (
        Crash::Life::went('again', $run->call(@{$s->{command}})),
        $s->{done}->($node, $run, $s),
        removed($node, $run),
    );
}

# As again, for what another time refuses: it is there already, or it is gone already
sub again_if_needed {
    my ($node, $run, $s) = @_;
    my @wrong = (
        Crash::Life::lives($node, $run, { 100 => 1, 101 => 1 }, 100, 101),
        Crash::Life::collect($node, $run),
    );

    my @missing = $s->{done}->($node, $run, $s);
    push(@wrong, Crash::Life::went('again', $run->call(@{$s->{command}}))) if @missing;
    return (@wrong, $s->{done}->($node, $run, $s), _remove_standalone($node, $run));
}

# A start meanwhile may be refused, with what to do, and leaves nothing either way.
sub _tried_start {
    my ($node, $run) = @_;
    my $ran = $run->call(100, 'pre-start');

    return Crash::Life::stop($node, $run, 100) if $ran->{status} == 0;
    return if $ran->{status} == 1 && $ran->{err} =~ /^hint: /m;
    return "vm 100 pre-start: status $ran->{status}: $ran->{err}";
}

sub _meanwhile {
    my ($node, $run) = @_;

    return (
        _tried_start($node, $run),
        Crash::Life::lives($node, $run, { 101 => 1 }, 101),
        Crash::Life::collect($node, $run),
        # A temporary file of the settings stays until they are changed the next time.
        grep { !m!^temporary file /etc/pve/\.pve-vgpu\.conf\.! } Crash::Life::nothing_left($node),
    );
}

sub _texts_are {
    my ($node, $wanted) = @_;
    my $now = $node->texts(100, 101);

    return map { Crash::Life::differs($_, $now->{$_}, $wanted->{$_}) } sort(keys(%$now));
}

# The same command brings what was wanted, the VM lives with it, and unset takes it back
sub set_again {
    my ($node, $run, $s) = @_;

    return (
        _meanwhile($node, $run),
        Crash::Life::went('again', $run->call(@{$s->{command}})),
        _texts_are($node, $s->{after}),
        Crash::Life::lives($node, $run, { 100 => $s->{vgpus}, 101 => 1 }, 100, 101),
        unset_after($node, $run),
    );
}

# The admin thinks better of it
sub unset_after {
    my ($node, $run) = @_;

    return (
        _meanwhile($node, $run),
        Crash::Life::went('unset', $run->call('unset', 100)),
    );
}

# The admin thinks better of it, and the next change of the settings takes what the one before has left
sub unset_and_change {
    my ($node, $run, $s) = @_;
    my @wrong = (unset_after($node, $run), _texts_are($node, $s->{before}));

    return (
        @wrong,
        Crash::Life::went('set of another', $run->call('set', 103, 'A40-12A', '--placement', 'pack')),
        $node->put_back($s->{before}),
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
    my %start = (takes => 1, command => [ 100, 'pre-start' ], done => \&_has_its_own, ways => \@STARTS);
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
        { %both, name => 'post-stop-driver', command => [ 100, 'post-stop' ], polls => 1, to => sub {
            my %to = with_intent(1)->(@_);

            $to{settings} =~ s/cleanup-wait = 0/cleanup-wait = 1/;
            return %to;
        }, prepare => sub {
            my ($node, $run) = @_;
            my @wrong = _running($node, $run);

            $node->removed_by_driver($_, 60) for Crash::Life::on_record($node, 100);
            $node->qemu_gone(100);
            return @wrong;
        }, settle => sub { $_[0]->driver_is_done(150) }, done => \&Crash::Life::nothing_left, ways => \@STARTS },
    );
}

# A vGPU that a VM has left, and the settings of one that is gone
sub _gc {
    my ($framework) = @_;

    return {
        framework => $framework, vgpus => 1, to => with_intent(1, settings => [ '; of 102', '[vm 102]', 'hostpci0 = A40-24A', '' ]),
        name => 'gc', command => [ 'gc' ], ways => \@STARTS,
        prepare => sub { my ($node, $run) = @_; my @wrong = _started($node, $run); $node->time_passes(); return @wrong; },
        done => sub { my ($node, $run, $s) = @_; return (Crash::Life::nothing_left($node), _texts_are($node, $s->{after})); },
        ends => sub { return $_[1]{after} },
    };
}

my $OWN_UUID = '6f1c2a52-5d35-4c3e-9d8e-3a8c2f0f7c11';

sub _own { my ($node) = @_; return $node->is_mdev ? $OWN_UUID : $node->{vfs}[0] }

# The one that is for no VM is there, and nothing else
sub _has_own {
    my ($node) = @_;
    my @ids = grep { $_ ne $node->foreign() } map { $_->{id} } $node->vgpus();

    return @ids == 1 ? () : 'vGPUs for no VM: ' . (join(' ', @ids) || 'none');
}

sub _has_named {
    my ($node) = @_;

    return (_has_own($node), Crash::Life::only_foreign($node, _own($node)));
}

sub _standalone {
    my ($framework) = @_;
    my $is_mdev = $framework eq 'mdev';
    # On vendor VFIO a VM has a place of its own, and `create` can take any of the first two GPUs.
    my $to = with_intent(1, third => !$is_mdev);
    my %both = (framework => $framework, to => $to);
    my $own = $is_mdev ? $OWN_UUID : '0000:e8:00.4';
    my $configured = sub { return ($to->(@_), node_conf => "# mine\n[vgpu $own]\ntype = A40-24A\n") };

    return (
        { %both, takes => 1, name => 'create', command => [ 'create', 'A40-24A' ], done => \&_has_own, ways => [ [ removed => \&removed ] ] },
        { %both, takes => 1, name => 'create-configured', command => [ 'create', '--configured' ], to => $configured, done => \&_has_named,
            ways => [ [ again => \&again ], [ removed => \&removed ] ] },
        { %both, name => 'remove', command => [ 'remove', $own ], prepare => sub {
            my ($node, $run) = @_;

            return (Crash::Life::went('create', $run->call('create', 'A40-24A', $is_mdev ? ('--uuid', $own) : ())), _has_named($node));
        }, done => \&Crash::Life::nothing_left, ways => [ [ again => \&again_if_needed ], [ removed => \&removed ] ] },
    );
}

my $SET_VM = <<'END';
#The admin's note%3A do not touch
args: -cpu host
boot: order=scsi0;net0
cores: 4
hostpci3: 0000:01:00.0
memory: 8192
meta: creation-qemu=9.2.0,ctime=1700000100
name: vm100
smbios1: uuid=12345678-1234-4234-8234-000000000100

[before]
#a snapshot
boot: order=scsi0;net0
cores: 2
memory: 8192
meta: creation-qemu=9.2.0,ctime=1700000100
name: vm100
smbios1: uuid=12345678-1234-4234-8234-000000000100
snaptime: 1700000200
END

# Settings in which VM 100 does not stand, between what does
sub _without_intent {
    my ($node) = @_;

    return (
        settings => settings('[vm 103]', '# keep this one', 'hostpci0=A40-12A'),
        confs => { 100 => $SET_VM, 101 => _vm($node, 101, 1), 103 => "name: vm103\n" },
    );
}

sub _sets {
    my ($framework) = @_;
    my %both = (framework => $framework, to => \&_without_intent, done => sub { return _texts_are($_[0], $_[2]{after}) });
    my @set = ('set', 100, 'A40-24A');
    my @modes = (
        [ native => [ @set ], 0 ],
        $framework eq 'mdev' ? ([ args => [ @set, '--mode', 'args' ], 1 ]) : (),
        [ wrapper => [ @set, '--mode', 'wrapper' ], 1 ],
    );
    my @all;

    for my $mode (@modes) {
        my ($name, $command, $vgpus) = @$mode;
        my $made;

        push(@all, { %both, name => "set-$name", command => $command, vgpus => $vgpus,
            ways => [ [ again => \&set_again ], [ unset => \&unset_and_change ] ] });
        push(@all, { %both, name => "unset-$name", command => [ 'unset', 100 ], vgpus => $vgpus, prepare => sub {
            my ($node, $run) = @_;

            return $node->put_cluster($made) if $made;
            my @wrong = Crash::Life::went('set', $run->call(@$command));
            $made = $node->cluster(100);
            return @wrong;
        }, ways => [ [ unset => \&unset_after ] ], ends => sub { return $_[1]{after} } });
    }
    return @all;
}

sub _vfs_are {
    my ($n) = @_;

    return sub {
        my ($node) = @_;
        my $there = $node->numvfs('0000:ea:00.0');

        return $there == $n ? () : "GPU 0000:ea:00.0 has $there VFs";
    };
}

sub _sriov_again {
    my ($node, $run, $s) = @_;

    return (
        Crash::Life::lives($node, $run, { 100 => 1, 101 => 1 }, 100, 101),
        Crash::Life::collect($node, $run),
        Crash::Life::went('again', $run->call(@{$s->{command}})),
        $s->{done}->($node, $run, $s),
    );
}

sub _sriov {
    my ($framework) = @_;
    my %both = (framework => $framework, ways => [ [ again => \&_sriov_again ] ]);

    return (
        { %both, name => 'sriov-enable', command => [qw(sriov enable 0000:ea:00.0)], to => with_intent(1), done => _vfs_are(4) },
        { %both, name => 'sriov-disable', command => [qw(sriov disable 0000:ea:00.0)],
            to => sub { return (with_intent(1)->(@_), vfs => 1) }, done => _vfs_are(0) },
    );
}

sub all {
    my @all;

    for my $framework (qw(mdev nvidia-vfio)) {
        push(@all, map { { %$_, name => "$_->{name}-" . ($framework eq 'mdev' ? 'mdev' : 'vfio') } }
            _hooks($framework), _gc($framework), _standalone($framework), _sets($framework), _sriov($framework));
    }
    return @all;
}

1;
