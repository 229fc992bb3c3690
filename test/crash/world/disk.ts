import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** A small disk of its own for the work directory of a daemon, which can be filled. It takes the right to mount. */
export interface Disk {
  fill(): Promise<void>;
  free(): Promise<void>;
  remove(): Promise<void>;
}

export async function canMount(directory: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const place = join(directory, 'probe');
  await mkdir(place);
  const { exitCode } = await mount(place);
  if (exitCode === 0) await execa('umount', [place]);
  await rm(place, { recursive: true });
  return exitCode === 0;
}

export async function mountDisk(place: string): Promise<Disk> {
  await mkdir(place, { recursive: true });
  const { exitCode, stderr } = await mount(place);
  if (exitCode !== 0) throw new Error(`mount: ${stderr}`);
  const filler = join(place, 'filler');
  return {
    async fill() {
      // It ends with ENOSPC, and what fitted stays.
      await writeFile(filler, Buffer.alloc(diskBytes)).catch(() => undefined);
    },
    free: () => rm(filler, { force: true }),
    remove: async () => {
      await execa('umount', ['--lazy', place], { reject: false });
    },
  };
}

const diskBytes = 1024 * 1024;

function mount(place: string) {
  return execa('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes},mode=700`, 'tmpfs', place], {
    reject: false,
  });
}
