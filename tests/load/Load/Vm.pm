# SPDX-License-Identifier: AGPL-3.0-or-later
package Load::Vm;

# One VM's life: which phase of its hook comes next, what PVE and QEMU do before
# and after it, and what it may answer. Where it stands: it is off, starts (its
# pre-start has succeeded, and PVE holds the lock of its config), or runs.

use strict;
use warnings;

use Fcntl qw(LOCK_EX O_CREAT O_RDWR);

use Load::Node ();
use Load::Random;

# Why a phase may fail. A lock that was not to be had is no such reason.
my %MAY_FAIL = (
    'pre-start' => qr/no GPU of this node has room|which has no room|has room alone|no place worked within|cannot be removed/,
    'post-start' => qr/no QEMU of the VM runs/,
    'post-stop' => qr/ stays: |pci-id-reservations/,
);

sub new {
    my ($class, $node, $seed, $vmid, $wants) = @_;

    return bless({
        node => $node, vmid => $vmid, wants => $wants, st => 'is off', places => [], random => Load::Random->new($seed, $vmid),
    }, $class);
}

sub lives { return $_[0]{st} ne 'is off' }

# --- PVE and QEMU -----------------------------------------------------------------------

sub _lock {
    my ($self) = @_;

    my $path = "$self->{node}{root}/run/lock/qemu-server/lock-$self->{vmid}.conf";

    sysopen(my $fh, $path, O_RDWR | O_CREAT) or die "open '$path': $!\n";
    # pve-vgpu tries it for a moment, to see whether it is held.
    flock($fh, LOCK_EX) or die "lock '$path': $!\n";
    $self->{lock} = $fh;
    return;
}

sub _unlock { delete($_[0]{lock}); return }

sub _is_off {
    my ($self) = @_;

    @$self{qw(st places)} = ('is off', []);
    $self->_unlock();
    return;
}

sub _ids {
    my ($self) = @_;

    return map { Load::Node::id($_) } @{$self->{places}};
}

sub _qemu_begins {
    my ($self) = @_;

    $self->{node}->qemu($self->{vmid}, $self->_ids());
    $self->{st} = 'runs';
    return;
}

# At times the driver removes the vGPU itself.
sub _qemu_ends {
    my ($self) = @_;

    if (!$self->{random}->below(5)) {
        $self->{node}->removed_by_driver($_, $self->{random}->below(60)) for $self->_ids();
    }
    @$self{qw(st places)} = ('is off', []);
    $self->{node}->qemu_gone($self->{vmid});
    return;
}

# --- what comes next --------------------------------------------------------------------

sub _from_off {
    my ($self, $n) = @_;

    if ($n < 76) {
        $self->_lock();
        return 'pre-start';
    }
    # None of these has anything to do, unless an earlier start has left something.
    return $n < 88 ? 'post-stop' : $n < 94 ? 'post-start' : 'pre-stop';
}

sub _from_start {
    my ($self, $n) = @_;

    if ($n < 80) {
        $self->_qemu_begins();
        return 'post-start';
    }
    return 'pre-start' if $n < 90;
    # QEMU never came, and PVE calls nobody then.
    $self->_is_off();
    return $self->_from_off($self->{random}->below(100));
}

sub _from_running {
    my ($self, $n) = @_;

    if ($n < 60) {
        $self->_qemu_ends();
        return 'post-stop';
    }
    return $n < 68 ? 'pre-stop' : $n < 76 ? 'post-start' : $n < 84 ? 'pre-start' : 'post-stop' if $n < 90;
    # QEMU is killed, and nobody is called.
    $self->_qemu_ends();
    return $self->_from_off($self->{random}->below(100));
}

# The phase that is called next; what comes before it has happened.
sub next_phase {
    my ($self) = @_;
    my $n = $self->{random}->below(100);

    $self->{was} = $self->{st};
    my $phase = $self->{st} eq 'is off' ? $self->_from_off($n) : $self->{st} eq 'starts' ? $self->_from_start($n) : $self->_from_running($n);
    $self->{was} = $self->{st};
    return $phase;
}

# --- what came of it --------------------------------------------------------------------

# Its places as its record has them; what is wrong with them
sub _take_places {
    my ($self) = @_;
    my $record = $self->{node}->record($self->{vmid});
    my @places = map { { parent => $_->{parent}, type => $_->{type}, uuid => $_->{uuid} } } @{$record ? $record->{vgpus} : []};
    my @had = map { $_->{parent} } @{$self->{places}};
    my @wrong;

    push(@wrong, "vm $self->{vmid} has started, and has " . @places . " vGPUs on record, not $self->{wants}") if @places != $self->{wants};
    push(@wrong, "vm $self->{vmid} was given @had, and by a second pre-start other places") if @had && "@had" ne join(' ', map { $_->{parent} } @places);
    $self->{places} = \@places;
    $self->{st} = 'starts';
    return @wrong;
}

sub _reason {
    my ($self, $phase, $ran) = @_;
    my $what = "vm $self->{vmid}, which $self->{was}, $phase";

    return if $ran->{status} eq 'killed';
    return "$what: it ends with $ran->{status}: $ran->{said}" if $ran->{status} !~ /^[01]$/;
    return if $ran->{status} == 0;
    return "$what: it fails without a word" if $ran->{said} !~ /\S/;
    return if $MAY_FAIL{$phase} && $ran->{said} =~ $MAY_FAIL{$phase};
    # The lines before the failure tell of other things: which locks were waited for, which places refused.
    return "$what: it fails: " . ($ran->{said} =~ s/.*(pve-vgpu: vm \d+: )/$1/r);
}

# A phase has ended: { status (a number, or `killed` where it was on purpose), said }; what is wrong
sub ended {
    my ($self, $phase, $ran) = @_;
    my @wrong = $self->_reason($phase, $ran);

    if ($phase eq 'pre-start' && $self->{st} ne 'runs') {
        if ($ran->{status} eq '0') {
            push(@wrong, $self->_take_places());
        } else {
            $self->_is_off();
        }
    }
    $self->_unlock() if $self->{st} eq 'runs';
    push(@wrong, "vm $self->{vmid}: post-stop is done, and its record is there")
        if $phase eq 'post-stop' && !$self->lives() && $ran->{status} eq '0' && $self->{node}->record($self->{vmid});
    return @wrong;
}

# The end of its life, from wherever it is
sub end {
    my ($self) = @_;

    $self->_qemu_ends() if $self->{st} eq 'runs';
    $self->_is_off();
    $self->{was} = 'is off';
    return 'post-stop';
}

1;
