import { readdir, readFile } from 'node:fs/promises';

/** Ticks of the kernel's clock in a second, as /proc counts; 100 on every Linux. */
const ticksPerSecond = 100;

/** Seconds of processor time that a process and its threads have used; undefined where /proc does not say. */
export async function processSeconds(pid: number | undefined): Promise<number | undefined> {
  const stat = await readStat(pid);
  return stat?.own;
}

/** The same for the server behind a backend: the postmaster, its children, and those that have ended. */
export async function serverSeconds(backend: number): Promise<number | undefined> {
  const postmaster = (await readStat(backend))?.parent;
  const parent = await readStat(postmaster);
  if (!parent) return undefined;
  let seconds = parent.own + parent.ended;
  for (const entry of await readdir('/proc').catch(() => [])) {
    const child = /^\d+$/.test(entry) ? await readStat(Number(entry)) : undefined;
    if (child && child.parent === postmaster) seconds += child.own;
  }
  return seconds;
}

interface Stat {
  readonly parent: number;
  readonly own: number;
  readonly ended: number;
}

async function readStat(pid: number | undefined): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // The second field, in parentheses, may hold spaces.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = (from: number) => (Number(fields[from]) + Number(fields[from + 1])) / ticksPerSecond;
  return { parent: Number(fields[1]), own: ticks(11), ended: ticks(13) };
}
