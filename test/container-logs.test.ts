import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { longestBusy } from './busy.ts';
import { type ContainerBench, containerBench, describeContainers, logOf } from './container-support.ts';
import { removeImages } from './images.ts';

vi.setConfig({ testTimeout: 120_000 });

/** What a container says on stdout and stderr. */

let bench: ContainerBench;
describeContainers('the log of a container', () => {
  beforeAll(async () => {
    bench = await containerBench();
  });
  afterAll(async () => {
    await bench.dispose();
    await removeImages();
  });

  it('logs-01: may be a flood: its start and its end are kept, and neither memory nor the thread is filled', async () => {
    const bytes = 256 * 2 ** 20;
    const memory = process.memoryUsage.rss();
    let ending: Awaited<ReturnType<ContainerBench['runScript']>> | undefined;
    const busy = await longestBusy(async () => {
      ending = await bench.runScript(`echo start; head -c ${bytes} /dev/zero | tr '\\0' x; echo; echo end`);
    });
    expect(ending).toMatchObject({ outcome: 'exited', exitCode: 0, logBytes: bytes + 11 });
    const log = logOf(ending ?? { log: new Uint8Array() });
    expect(log.length).toBeLessThan(1_100_000);
    expect([log.startsWith('start\n'), log.endsWith('\nend\n')]).toEqual([true, true]);
    expect(log).toMatch(/\[osa: \d+ bytes left out\]/);
    expect(busy).toBeLessThan(100);
    expect(process.memoryUsage.rss() - memory).toBeLessThan(128 * 2 ** 20);
    await ending?.dispose();
  });

  it('logs-05: is kept as the bytes that it is', async () => {
    const ending = await bench.runScript(`printf '\\033]0;owned\\007\\377\\376\\000 no end of line'`);
    expect(Buffer.from(ending.log).toString('latin1')).toBe(
      '\u001b]0;owned\u0007\u00ff\u00fe\u0000 no end of line',
    );
    await ending.dispose();
  });

  it('is kept of one that is killed, too', async () => {
    const ending = await bench.runScript('echo before; sleep 60', { timeoutSeconds: 1 });
    expect([ending.outcome, logOf(ending)]).toEqual(['timeout', 'before\n']);
    await ending.dispose();
  });

  it('logs-04: holds no secret of the daemon', async () => {
    const ending = await bench.runScript('env; cat $OSA_IN/records.jsonl', {
      records: [{ id: 'a', metadata: '{}' }],
    });
    const names = logOf(ending)
      .split('\n')
      .map((line) => line.split('=')[0] ?? '')
      .filter((name) => /TOKEN|SECRET|KEY|PASSWORD|DATABASE|PROXY/i.test(name));
    expect(names).toEqual([]);
    await ending.dispose();
  });
});
