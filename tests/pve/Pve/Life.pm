# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Life;

# A VM's start and end.

use strict;
use warnings;

use Time::HiRes qw(sleep);

use Pve::CommandLine;
use Pve::Config;
use Pve::Device;
use Pve::Hook;
use Pve::Lock;
use Pve::Qemu;
use Pve::Reservation;
use Pve::Vgpu;

# --- start ------------------------------------------------------------------

sub _set_environment {
    my ($node, $from) = @_;

    if (defined($from)) {
        $ENV{PVE_MIGRATED_FROM} = $from;
    } elsif ($node->{version}->does('migrated_always')) {
        $ENV{PVE_MIGRATED_FROM} = '';
    } else {
        delete $ENV{PVE_MIGRATED_FROM};
    }
    return;
}

# A template is started for its backup alone, and then without most of its config:
# without its devices, and without its hookscript.
sub _effective {
    my ($node, $conf) = @_;

    return $conf if !$conf->{template} || !$node->{version}->does('lean_template');
    return { map { defined($conf->{$_}) ? ($_ => $conf->{$_}) : () } qw(template name) };
}

sub _start_seconds {
    my ($node, $devices) = @_;

    return %$devices && $node->{version}->does('four_times') ? 120 : 30;
}

sub _fail_at {
    my ($node, $step) = @_;

    die "failing at '$step', as the test wants it\n" if ($node->{fail} // '') eq $step;
    return;
}

sub _command {
    my ($node, $vmid, $conf, $devices) = @_;

    Pve::Vgpu::choose($node, $vmid, $devices) if $node->{version}->does('vendor_vfio');
    return Pve::CommandLine::build($node, $vmid, $conf, $devices);
}

sub _reserved {
    my ($devices) = @_;

    return [ grep { defined } map { $_->{vf} } values %$devices ];
}

sub _prepare {
    my ($node, $vmid, $conf, $devices) = @_;
    my $first = Pve::Vgpu::prepare($node, $vmid, $devices);

    return Pve::CommandLine::uuid_option($node, $vmid, $conf, $first);
}

sub _tidy {
    my ($node, $vmid, $conf) = @_;

    return if !$node->{version}->does('tidy_failed_start');
    warn $@ if !eval { Pve::Vgpu::clean($node, $vmid, $conf); 1 };
    return;
}

# Up to 9.0.0 what fails while the command line is built stays as it is, and
# the volumes come last.
sub _devices_then_volumes {
    my ($node, $vmid, $conf, $devices) = @_;
    my @cmd = _command($node, $vmid, $conf, $devices);

    Pve::Reservation::reserve($node, _reserved($devices), $vmid, _start_seconds($node, $devices));
    if (!eval { push @cmd, _prepare($node, $vmid, $conf, $devices); 1 }) {
        my $why = $@;
        _tidy($node, $vmid, $conf);
        die $why;
    }
    _fail_at($node, 'volumes');
    return @cmd;
}

sub _volumes_then_devices {
    my ($node, $vmid, $conf, $devices) = @_;
    my @cmd;
    my $done = eval {
        _fail_at($node, 'volumes');
        @cmd = _command($node, $vmid, $conf, $devices);
        Pve::Reservation::reserve($node, _reserved($devices), $vmid,
            _start_seconds($node, $devices));
        push @cmd, _prepare($node, $vmid, $conf, $devices);
        1;
    };

    return @cmd if $done;
    my $why = $@;
    _tidy($node, $vmid, $conf);
    die $why;
}

sub _run_qemu {
    my ($node, $vmid, @cmd) = @_;

    $node->trace('kvm', @cmd);
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        umask(0077);
        $ENV{PVE_SIM_ROOT} = $node->{root} if $node->is_simulated();
        exec { $cmd[0] } @cmd or exit(127);
    }
    waitpid($pid, 0);
    die "QEMU ended with status " . ($? >> 8) . "\n" if $?;
    return;
}

sub _start_locked {
    my ($node, $vmid, $conf, %how) = @_;

    _set_environment($node, $how{migrated_from});
    Pve::Hook::call($node, $conf, $vmid, 'pre-start');
    my $lean = _effective($node, $conf);
    my $devices = Pve::Device::parse_all($node, $lean);
    $conf = $lean if $node->{version}->does('lean_hooks');
    my @cmd =
        $node->{version}->does('early_volumes')
        ? _volumes_then_devices($node, $vmid, $lean, $devices)
        : _devices_then_volumes($node, $vmid, $lean, $devices);
    push @cmd, '-S' if $how{paused};
    if (!eval { _run_qemu($node, $vmid, @cmd); 1 }) {
        my $why = $@;
        _tidy($node, $vmid, $conf);
        die "start failed: $why";
    }
    my $pid = Pve::Qemu::running($node, $vmid);
    warn $@ if !eval { Pve::Reservation::reserve($node, _reserved($devices), $vmid, undef, $pid); 1 };
    $node->write_file("/run/qemu-server/$vmid.cleanup", time())
        if $node->{version}->does('cleanup_flag');
    Pve::Hook::call($node, $conf, $vmid, 'post-start');
    return;
}

# start(NODE, VMID, HOW…): migrated_from, skip_lock, skip_template, paused
sub start {
    my ($node, $vmid, %how) = @_;
    my $lock = Pve::Lock::of_vm($node, $vmid);
    my $conf = Pve::Config::load($node, $vmid, $how{migrated_from});

    die "vm $vmid is a template\n" if $conf->{template} && !$how{skip_template};
    die "vm $vmid is locked: $conf->{lock}\n" if $conf->{lock} && !$how{skip_lock};
    die "vm $vmid runs already\n" if Pve::Qemu::running($node, $vmid);
    _start_locked($node, $vmid, $conf, %how);
    return;
}

