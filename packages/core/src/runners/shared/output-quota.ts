import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readFile,
  realpath,
  rm,
  rmdir,
  statfs,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { OsaError } from '../../error.ts';
import { bounds } from '../../limits.ts';
import { systemEnvironment } from '../../system/environment.ts';
import { systemCode } from '../../system/error.ts';

/**
 * A hard bound for what an attempt writes: its output directory is the root of a file system of its own, in a sparse
 * file. So the kernel bounds bytes and files, also those without a name or with too long a path. Nothing there can be
 * executed, and removing it always costs the same.
 */
export interface OutputQuota {
  /** Makes an empty directory the root of a new file system, which is kept in the file `image`. */
  mount(directory: string, image: string): Promise<void>;
}

const mib = 2 ** 20;
/** Room beyond the bound, so that output is found to be too large, and not only cut off. */
const sizeBytes = bounds.outputBytes + 64 * mib;
const spareFiles = 240;
const blockBytes = 4_096;
/** Without copies of the superblock, all that is not zero is at the start of the file. */
const headBytes = 16 * mib;

/** Inodes that ext4 keeps for itself. */
const ownFiles = 11;

/** A reader of the output may still have a file open. */
const unmountAgainMs = [20, 100, 500, 1_000];

/** @throws OsaError `unavailable` that says what this machine, or this user, lacks for it */
export async function outputQuota(): Promise<OutputQuota> {
  const place = await mkdtemp(join(tmpdir(), 'osa-quota-'));
  try {
    const blocks = await emptyFileSystem(join(place, 'template'));
    const proof = { directory: join(place, 'proof'), image: join(place, 'image') };
    await mkdir(proof.directory);
    await mountNew(blocks, proof.directory, proof.image);
    await unmountBelow(place);
    await system('fsck.ext4', ['-f', '-n', proof.image]);
    return { mount: (directory, image) => mountNew(blocks, directory, image) };
  } finally {
    await unmountBelow(place);
    await rm(place, { recursive: true });
  }
}

/** Whether more has been written under a quota than an output may have; unnamed and unreadable files count too. */
export async function isQuotaExceeded(directory: string): Promise<boolean> {
  const { bsize, blocks, bfree, files, ffree } = await statfs(directory);
  return (blocks - bfree) * bsize > bounds.outputBytes || files - ffree > bounds.outputEntries + ownFiles;
}

/**
 * Makes sure that a file written under a quota is kept, if there is one. The disk that holds the sparse file may be
 * full without a sign to the code that wrote.
 *
 * @throws with the system's code, such as EIO, when something was lost
 */
export async function requireKept(path: string): Promise<void> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  // The reader of the output reports a file that is missing or cannot be opened; anything but a file has nothing to
  // keep.
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined);
  if (file === undefined) return;
  await using opened = file;
  if ((await opened.stat()).isFile()) await opened.datasync();
}

/** Unmounts what is mounted below a directory, the last mount first; open files stay open. */
export async function unmountBelow(directory: string): Promise<void> {
  const mounts = await mountsBelow(await realpath(directory));
  for (const mount of mounts.reverse()) await unmount(mount);
}

interface Block {
  readonly position: number;
  readonly bytes: Buffer;
}

/** The blocks of an empty file system that are not zero: a dozen, which are written faster than made. */
async function emptyFileSystem(path: string): Promise<readonly Block[]> {
  await using file = await open(path, 'w+', 0o600);
  await file.truncate(sizeBytes);
  const inodes = String(bounds.outputEntries + spareFiles);
  const features = '^has_journal,^resize_inode,sparse_super2';
  const shape = ['-b', String(blockBytes), '-m', '0', '-N', inodes, '-O', features];
  const extended = 'num_backup_sb=0,lazy_itable_init=1,nodiscard';
  await system('mkfs.ext4', ['-q', '-F', ...shape, '-E', extended, path]);
  return await filledBlocks(file);
}

async function filledBlocks(file: FileHandle): Promise<readonly Block[]> {
  const head = Buffer.alloc(headBytes);
  await file.read(head, 0, headBytes, 0);
  const zeros = Buffer.alloc(blockBytes);
  const positions = Array.from({ length: headBytes / blockBytes }, (_, index) => index * blockBytes);
  return positions
    .map((position) => ({ position, bytes: head.subarray(position, position + blockBytes) }))
    .filter(({ bytes }) => !bytes.equals(zeros))
    .map(({ position, bytes }) => ({ position, bytes: Buffer.from(bytes) }));
}

async function write(blocks: readonly Block[], image: string): Promise<void> {
  await using file = await open(image, 'wx', 0o600);
  await file.truncate(sizeBytes);
  for (const { position, bytes } of blocks) await file.write(bytes, 0, bytes.length, position);
}

async function mountNew(blocks: readonly Block[], directory: string, image: string): Promise<void> {
  await write(blocks, image);
  // It need not survive the machine, and so waits for no disk.
  const options = 'loop,noexec,nosuid,nodev,noatime,nobarrier';
  await system('mount', ['-t', 'ext4', '-o', options, image, directory]);
  await rmdir(join(directory, 'lost+found'));
}

async function unmount(directory: string): Promise<void> {
  for (const waitMs of unmountAgainMs) {
    const error = await system('umount', [directory]).catch((refused: unknown) => refused);
    if (error === undefined) return;
    await delay(waitMs);
  }
  await system('umount', ['--lazy', directory]);
}

/** Mount points below a directory in the order in which they were mounted; none on systems that are not Linux. */
async function mountsBelow(directory: string): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  });
  return table
    .split('\n')
    .map((line) => unescaped(line.split(' ')[4] ?? ''))
    .filter((path) => path.startsWith(`${directory}/`));
}

/** Blanks, tabs, line ends and backslashes stand as octal numbers in mountinfo (proc(5)). */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Programs of the system, which stand where an ordinary user's PATH may not look. */
async function system(program: string, args: readonly string[]): Promise<undefined> {
  try {
    await promisify(execFile)(program, args, { env: systemEnvironment, timeout: 60_000 });
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string };
    const missing = systemCode(error) === 'ENOENT' ? 'is not installed' : undefined;
    const said = stderr.trim().split('\n')[0];
    const why = missing ?? (said || 'failed');
    throw new OsaError('unavailable', `${program} ${why}`, { details: { program }, cause: error });
  }
}
