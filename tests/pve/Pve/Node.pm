# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Node;

# The node that all is done on: its root directory, the length of a second,
# and the trace of what was done, which the tests read.

use strict;
use warnings;

use Fcntl qw(O_APPEND O_CREAT O_WRONLY);
use Time::HiRes qw(sleep);

sub new {
    my ($class, %options) = @_;
    my $self = bless {%options}, $class;

    $self->{root} =~ s|/+$||;
    return $self;
}

sub path {
    my ($self, $absolute) = @_;

    return $self->{root} . $absolute;
}

sub is_simulated {
    my ($self) = @_;

    return $self->{root} ne '';
}

# What is to take that many seconds on a real node.
sub pause {
    my ($self, $seconds) = @_;

    sleep($seconds * $self->{tick});
    return;
}

sub trace {
    my ($self, @words) = @_;

    return if !defined($self->{trace});
    sysopen(my $fh, $self->{trace}, O_WRONLY | O_APPEND | O_CREAT)
        or die "open '$self->{trace}': $!\n";
    syswrite($fh, join(' ', @words) . "\n");
    close($fh);
    return;
}

# The first line without its end, undef where the file cannot be read.
sub first_line {
    my ($self, $absolute) = @_;

    open(my $fh, '<', $self->path($absolute)) or return undef;
    my $line = <$fh>;
    close($fh);
    return undef if !defined($line);
    chomp($line);
    return $line;
}

sub lines {
    my ($self, $absolute) = @_;

    open(my $fh, '<', $self->path($absolute)) or return ();
    my @lines = <$fh>;
    close($fh);
    chomp(@lines);
    return @lines;
}

# One write(2) to an attribute. False where it was refused: qemu-server before
# 8.2.5 did not see that, and takes what it asked for as done.
sub write_attribute {
    my ($self, $absolute, $text) = @_;
    my $blind = !$self->{version}->does('checked_write');

    open(my $fh, '>', $self->path($absolute)) or return $blind ? 1 : 0;
    my $written = syswrite($fh, $text);
    my $why = $!;
    close($fh);
    if (!defined($written)) {
        $self->trace('refused', $absolute, $text);
        return 1 if $blind;
        warn "'$absolute' does not take '$text': $why\n";
        return 0;
    }
    $self->trace('wrote', $absolute, $text);
    return 1;
}

# A whole file, in place at once.
sub write_file {
    my ($self, $absolute, $text) = @_;
    my $path = $self->path($absolute);

    open(my $fh, '>', "$path.tmp.$$") or die "open '$path.tmp.$$': $!\n";
    print $fh $text;
    close($fh) or die "write '$path.tmp.$$': $!\n";
    rename("$path.tmp.$$", $path) or die "rename to '$path': $!\n";
    return;
}

1;
