# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Qemu;

# A VM's QEMU as PVE sees it: pid file, command line, QMP socket.

use strict;
use warnings;

sub pid_file { return "/var/run/qemu-server/$_[0].pid"; }
sub qmp_socket { return "/var/run/qemu-server/$_[0].qmp"; }

# /var/run is a link to /run, which leads out of a simulated node.
sub _here {
    my ($node, $file) = @_;

    $file =~ s|^/var/run/|/run/|;
    return $file;
}

sub _option_of {
    my ($option, @argv) = @_;

    for my $i (0 .. $#argv - 1) {
        return $argv[ $i + 1 ] if $argv[$i] =~ m/^--?\Q$option\E$/;
    }
    return '';
}

# The pid of the VM's QEMU, undef where none runs.
sub running {
    my ($node, $vmid) = @_;
    my $pid = $node->first_line(_here($node, pid_file($vmid))) // '';

    return undef if $pid !~ m/^\d+$/;
    my @argv = split(/\0/, $node->first_line("/proc/$pid/cmdline") // '');
    return undef if !@argv || $argv[0] !~ m!(?:kvm|(?:^|/)qemu-[^/]+)$!;
    return undef if _option_of('pidfile', @argv) ne pid_file($vmid);
    return undef if ($node->first_line("/proc/$pid/stat") // '') =~ m/\) [ZX] /;
    return $pid;
}

# gone(NODE, PID): that process has closed its files, too. Its command line is empty some time before that.
sub gone {
    my ($node, $pid) = @_;
    my @status = $node->lines("/proc/$pid/status") or return 1;

    # The first thread may be a zombie while others still have its files.
    return (grep { m/^State:\s+[ZX]/ } @status) && (grep { m/^Threads:\s+1$/ } @status);
}

sub forget_files {
    my ($node, $vmid) = @_;

    unlink(map { $node->path("/run/qemu-server/$vmid.$_") } qw(mon qmp pid vnc qga));
    return;
}

sub _answer {
    my ($socket, $vmid) = @_;

    while (defined(my $line = <$socket>)) {
        return if $line =~ m/^\{\s*"return"/;
        die "vm $vmid: QMP: $line" if $line =~ m/^\{\s*"error"/;
    }
    die "vm $vmid: QMP: the connection ended\n";
}

# qmp(NODE, VMID, COMMAND): dies where QEMU refuses it. The modules for sockets and JSON would be half of what perl has to read.
sub qmp {
    my ($node, $vmid, $command) = @_;

    my $path = $node->path(_here($node, qmp_socket($vmid)));
    # 1, 1: AF_UNIX, SOCK_STREAM.
    die "vm $vmid: connect to '$path': longer than such a path may be\n" if length($path) > 107;
    my $socket;
    socket($socket, 1, 1, 0) && connect($socket, pack('S a108', 1, $path))
        or die "vm $vmid: connect to '$path': $!\n";

    local $SIG{ALRM} = sub { die "vm $vmid: QMP: no answer to '$command'\n" };
    alarm(10);
    <$socket>;
    for my $name ('qmp_capabilities', $command) {
        syswrite($socket, "{\"execute\":\"$name\"}\n");
        _answer($socket, $vmid);
    }
    alarm(0);
    return;
}

1;
