# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Exec;

# From a child to the program that it is to be.

use strict;
use warnings;

use POSIX ();

# become OUT ERR COMMAND...: without input, output into these files, which may be one; it does not come back
sub become {
    my ($out, $err, @command) = @_;

    if (open(STDIN, '<', '/dev/null') && open(STDOUT, '>', $out) && ($err eq $out ? open(STDERR, '>&', \*STDOUT) : open(STDERR, '>', $err))) {
        no warnings 'exec';
        exec({ $command[0] } @command);
    }
    POSIX::_exit(127);
}

1;
