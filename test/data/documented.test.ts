import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepare } from '../../examples/usgs-earthquakes/prepare.ts';
import { everything, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { type CliWorld, createCliWorld } from '../support/fixtures/cli-world.ts';
import { ended } from './archive.ts';

/** The commands of docs/data.md that read, run over the example. */

const root = join(import.meta.dirname, '../..');
const sent = 200;
let daemon: TestDaemon;
let world: CliWorld;

/** The lines of the code blocks under a heading, without their comments. */
function commandsUnder(heading: string): string[] {
  const text = readFileSync(join(root, 'docs/data.md'), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const blocks = [...section.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .filter(([, language]) => language === '')
    .map(([, , block = '']) => block);
  return blocks.flatMap((block) => block.trimEnd().split('\n')).map((line) => line.replace(/\s+#.*$/, ''));
}

/** The words of a command line, as a shell parts them. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, one, other, word]) => one ?? other ?? word ?? '',
  );
}

async function osa(argv: readonly string[]) {
  const token = (await daemon.bearer(everything)).replace('Bearer ', '');
  return world.osa(argv, { environment: { OSA_SERVER: daemon.url, OSA_TOKEN: token } });
}

beforeAll(async () => {
  daemon = await testDaemon();
  world = await createCliWorld();
  const deployed = await osa(['deploy', join(root, 'examples/usgs-earthquakes/convention.yaml')]);
  expect([deployed.code, deployed.code === 0 ? '' : deployed.stderr]).toEqual([0, '']);
  const body = prepare().records.split('\n').slice(0, sent).join('\n');
  const { id } = await daemon.call('ingest', { params: { slug: 'usgs-earthquakes' }, body });
  expect(await ended(daemon, id)).toMatchObject({ status: 'completed' });
}, 180_000);
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await daemon.close();
});

const reading = commandsUnder('Read records and rows');
const exporting = commandsUnder('Export');

test('the document has them', () => {
  expect(reading.filter((line) => line.startsWith('osa '))).toHaveLength(4);
  expect(reading.filter((line) => line.startsWith('curl '))).toHaveLength(2);
  expect(exporting.filter((line) => line.startsWith('osa export '))).toHaveLength(3);
});

test.each([...reading, ...exporting].filter((line) => line.startsWith('osa ')))('%s', async (line) => {
  const [, ...argv] = words(line);
  const { code, stdout, stderr } = await osa(argv);
  expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
  expect(stdout).not.toBe('');
});

const hasCurl = spawnSync('curl', ['--version']).status === 0;

test.skipIf(!hasCurl)('curl and DuckDB read the tables, with all rows', async () => {
  let rows = 0;
  for (const line of reading.filter((each) => each.startsWith('curl '))) {
    const [, ...argv] = words(line.replace('localhost:8080', daemon.url));
    // The daemon is in this process, which must not wait for the program.
    const { stdout } = await promisify(execFile)('curl', argv, { cwd: world.cwd, timeout: 20_000, env: {} });
    if (argv.includes('-s')) rows = stdout.trimEnd().split('\r\n').length - 1;
  }
  const [, , sql = ''] = words(reading.find((line) => line.startsWith('duckdb ')) ?? '');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(sql.replace(/'(.*)'/, `'${world.cwd}/$1'`));
  // Each record has a row of the hook; some of those that were sent are rejected.
  expect(rows).toBeGreaterThan(sent / 2);
  expect(reader.getRowsJson()).toEqual([[String(rows)]]);
  connection.closeSync();
  instance.closeSync();
});
