import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { removeEmbedded } from '@osa/core/postgres/embedded/embedded';
import { execa } from 'execa';
import { prepare } from '../examples/usgs-earthquakes/prepare.ts';

/**
 * The main job on real data: deploys the earthquake example, runs 1,707 records through two hooks, traces a row,
 * makes a second release, takes in a correction, rolls back and heals. It prints each command as a user types it, runs it
 * with the built programs and shows the real output. `--keep` leaves the daemon running.
 */
const { values: options } = parseArgs({ options: { keep: { type: 'boolean', default: false } } });
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const programs = { osa: 'packages/cli/dist/osa.js', osad: 'packages/daemon/dist/osad.js' };

await demo();

async function demo(): Promise<void> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'osa-demo-')));
  const environment = childEnvironment(directory);
  const daemon = startDaemon(directory, environment);
  try {
    await copyExample(directory);
    await listening(directory, daemon);
    await story(directory, environment);
    if (options.keep) return explainKeep(directory, daemon);
  } finally {
    if (!options.keep) await tidyUp(directory, daemon);
  }
  say('Done. Nothing is left running, and nothing is left on disk.');
}

async function story(cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  const osa = (...args: string[]) => show(cwd, env, args);
  const ask = (...args: string[]) => answer(cwd, env, args);

  say(
    'A dataset is declared in convention.yaml. Deploying it registers schema, hooks and releases in one step.',
  );
  await osa('deploy', 'convention.yaml');

  say(
    '1,707 events come in. Both hooks run over each of them; 28 are no earthquakes and are rejected, with a reason.',
  );
  await osa('ingest', 'usgs-earthquakes', 'records.ndjson');

  say('The rows are in PostgreSQL. Where does one of them come from?');
  await osa('rows', 'seismic_energy', '--limit', '3');
  const { rows } = await ask('rows', 'seismic_energy', '--limit', '1');
  await osa('trace', `seismic_energy/${rows[0].id}`);

  say('Release 2 of seismic_energy converts local magnitudes first. Everything else is declared unchanged.');
  await osa('deploy', 'convention.v2.yaml');

  say('A correction comes in: 30 changed records and 42 that are as before.');
  await osa('ingest', 'usgs-earthquakes', 'corrected.ndjson');

  say('The rows of the changed records name release 2; all others still name release 1.');
  await osa('rows', 'seismic_energy', '--release', '2', '--limit', '3');
  await osa('rows', 'seismic_energy', '--release', '1', '--limit', '3');

  say(
    'Something is wrong with release 2. The operator goes back, and its rows are computed again under release 1.',
  );
  const [left] = (await ask('rows', 'seismic_energy', '--release', '2', '--limit', '1')).rows;
  const reason = ['--reason', 'conversion under review'];
  await osa('hooks', 'rollback', 'seismic_energy', ...reason, '--heal', '--yes');
  await osa('hooks', 'history', 'seismic_energy');

  say('No row was deleted: the old ones say what superseded them, and why.');
  await osa('trace', `seismic_energy/${left.id}`);
}

function say(text: string): void {
  console.log(`\n# ${text}`);
}

/** Prints a command as it is typed, and runs it with our own output streams. */
async function show(cwd: string, env: NodeJS.ProcessEnv, args: readonly string[]): Promise<void> {
  console.log(`\n$ osa ${args.map((arg) => (/[\s']/.test(arg) ? JSON.stringify(arg) : arg)).join(' ')}`);
  await execa(process.execPath, [join(root, programs.osa), ...args], {
    cwd,
    env,
    extendEnv: false,
    stdio: ['ignore', 1, 1],
  });
}

async function answer(cwd: string, env: NodeJS.ProcessEnv, args: readonly string[]) {
  const { stdout } = await execa(process.execPath, [join(root, programs.osa), ...args, '--json'], {
    cwd,
    env,
    extendEnv: false,
  });
  return JSON.parse(stdout);
}

/** The settings of a user without any configuration; our own Node is the first on the path. */
function childEnvironment(directory: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(OSA_|npm_|DATABASE_URL$|NODE_)/.test(name));
  return {
    ...Object.fromEntries(kept),
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    XDG_CONFIG_HOME: join(directory, 'no-config'),
  };
}

/** A project as its author has it: the example's files under git, with the records made from the npm package. */
async function copyExample(directory: string): Promise<void> {
  const example = join(root, 'examples/usgs-earthquakes');
  for (const name of ['convention.yaml', 'convention.v2.yaml', 'hooks']) {
    await cp(join(example, name), join(directory, name), { recursive: true });
  }
  const { records, corrected } = prepare();
  await writeFile(join(directory, '.gitignore'), '.osa/\n*.ndjson\n');
  await writeFile(join(directory, 'records.ndjson'), records);
  await writeFile(join(directory, 'corrected.ndjson'), corrected);
  await commit(directory);
}

/** With git, the releases name the commit that they were built from. */
async function commit(cwd: string): Promise<void> {
  const who = ['-c', 'user.name=demo', '-c', 'user.email=demo@example.org', '-c', 'commit.gpgsign=false'];
  const hasGit = (await execa('git', ['--version'], { reject: false })).exitCode === 0;
  if (!hasGit) return;
  const git = (...args: string[]) => execa('git', [...who, ...args], { cwd });
  await git('init', '--quiet');
  await git('remote', 'add', 'origin', 'https://git.example.org/usgs/earthquakes.git');
  await git('add', '--all');
  await git('commit', '--quiet', '--message', 'Earthquakes of one week');
}

function startDaemon(directory: string, env: NodeJS.ProcessEnv): ChildProcess {
  say('One daemon for development: PostgreSQL, the API and a worker, with nothing to install.');
  console.log('\n$ osad --dev --port 0 &');
  const args = [join(root, programs.osad), '--dev', '--port', '0', '--dir', join(directory, '.osa')];
  // With --keep the daemon outlives us, so it gets its own process group: signals to ours do not reach it.
  const stream = options.keep ? 'ignore' : 'inherit';
  return spawn(process.execPath, args, {
    cwd: root,
    env,
    stdio: ['ignore', stream, stream],
    detached: options.keep,
  });
}

async function listening(directory: string, daemon: ChildProcess): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const text = await readFile(join(directory, '.osa/daemon.json'), 'utf8').catch(() => undefined);
    if (text !== undefined) return;
    if (daemon.exitCode !== null || Date.now() > deadline)
      throw new Error('the daemon did not start; see above');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function explainKeep(directory: string, daemon: ChildProcess): void {
  daemon.unref();
  say('The daemon is kept. To go on:');
  console.log(
    `\n  cd ${directory}\n  alias osa="${process.execPath} ${join(root, programs.osa)}"\n  osa hooks list`,
  );
  console.log(`\nTo end it: kill ${daemon.pid}, wait a moment, then rm -r ${directory}`);
}

async function tidyUp(directory: string, daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode === null && daemon.kill('SIGTERM')) await once(daemon, 'exit');
  const state = join(directory, '.osa');
  await mkdir(state, { recursive: true });
  await removeEmbedded(state);
  await rm(directory, { recursive: true, force: true });
}
