/**
 * The longest time, in milliseconds, that this thread computed without letting a timer of 5 ms in, while `work` ran. It
 * is counted in processor time of the thread, so that a busy machine does not lengthen it.
 */
export async function longestBusy(work: () => Promise<void>): Promise<number> {
  let longest = 0;
  let last = process.threadCpuUsage();
  const look = () => {
    const { user, system } = process.threadCpuUsage(last);
    longest = Math.max(longest, (user + system) / 1_000);
    last = process.threadCpuUsage();
  };
  const timer = setInterval(look, 5);
  await work();
  look();
  clearInterval(timer);
  return longest;
}

/** The processor time, in milliseconds, that this thread takes for `work`. */
export function busyFor(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}
