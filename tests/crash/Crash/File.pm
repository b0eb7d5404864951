# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::File;

# Whole files, and what a directory has.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(append files slurp spew);

sub slurp {
    my ($path) = @_;

    open(my $fh, '<', $path) or die "open '$path': $!\n";
    local $/ = undef;
    return <$fh> // '';
}

sub _write {
    my ($how, $path, $text) = @_;

    open(my $fh, $how, $path) or die "open '$path': $!\n";
    # One write: what sysfs and its kin take is a command each.
    if (length($text)) {
        defined(syswrite($fh, $text)) or die "write '$text' to '$path': $!\n";
    }
    close($fh) or die "write '$path': $!\n";
    return;
}

sub spew { return _write('>', @_) }

sub append { return _write('>>', @_) }

# Full paths of all that is in a directory, dot files among them; none where it is not there
sub files {
    my ($dir) = @_;

    opendir(my $dh, $dir) or return;
    my @names = sort(grep { !/^\.\.?$/ } readdir($dh));
    closedir($dh);
    return map { "$dir/$_" } @names;
}

1;
