# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Ways;

# Ways out: what may come after a crash. Each gets the node, what runs pve-vgpu,
# and the scenario, and returns what is wrong.

use strict;
use warnings;

use Exporter qw(import);

use Crash::Life;

our @EXPORT_OK = qw(STARTS again again_at_once again_beside again_swept again_if_needed chained reconciled removed runs_on set_again texts_are
    unset_after unset_and_change);

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

sub STARTS { return \@STARTS }

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

sub texts_are {
    my ($node, $wanted) = @_;
    my $now = $node->texts(grep { $_ ne 'settings' } keys(%$wanted));

    return map { Crash::Life::differs($_, $now->{$_}, $wanted->{$_}) } sort(keys(%$now));
}

# The same command brings what was wanted, the VM lives with it, and unset takes it back
sub set_again {
    my ($node, $run, $s) = @_;

    return (
        _meanwhile($node, $run),
        Crash::Life::went('again', $run->call(@{$s->{command}})),
        texts_are($node, $s->{after}),
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
    my @wrong = (unset_after($node, $run), texts_are($node, $s->{before}));

    return (
        @wrong,
        Crash::Life::went('set of another', $run->call('set', 103, 'A40-12A', '--placement', 'pack')),
        $node->put_back($s->{before}),
    );
}

# VMs start beside it, gc comes, and the same command does it
sub again_beside {
    my ($node, $run, $s) = @_;

    return (
        Crash::Life::lives($node, $run, { 100 => 1, 101 => 1 }, 100, 101),
        Crash::Life::collect($node, $run),
        Crash::Life::went('again', $run->call(@{$s->{command}})),
        $s->{done}->($node, $run, $s),
    );
}

# The same, and what a crash has left is gone before
sub again_swept {
    my ($node, $run, $s) = @_;

    return (
        Crash::Life::collect($node, $run),
        Crash::Life::nothing_left($node),
        again_beside($node, $run, $s),
    );
}

# Nothing else comes between
sub again_at_once {
    my ($node, $run, $s) = @_;

    return (
        Crash::Life::went('again', $run->call(@{$s->{command}})),
        $s->{done}->($node, $run, $s),
        Crash::Life::collect($node, $run),
    );
}

# A start meanwhile may be refused; the same command, and the VM lives
sub reconciled {
    my ($node, $run, $s) = @_;

    return (
        _meanwhile($node, $run),
        again_at_once($node, $run, $s),
        Crash::Life::lives($node, $run, { 100 => $s->{vgpus}, 101 => 1 }, 100, 101),
    );
}

# chained NAME WAY: a way out, on which the VM's own hookscript has been called in each phase of the VM's last life
sub chained {
    my ($name, $way) = @_;

    return [ $name => sub {
        my ($node, $run, $s) = @_;

        $node->forget_calls();
        return ($way->($node, $run, $s), $node->was_called(qw(pre-start post-start post-stop)));
    } ];
}

1;
