import { basename } from 'node:path';
import { StillpointError } from '../../model/errors.ts';
import { startReading, startWaiting, type WaitingProgram } from '../program.ts';

/** What takes a snapshot without perl; its last argument is the path of the snapshot. */
export const snapshotArgv = (top: string): readonly string[] => ['btrfs', 'subvolume', 'snapshot', '-r', top];

/**
 * BTRFS_IOC_SNAP_CREATE_V2 and struct btrfs_ioctl_vol_args_v2 with BTRFS_SUBVOL_RDONLY (linux/btrfs.h), as
 * `btrfs subvolume snapshot -r` does it: fd of the source, transid, flags, 32 bytes unused, name.
 */
const PERL = `
use strict; use Fcntl qw(O_RDONLY O_DIRECTORY);
my ($top, $folder) = @ARGV;
sysopen(my $source, $top, O_RDONLY | O_DIRECTORY) or die "$top: $!\\n";
sysopen(my $into, $folder, O_RDONLY | O_DIRECTORY) or die "$folder: $!\\n";
my $name = <STDIN>;
exit 0 unless defined $name and chomp $name;
ioctl($into, 0x50009417, pack('q Q Q x32 Z4040', fileno($source), 0, 2, $name)) or die "$name: $!\\n";
`;
/** Elsewhere ioctl numbers are put together in another way (asm/ioctl.h). */
const ARCHITECTURES: readonly string[] = ['x64', 'arm64'];

/**
 * Waits for the path of a snapshot of `top` in `folder`. Where there is perl, as on every Debian, it has opened both and only
 * makes the call: 4 ms less than a `btrfs` that has yet to be loaded (ADR 4). Without the word neither does anything.
 */
export async function waitToSnapshot(top: string, folder: string): Promise<WaitingProgram> {
  const argv = snapshotArgv(top);
  if (!ARCHITECTURES.includes(process.arch)) return startWaiting(argv);
  try {
    const reading = await startReading(['perl', '-e', PERL, top, folder], '\n', argv);
    return { ...reading, run: (path, limit) => reading.run(basename(path), limit) };
  } catch (cause) {
    if (cause instanceof StillpointError && cause.code === 'not-found') return startWaiting(argv);
    throw cause;
  }
}
