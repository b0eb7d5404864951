# SPDX-License-Identifier: AGPL-3.0-or-later
package Load::Random;

# Random numbers that are the same for a seed on every machine.

use strict;
use warnings;

sub new {
    my ($class, @seed) = @_;
    my $x = 88172645463325252;

    $x = (($x ^ $_) * 1103515245 + 12345) & 0x7fffffff for @seed, 1;
    return bless({ x => $x }, $class);
}

sub below {
    my ($self, $n) = @_;

    $self->{x} = ($self->{x} * 1103515245 + 12345) & 0x7fffffff;
    return ($self->{x} >> 8) % $n;
}

sub pick {
    my ($self, @from) = @_;

    return $from[$self->below(scalar(@from))];
}

1;
