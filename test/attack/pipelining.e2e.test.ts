import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { until } from '../support/database/database.ts';
import { type ProjectDaemon, startProjectDaemon } from '../support/project-daemon.ts';
import { deafFlood, health, residentBytes, slowest } from './flood.ts';

vi.setConfig({ testTimeout: 120_000 });

/** Clients that pipeline without reading, against the built daemon as a process of its own. */

/** Many connections fill the memory only after some seconds. */
const floodMs = (connections: number) => (connections === 200 ? 8_000 : 3_000);
const mebi = 2 ** 20;
let stage: ProjectDaemon;
beforeAll(async () => {
  stage = await startProjectDaemon();
});
afterAll(() => stage.close());

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

describe.each([
  ['/health', get('/health')],
  ['nothing that exists', get('/nothing')],
  ['the list of hooks', get('/api/v1/hooks')],
  ['nothing, in as few bytes as there can be', 'GET / HTTP/1.1\r\n\r\n'],
])('requests for %s', (_name, text) => {
  test.each([1, 8, 200])('on %i connections leave the daemon well', async (connections) => {
    const { url, port } = stage.http;
    const quiet = await slowest(() => health(url), 1_000);
    const before = await residentBytes(url);
    const flood = await deafFlood(port, connections, text);
    let peak = 0;
    const ask = async () => {
      await health(url);
      if (Math.random() < 0.01) peak = Math.max(peak, await residentBytes(url));
    };
    const most = Math.max(250, quiet * 10);
    let flooded = await slowest(ask, floodMs(connections));
    // A machine that is busy with other things can spoil one round, and does not spoil all of them.
    for (let round = 1; round < 4 && flooded > most; round += 1)
      flooded = await slowest(ask, floodMs(connections));
    peak = Math.max(peak, await residentBytes(url));
    await flood.stop();
    await until(
      'the daemon to be as before',
      async () => (await slowest(() => health(url), 300)) < Math.max(50, quiet * 3),
    );
    expect(peak - before).toBeLessThan(150 * mebi);
    expect(flooded).toBeLessThan(most);
  });
});
