# SPDX-License-Identifier: AGPL-3.0-or-later
package Load::Oracle;

# What must hold at every moment, whatever runs, and in the end. It looks from
# outside: at what the driver has, at the records, and at what the VMs were told.
# Every rule returns what is wrong, as texts.

use strict;
use warnings;

use Time::HiRes qw(sleep);

use Crash::File qw(files);

# In the order in which they are reported
our @RULES = (
    [ double => 'no two VMs have one vGPU or one VF' ],
    [ max => 'no GPU has more vGPUs than its type allows, or two sizes' ],
    [ taken => 'no vGPU of a VM that starts or runs is taken' ],
    [ foreign => 'what is foreign is there as it was, and on no record' ],
    [ lost => 'every vGPU is on a record' ],
    [ answers => 'every hook ends, with a status and a reason that its phase may have' ],
    [ waits => 'nobody waits in vain for a lock' ],
    [ left => 'nothing is left in the end: no vGPU, record, reservation, temporary file, held lock' ],
);

sub new {
    my ($class, $node, @foreign) = @_;

    return bless({ node => $node, foreign => \@foreign, wrong => {} }, $class);
}

sub key { return "$_[0]{parent} $_[0]{type} $_[0]{uuid}" }

# What is wrong goes to its rule, each text once.
sub blame {
    my ($self, $rule, @texts) = @_;

    $self->{wrong}{$rule}{$_} //= scalar(keys(%{$self->{wrong}{$rule}})) for @texts;
    return;
}

sub wrong {
    my ($self, $rule) = @_;
    my $of = $self->{wrong}{$rule} // {};

    return sort { $of->{$a} <=> $of->{$b} } keys(%$of);
}

# --- the rules --------------------------------------------------------------------------

# Of two records that name one place the first was still the same after the second was read: so both were there at once.
sub double_records {
    my ($self, @records) = @_;
    my (%whose, @wrong);

    for my $record (@records) {
        for my $vgpu (@{$record->{vgpus}}) {
            my @places = ($vgpu->{parent}, $vgpu->{uuid} eq '-' ? () : $vgpu->{uuid});

            for my $place (@places) {
                my $other = $whose{$place};

                push(@wrong, "vm $other->{vmid} and vm $record->{vmid} both have $place on record")
                    if $other && $self->{node}->unchanged($other);
                $whose{$place} = $record;
            }
        }
    }
    return @wrong;
}

# VMs that start or run: [ { vmid, places } ]
sub double_live {
    my ($self, @live) = @_;
    my (%whose, @wrong);

    for my $vm (@live) {
        for my $place (@{$vm->{places}}) {
            push(@wrong, "vm $whose{$place->{parent}} and vm $vm->{vmid} were both given $place->{parent}")
                if defined($whose{$place->{parent}});
            $whose{$place->{parent}} = $vm->{vmid};
        }
    }
    return @wrong;
}

sub too_many {
    my ($self, @there) = @_;
    my (%of, @wrong);

    push(@{$of{$self->{node}{gpu_of}{$_->{parent}} // 'no GPU'}{$_->{type}}}, $_) for @there;
    for my $gpu (sort(keys(%of))) {
        my %sizes;
        my $n = 0;
        my $max = 0;

        for my $type (sort(keys(%{$of{$gpu}}))) {
            my $known = $self->{node}{types}{$type} // { max_instance => 0, framebuffer_mib => 0 };

            $sizes{$known->{framebuffer_mib}} = 1;
            $n += @{$of{$gpu}{$type}};
            $max = $known->{max_instance} if $known->{max_instance} > $max;
        }
        push(@wrong, "GPU $gpu has $n vGPUs of types that allow $max") if $n > $max;
        push(@wrong, "GPU $gpu has vGPUs of several sizes: " . join(', ', sort(keys(%sizes)))) if keys(%sizes) > 1;
    }
    return @wrong;
}

sub taken {
    my ($self, $there, @live) = @_;
    my @wrong;

    for my $vm (@live) {
        for my $place (@{$vm->{places}}) {
            my $vgpu = $there->{key($place)};

            push(@wrong, "vm $vm->{vmid}, which $vm->{st}, has lost " . key($place)) if !$vgpu;
            push(@wrong, "QEMU of vm $vm->{vmid} has lost hold of " . key($place)) if $vgpu && $vm->{st} eq 'runs' && !$vgpu->{held};
        }
    }
    return @wrong;
}

sub foreign {
    my ($self, $there, @records) = @_;
    my %foreign = map { key($_) => 1 } @{$self->{foreign}};
    my @wrong = map { 'the foreign vGPU ' . key($_) . ' is gone' } grep { !$there->{key($_)} } @{$self->{foreign}};

    for my $record (@records) {
        push(@wrong, map { "vm $record->{vmid} has the foreign vGPU " . key($_) . ' on record' }
            grep { $_->{created} && $foreign{key($_)} } @{$record->{vgpus}});
    }
    return @wrong;
}

# There, and neither foreign nor on record
sub _unrecorded {
    my ($self, $there, @records) = @_;
    my %known = map { key($_) => 1 } @{$self->{foreign}}, map { @{$_->{vgpus}} } @records;

    return grep { !$known{$_} } sort(keys(%$there));
}

# A record goes after its vGPU, so one that is lost is so each time that is looked.
sub lost {
    my ($self, $there, @records) = @_;
    my @lost = $self->_unrecorded($there, @records);

    for (1 .. 3) {
        last if !@lost;
        sleep(0.03);
        my %now = map { key($_) => $_ } $self->{node}->there();
        my %still = map { $_ => 1 } $self->_unrecorded(\%now, $self->{node}->records());

        @lost = grep { $still{$_} } @lost;
    }
    return map { "vGPU $_ is on no record" } @lost;
}

# --- all of them ------------------------------------------------------------------------

sub look {
    my ($self, @live) = @_;
    my @there = $self->{node}->there();
    my %there = map { key($_) => $_ } @there;
    my @records = $self->{node}->records();

    $self->blame(double => $self->double_records(@records), $self->double_live(@live));
    $self->blame(max => $self->too_many(@there));
    $self->blame(taken => $self->taken(\%there, @live));
    $self->blame(foreign => $self->foreign(\%there, @records));
    $self->blame(lost => $self->lost(\%there, @records));
    return scalar(@there);
}

# A post-stop has said that PVE's list of reservations was busy for too long. Its line, of a QEMU that has ended, holds nothing.
sub reservation_told {
    my ($self, $vmid) = @_;

    $self->{told}{$vmid} = 1;
    return;
}

# No VM runs, gc has been there, and nobody else is at work.
sub look_in_the_end {
    my ($self) = @_;
    my $node = $self->{node};
    my %foreign = map { key($_) => 1 } @{$self->{foreign}};
    my $run = "$node->{root}/run/pve-vgpu";

    $self->blame(left =>
        map({ 'vGPU ' . key($_) . ' is left' } grep { !$foreign{key($_)} } $node->there()),
        map({ "record $_ is left" } grep { m!/[^/.][^/]*\.json$! } files($run), files("$run/standalone")),
        map({ "reservation '$_' is left" } grep { !/^\S+ (\d+) / || !$self->{told}{$1} } $node->reservations()),
        map({ "temporary file $_ is left" } $node->temporaries()),
        map({ "lock $_ is held" } $node->held_locks()),
    );
    return;
}

1;
