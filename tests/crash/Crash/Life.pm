# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Life;

# VMs' starts and stops with what must hold meanwhile. Every function returns
# what is wrong, as texts; nothing where all is right.

use strict;
use warnings;

use JSON::PP ();

use Crash::File qw(files slurp);

my $TYPE = 'nvidia-575';

# went WHAT RESULT: it must have ended with 0
sub went {
    my ($what, $ran) = @_;

    return if $ran->{status} == 0;
    return "$what: status $ran->{status}: " . join('; ', split(/\n/, "$ran->{out}$ran->{err}"));
}

# What the VM has on record, by id: UUID or VF
sub on_record {
    my ($node, $vmid) = @_;
    my $path = $node->record_path($vmid);
    my $state = -e $path ? eval { JSON::PP::decode_json(slurp($path)) } // {} : {};

    return map { $node->is_mdev ? $_->{uuid} : $_->{parent} } @{$state->{vgpus} // []};
}

# These VMs have so many vGPUs each, of the type, and none of them twice: { vmid => how many }
sub have_vgpus {
    my ($node, $wanted) = @_;
    my %there = map { $_->{id} => $_ } $node->vgpus();
    my (@wrong, %whose);

    for my $vmid (sort(keys(%$wanted))) {
        my @ids = on_record($node, $vmid);

        push(@wrong, "vm $vmid has " . @ids . " vGPUs on record, not $wanted->{$vmid}") if @ids != $wanted->{$vmid};
        for my $id (@ids) {
            push(@wrong, "$id is vm $vmid\'s and vm $whose{$id}\'s") if $whose{$id};
            push(@wrong, "$id is vm $vmid\'s and foreign") if $id eq $node->foreign();
            push(@wrong, "vm $vmid\'s $id is not there") if !$there{$id};
            push(@wrong, "vm $vmid\'s $id is of type $there{$id}{type}") if $there{$id} && $there{$id}{type} ne $TYPE;
            $whose{$id} = $vmid;
        }
    }
    return @wrong;
}

# Only what is foreign is left, and as it was; with more: these ids, too.
sub only_foreign {
    my ($node, @more) = @_;
    my %may = map { $_ => 1 } $node->foreign(), @more;
    my %there = map { $_->{id} => $_ } $node->vgpus();
    my $foreign = $there{$node->foreign()};
    my @wrong = map { "vGPU $_ on $there{$_}{parent} is leaked" } sort(grep { !$may{$_} } keys(%there));

    push(@wrong, 'the foreign vGPU is gone') if !$foreign;
    push(@wrong, 'the foreign vGPU is another: ' . join(' ', %$foreign))
        if $foreign && ($foreign->{type} ne $TYPE || $foreign->{parent} ne $node->{foreign_vf});
    return @wrong;
}

# Nothing of any VM is left but what is said: no vGPU, record, reservation, temporary file or lock.
sub nothing_left {
    my ($node) = @_;
    my $run = "$node->{root}/run/pve-vgpu";

    return (
        only_foreign($node),
        map({ "record $_ is left" } grep { m!/[^/.][^/]*\.json$! && !m!/mig\.json$! } files($run), files("$run/standalone")),
        map({ "reservation '$_' is left" } $node->reservations($node->{dead_reservations})),
        map({ "temporary file $_ is left" } $node->temporaries()),
        map({ "lock $_ is held" } $node->held_locks()),
    );
}

sub start {
    my ($node, $run, $vmid) = @_;

    return went("vm $vmid pre-start", $run->call($vmid, 'pre-start'));
}

sub running {
    my ($node, $run, $vmid) = @_;

    $node->qemu($vmid, on_record($node, $vmid));
    return went("vm $vmid post-start", $run->call($vmid, 'post-start'));
}

sub stop {
    my ($node, $run, $vmid) = @_;

    $node->qemu_gone($vmid);
    return went("vm $vmid post-stop", $run->call($vmid, 'post-stop'));
}

# What of a text is not as wanted, by lines; nothing where it is the same
sub differs {
    my ($name, $is, $wanted) = @_;

    return if $is eq $wanted;
    my %is = map { $_ => 1 } split(/\n/, $is);
    my %wanted = map { $_ => 1 } split(/\n/, $wanted);

    return join("\n", "$name is not as wanted:", map({ "- $_" } grep { !$is{$_} } split(/\n/, $wanted)),
        map({ "+ $_" } grep { !$wanted{$_} } split(/\n/, $is)), length($is) . " bytes for " . length($wanted));
}

# All of these VMs' lives side by side: { vmid => how many vGPUs }, in this order
sub lives {
    my ($node, $run, $wanted, @order) = @_;

    return (
        map({ start($node, $run, $_) } @order),
        have_vgpus($node, $wanted),
        map({ running($node, $run, $_) } @order),
        have_vgpus($node, $wanted),
        map({ stop($node, $run, $_) } @order),
    );
}

# gc, once what began is older than start-grace
sub collect {
    my ($node, $run) = @_;

    $node->time_passes();
    return went('gc', $run->call('gc'));
}

1;
