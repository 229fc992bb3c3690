import { once } from 'node:events';
import { access } from 'node:fs/promises';
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

test('a later one ends it at once, although code runs', async () => {
  const started = join(place, 'started');
  const code = `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(started)}, ''); for (;;) {}`;
  await writeProject(place, { code });
  await writeRecords(join(place, 'records.ndjson'), [['a', 1]]);
  expect((await osa(place, ['deploy'])).exitCode).toBe(0);
  await osa(place, ['ingest', 'numbers', 'records.ndjson', '--no-wait']);
  await until('the code to run', () =>
    access(started).then(
      () => true,
      () => false,
    ),
  );
  const ended = once(daemon.process, 'exit');
  await until('the daemon to end', async () => {
    daemon.process.kill('SIGINT');
    return daemon.process.exitCode !== null;
  });
  await ended;
  expect(daemon.process.exitCode).toBe(1);
});
