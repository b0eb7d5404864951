# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Results;

# What each scenario has come to, by kind, kept in a directory: below a name for
# the program that was tried, so that one table is of one build. A run that was
# ended goes on from there.

use strict;
use warnings;

use Digest::SHA ();
use File::Path qw(make_path);

use Crash::File qw(files slurp spew);

my $COUNT = qr/^(\d+) points tried, (\d+) passed$/m;

# program: what is tried; note: what is known of it, for who reads the table
sub new {
    my ($class, $dir, $program, $note) = @_;
    my $build = substr(Digest::SHA->new(256)->addfile($program, 'b')->hexdigest, 0, 12);
    my $self = bless({ dir => $dir, build => $build, at => "$dir/$build" }, $class);

    make_path($self->{at});
    if (!-e $self->program()) {
        spew("$self->{at}/note", "$note\n");
        spew($self->program() . '.part', slurp($program));
        chmod(0755, $self->program() . '.part');
        rename($self->program() . '.part', $self->program()) or die "rename to '" . $self->program() . "': $!\n";
    }
    return $self;
}

# A copy of it, which stays as it is while the project is built anew
sub program { return "$_[0]{at}/pve-vgpu" }

# A cell's words while it is being tried, and then
sub part { return "$_[0]{at}/$_[1].$_[2].part" }

sub _path { return "$_[0]{at}/$_[1].$_[2]" }

sub have {
    my ($tried) = count(@_);

    return defined($tried);
}

# Cells are a file each, there as a whole or not at all; one whose run ended without a count stays .part
sub keep {
    my ($self, @cell) = @_;
    my $part = $self->part(@cell);

    return 0 if !-e $part || slurp($part) !~ $COUNT;
    rename($part, $self->_path(@cell)) or die "rename '$part': $!\n";
    return 1;
}

# Other programs' results, which serve where this one has none, the first that has some
sub also {
    my ($self, @builds) = @_;

    for my $build (@builds) {
        -d "$self->{dir}/$build" or die "no results '$self->{dir}/$build'\n";
        push(@{$self->{also}}, bless({ build => $build, at => "$self->{dir}/$build" }, ref($self)));
    }
    return;
}

# tried and passed of a cell, and which of the other programs' they are, 0: this one's; nothing where it is not there
sub count {
    my ($self, @cell) = @_;
    my $which = 0;

    for my $results ($self, @{$self->{also} // []}) {
        my $path = $results->_path(@cell);

        return (slurp($path) =~ $COUNT, $which) if -e $path;
        $which++;
    }
    return;
}

# Those of the scenarios that have points of that kind: one that polls does not read in fixed numbers
sub with {
    my ($kind, @scenarios) = @_;

    return grep { $kind ne 'read' || !$_->{polls} } @scenarios;
}

# The table of docs/crash.md: scenarios, kinds. Its lines, tried, passed, and the cells that are missing
sub table {
    my ($self, $scenarios, $kinds) = @_;
    my ($tried, $passed, @lines, @missing) = (0, 0);

    for my $s (@$scenarios) {
        my @cells;

        for my $kind (@$kinds) {
            my ($t, $p, $other) = $self->count($s->{name}, $kind);

            push(@cells, defined($t) ? "$p/$t" . ($other ? ' ' . '*' x $other : '') : with($kind, $s) ? '-' : '');
            push(@missing, "$s->{name} $kind") if $cells[-1] eq '-';
            $tried += $t // 0;
            $passed += $p // 0;
        }
        push(@lines, '| ' . join(' | ', $s->{name}, @cells) . ' |');
    }
    return { lines => \@lines, tried => $tried, passed => $passed, missing => \@missing };
}

sub note {
    my ($self) = @_;

    chomp(my $note = slurp("$self->{at}/note"));
    my $which = 0;

    return join('; ', "program $self->{build}, $note", map { '*' x ++$which . ' ' . $_->note() } @{$self->{also} // []});
}

1;
