import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findEmbedded, removeEmbedded } from '@osa/core/postgres/embedded/embedded';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { scratch, until } from '../support/database/database.ts';
import { type Daemon, osa, startDaemon } from '../support/programs.ts';
import { writeProject, writeRecords } from '../support/project.ts';

/** How the built daemon takes signals that ask it to stop. */

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let place: string;
let daemon: Daemon;
beforeEach(async () => {
  const made = await scratch();
  place = made.path;
  daemon = await startDaemon(place);
  return made.dispose;
});
afterEach(async () => {
  await daemon.end('SIGKILL');
  const server = await findEmbedded(join(place, '.osa'));
  if (server) process.kill(server.pid, 'SIGQUIT');
  await until('the server to end', async () => !(await findEmbedded(join(place, '.osa'))));
  await removeEmbedded(join(place, '.osa'));
});

test('two at once are one request to stop, as on Ctrl-C under npx: all is stopped in order', async () => {
  daemon.process.kill('SIGINT');
  daemon.process.kill('SIGTERM');
  await once(daemon.process, 'exit');
  expect(daemon.process.exitCode).toBe(0);
  expect(await findEmbedded(join(place, '.osa'))).toBeUndefined();
});

test('a later one ends it at once, and the code that runs with it', async () => {
  const started = join(place, 'started');
  const endless = `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(started)}, String(process.pid)); for (;;) {}`;
  await writeProject(place, { code: endless });
  await writeRecords(join(place, 'records.ndjson'), [['a', 1]]);
  expect((await osa(place, ['deploy'])).exitCode).toBe(0);
  await osa(place, ['ingest', 'numbers', 'records.ndjson', '--no-wait']);
  const pid = async () => Number(await readFile(started, 'utf8').catch(() => ''));
  await until('the code to run', async () => (await pid()) > 0);
  const ended = once(daemon.process, 'exit');
  await until('the daemon to end', async () => {
    daemon.process.kill('SIGINT');
    return daemon.process.exitCode !== null;
  });
  await ended;
  expect(daemon.process.exitCode).toBe(1);
  const code = await pid();
  await until('the code to end with it', async () => !isAlive(code));
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
