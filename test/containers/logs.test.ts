import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ended } from '@osa/core/run/runner';
import { expect, test, vi } from 'vitest';
import { longestBusy } from '../support/busy.ts';
import {
  type ContainerBench,
  describeContainers,
  logOf,
  suiteBench,
} from '../support/containers/container-support.ts';
import { podmanRunner } from '../support/containers/images.ts';

vi.setConfig({ testTimeout: 120_000 });

/** The output of a container on stdout and stderr. */

const mib = 2 ** 20;

let bench: ContainerBench;
describeContainers('the log of a container', () => {
  suiteBench((made) => {
    bench = made;
  });

  test('logs-01: may be a flood: its start and its end are kept, and neither memory nor the thread is filled', async () => {
    // Ten gibibytes would take minutes here; what a quarter of one does not fill, they do not.
    const flood = (mebibytes: number) =>
      bench.runScript(`echo start; head -c ${mebibytes * mib} /dev/zero | tr '\\0' x; echo; echo end`);
    await (await flood(16)).dispose();
    const peak = process.resourceUsage().maxRSS;
    let ending: Ended | undefined;
    const busy = await longestBusy(async () => {
      ending = await flood(256);
    });
    expect(ending).toMatchObject({ ending: 'exited', exitCode: 0, logBytes: 256 * mib + 11 });
    const log = logOf(ending ?? { log: new Uint8Array() });
    expect(log.length).toBeLessThan(mib + 100);
    expect([log.startsWith('start\n'), log.endsWith('\nend\n')]).toEqual([true, true]);
    expect(log).toMatch(/\[osa: \d+ bytes left out\]/);
    expect(busy).toBeLessThan(100);
    expect(process.resourceUsage().maxRSS - peak).toBeLessThan(50 * 1_024);
    await ending?.dispose();
  });

  test('logs-05: is kept as the bytes that it is', async () => {
    const ending = await bench.runScript(`printf '\\033]0;owned\\007\\377\\376\\000 no end of line'`);
    expect(Buffer.from(ending.log).toString('latin1')).toBe(
      '\u001b]0;owned\u0007\u00ff\u00fe\u0000 no end of line',
    );
    await ending.dispose();
  });

  test('logs-05: may be bytes of any kind', async () => {
    const ending = await bench.runScript('head -c 300000 /dev/urandom | tee $OSA_OUT/said');
    expect(await readFile(join(ending.outputDirectory, 'said'))).toEqual(Buffer.from(ending.log));
    expect(ending.logBytes).toBe(300_000);
    await ending.dispose();
  });

  test('is kept of one that is killed, too', async () => {
    const ending = await bench.runScript('echo before; sleep 60', { timeoutSeconds: 1 });
    expect([ending.ending, logOf(ending)]).toEqual(['timeout', 'before\n']);
    await ending.dispose();
  });

  test('logs-04: holds no secret of the daemon', async () => {
    const secrets = {
      DATABASE_URL: 'postgres://secret',
      OSA_TOKEN: 'secret',
      HTTPS_PROXY: 'http://secret@proxy',
    };
    const ending = await bench.runScript('env; cat /proc/*/environ; cat $OSA_IN/*; ls -R /osa', {
      records: [{ id: 'a', metadata: '{}' }],
      config: { a: 1 },
      runner: podmanRunner(20_000, secrets),
    });
    expect(logOf(ending)).toContain('OSA_HOOK_NAME=a_hook');
    expect(logOf(ending)).not.toMatch(/secret|TOKEN|DATABASE|PROXY/i);
    await ending.dispose();
  });
});
