# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Scenarios;

# What is done to a node and how that comes right again. A scenario has
#   framework
#   to        what the node is put to before each point, as Crash::Node::reset has it
#   prepare   what comes before the command
#   command   the arguments of pve-vgpu that are met by something, or what gives them
#   vgpus     how many vGPUs VM 100 is to have
#   done      what must hold where the command says that it is done
#   tells     what it says where it has left something because it could not look, and ends with 0 all the same
#   polls     that it looks again and again until something happens, so that reads have no fixed numbers
#   takes     that it takes a VF: where the driver says no and does it, nobody can tell whose that is
#   settle    what goes on by itself and is over before anything else begins
#   texts     files that are looked at as settings and configs are, below the root
#   ends      settings and configs as they are to be in the end; as before where nothing is said
#   ways      each a way out: a name, and what is done there; all of them must lead to the same

use strict;
use warnings;

use Crash::Life;
use Crash::Files;
use Crash::Put qw(old_ids with_intent without_intent);
use Crash::Ways qw(STARTS again again_at_once again_beside again_if_needed chained reconciled removed runs_on set_again texts_are unset_after
    unset_and_change);

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
    my %start = (takes => 1, command => [ 100, 'pre-start' ], done => \&_has_its_own, ways => STARTS);
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
            done => \&Crash::Life::nothing_left, ways => STARTS },
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
        }, settle => sub { $_[0]->driver_is_done(150) }, done => \&Crash::Life::nothing_left, ways => STARTS },
    );
}

# A VM whose own hookscript is called, too
sub _chains {
    my ($framework) = @_;
    my %both = (framework => $framework, vgpus => 1, to => with_intent(1, own => [ 'next-hook = local:snippets/own.sh' ]),
        ways => [ map { chained(@$_) } @{STARTS()} ]);

    return (
        { %both, name => 'pre-start-next', takes => 1, command => [ 100, 'pre-start' ], done => sub {
            my ($node) = @_;

            return (_has_its_own(@_), $node->was_called('pre-start'));
        } },
        { %both, name => 'post-stop-next', command => [ 100, 'post-stop' ], prepare => sub {
            my ($node) = @_;
            my @wrong = _ended(@_);

            $node->forget_calls();
            return @wrong;
        }, done => sub {
            my ($node) = @_;

            return (Crash::Life::nothing_left($node), $node->was_called('post-stop'));
        } },
    );
}

# A vGPU that a VM has left, and the settings of one that is gone
sub _gc {
    my ($framework) = @_;

    return {
        framework => $framework, vgpus => 1, to => with_intent(1, settings => [ '; of 102', '[vm 102]', 'hostpci0 = A40-24A', '' ]),
        name => 'gc', command => [ 'gc' ], ways => STARTS,
        prepare => sub { my ($node, $run) = @_; my @wrong = _started($node, $run); $node->time_passes(); return @wrong; },
        done => sub { my ($node, $run, $s) = @_; return (Crash::Life::nothing_left($node), texts_are($node, $s->{after})); },
        tells => qr/settings of VMs that may be gone stay: /, ends => sub { return $_[1]{after} },
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

sub _sets {
    my ($framework) = @_;
    my %both = (framework => $framework, to => \&without_intent, done => sub { return texts_are($_[0], $_[2]{after}) });
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

# A driver with other ids: VM 100 has an old one in its config, by the address of a VF or by a mapping with old entries
sub _reconciles {
    my ($framework) = @_;
    my %both = (framework => $framework, command => [ 'reconcile' ], texts => [ 'etc/pve/mapping/pci.cfg' ], done => sub {
        return texts_are($_[0], $_[2]{after});
    }, ends => sub { return $_[1]{after} });
    my $made;

    return (
        { %both, name => 'reconcile', vgpus => 1, to => sub { return old_ids($_[0], 'A40-24A') },
            ways => [ [ again => \&reconciled ] ] },
        # Which of the names an old id was is known from what was seen before, and by nothing else.
        { %both, name => 'reconcile-choices', to => sub { return old_ids($_[0], 'A40-12A, A40-24A') }, ways => [ [ 'at once' => \&again_at_once ] ] },
        { %both, name => 'reconcile-mapping', vgpus => 0, to => \&without_intent, prepare => sub {
            my ($node, $run) = @_;

            return $node->put_cluster($made) if $made;
            my @wrong = Crash::Life::went('set', $run->call('set', 100, 'A40-24A'));
            $made = $node->cluster(100);
            s/\bid=[0-9a-f:]+/id=10de:1234/g, s/mdev=nvidia-575/mdev=nvidia-9001/ for values(%$made);
            $node->put_cluster($made);
            return @wrong;
        }, ways => [ [ again => \&reconciled ] ] },
    );
}

sub _vfs_are {
    my ($n) = @_;

    return sub {
        my ($node) = @_;
        my $there = $node->numvfs('0000:ea:00.0');

        return $there == $n ? () : "GPU 0000:ea:00.0 has $there VFs";
    };
}

sub _sriov {
    my ($framework) = @_;
    my %both = (framework => $framework, ways => [ [ again => \&again_beside ] ]);

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
            _hooks($framework), _gc($framework), _standalone($framework), _sets($framework), _sriov($framework),
            _chains($framework), _reconciles($framework), $framework eq 'mdev' ? Crash::Files::all($framework) : ());
    }
    return @all;
}

1;