# The command line, as it would be. Up to 9.0.0 it made what it names, without
# the VM's lock, and took that away again.
sub showcmd {
    my ($node, $vmid) = @_;
    my $conf = Pve::Config::load($node, $vmid);
    my $devices = Pve::Device::parse_all($node, $conf);
    my $dry = $node->{version}->does('dry_showcmd') || Pve::Qemu::running($node, $vmid);

    Pve::Vgpu::choose($node, $vmid, $devices, $dry) if $node->{version}->does('vendor_vfio');
    print join(' ', Pve::CommandLine::build($node, $vmid, $conf, $devices)), "\n";
    Pve::Vgpu::clean($node, $vmid, $conf)
        if !$dry && $node->{version}->does('vendor_vfio');
    return;
}

# --- end --------------------------------------------------------------------

sub _flag {
    my ($node, $vmid) = @_;

    return $node->path("/run/qemu-server/$vmid.cleanup");
}

# A node that has not been booted since the update still has the old way.
sub _has_flag_way {
    my ($node) = @_;

    return $node->{version}->does('cleanup_flag')
        && !-f $node->path('/run/qemu-server/force-legacy-cleanup');
}

sub _clean_up {
    my ($node, $vmid, $conf, %how) = @_;
    my $flag_way = _has_flag_way($node);

    return if $flag_way && !-f _flag($node, $vmid);
    Pve::Qemu::forget_files($node, $vmid);
    warn $@ if !eval { Pve::Vgpu::clean($node, $vmid, $conf); 1 };
    Pve::Hook::call($node, $conf, $vmid, 'post-stop') if $flag_way && !$how{no_hook};
    unlink(_flag($node, $vmid));
    return;
}

# PVE looks once a second, and by then the kernel has closed QEMU's files. Here a
# second is shorter, and on a slow machine that may take longer than it.
sub _let_go {
    my ($node, $pid) = @_;

    for (1 .. 6000) {
        return if !defined($pid) || Pve::Qemu::gone($node, $pid);
        sleep(0.01);
    }
    return;
}

# _wait_for_end(NODE, VMID, SECONDS, PID): PID is the QEMU that was seen before, if any
sub _wait_for_end {
    my ($node, $vmid, $seconds, $pid) = @_;

    for (1 .. $seconds) {
        my $now = Pve::Qemu::running($node, $vmid) // last;
        $pid = $now;
        $node->pause(1);
    }
    return 0 if Pve::Qemu::running($node, $vmid);
    _let_go($node, $pid);
    return 1;
}

# stop(NODE, VMID): `qm stop`; skip_lock as a backup has it
sub stop {
    my ($node, $vmid, %how) = @_;
    my $lock = Pve::Lock::of_vm($node, $vmid);
    my $pid = Pve::Qemu::running($node, $vmid) or return;
    my $conf = Pve::Config::load($node, $vmid);

    die "vm $vmid is locked: $conf->{lock}\n" if $conf->{lock} && !$how{skip_lock};
    Pve::Hook::call($node, $conf, $vmid, 'pre-stop');
    warn $@ if !eval { Pve::Qemu::qmp($node, $vmid, 'quit'); 1 };
    if (!_wait_for_end($node, $vmid, 60, $pid)) {
        warn "vm $vmid: QEMU does not end, killing it\n";
        kill('KILL', $pid);
        _wait_for_end($node, $vmid, 10, $pid);
    }
    _clean_up($node, $vmid, $conf);
    return;
}

# The target of a migration that has failed: without the VM's lock, and without
# waiting for QEMU to end.
sub stop_target {
    my ($node, $vmid, $from) = @_;
    my $pid = Pve::Qemu::running($node, $vmid);

    kill('TERM', $pid) if $pid;
    _clean_up($node, $vmid, Pve::Config::load($node, $vmid, $from));
    return;
}

# The source of a migration that has gone well: the config is the target's by now.
sub stop_source {
    my ($node, $vmid, $to) = @_;
    my $conf = Pve::Config::load($node, $vmid, $to);

    my $pid = Pve::Qemu::running($node, $vmid);
    Pve::Qemu::qmp($node, $vmid, 'quit') if $pid;
    _wait_for_end($node, $vmid, 60, $pid);
    _clean_up($node, $vmid, $conf, no_hook => 1);
    return;
}

sub _check_ended {
    my ($node, $vmid, $pid) = @_;
    my $seconds = $node->{version}->does('cleanup_flag') ? 30 : 0;

    die "vm $vmid: no clean-up, it runs\n" if !_wait_for_end($node, $vmid, $seconds, $pid);
    return;
}

# cleanup(NODE, VMID, CLEAN, GUEST, PID): `qm cleanup`, which comes when QEMU's
# monitor has closed: it told of its end; the guest wanted it; the process it was, if known
sub cleanup {
    my ($node, $vmid, $clean, $guest, $pid) = @_;

    return if !Pve::Config::exists_here($node, $vmid);
    my $lock = Pve::Lock::of_vm($node, $vmid, $node->{version}->does('patient_cleanup') ? 60 : 10);
    my $conf = Pve::Config::load($node, $vmid);
    _check_ended($node, $vmid, $pid);
    my $flag_way = _has_flag_way($node);
    _clean_up($node, $vmid, $conf) if !$clean || $guest || $flag_way;
    Pve::Hook::call($node, $conf, $vmid, 'post-stop') if !$flag_way;
    return;
}

# The clean-up of devices alone.
sub clean_devices {
    my ($node, $vmid) = @_;

    Pve::Vgpu::clean($node, $vmid, Pve::Config::load($node, $vmid));
    return;
}

1;
