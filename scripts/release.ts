import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { dated, decisions, type Facts, obstacles } from './obstacles.ts';
import { presentLines, readReleased, recordReleased } from './released.ts';

/**
 * Gets a release ready: `node scripts/release.ts VERSION` checks the tree, the versions and the changelog, builds, and lets npm
 * say what it would publish. With --prepare it first dates the changelog, adds to the list of released migrations, saves a database
 * for the test of upgrades, and commits all that. With --tag it also makes the tag `vVERSION`. It publishes nothing; CI does that
 * from the tag, with provenance.
 */

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const packages = ['cli', 'daemon'] as const;
/** npm's limit for a package that people install without waiting. */
const mostBytes = 5_000_000;

async function factsOf(version: string): Promise<Facts> {
  const git = async (...args: string[]) =>
    (await execa('git', args, { cwd: root })).stdout.split('\n').filter(Boolean);
  const manifests = [
    'package.json',
    ...['cli', 'core', 'daemon'].map((name) => `packages/${name}/package.json`),
  ];
  const versions = await Promise.all(
    manifests.map(async (path) => {
      const { version: found = 'none' } = JSON.parse(await readFile(join(root, path), 'utf8')) as {
        version?: string;
      };
      return [path, found] as const;
    }),
  );
  const names = await readdir(join(root, 'packages/core/src/postgres/migrations'));
  return {
    version,
    changed: await git('status', '--porcelain'),
    tags: await git('tag', '--list'),
    changelog: await readFile(join(root, 'CHANGELOG.md'), 'utf8'),
    versions: Object.fromEntries(versions),
    migrations: names.filter((name) => /^\d{4}_.*\.sql$/.test(name)).sort(),
    digests: presentLines(),
    released: await readReleased(),
    dumps: (await readdir(join(root, 'test/upgrade'))).flatMap(
      (name) => /^(.+)\.sql\.gz$/.exec(name)?.[1] ?? [],
    ),
  };
}

/** Packs a package as npm would publish it. */
async function rehearse(name: (typeof packages)[number]): Promise<string[]> {
  const args = ['publish', '--dry-run', '--json', '--ignore-scripts', '--provenance=false'];
  const { stdout, stderr } = await execa('npm', args, { cwd: join(root, 'packages', name) });
  const corrections = stderr.split('\n').filter((line) => /invalid and removed|errors corrected/.test(line));
  if (corrections.length > 0)
    return [`npm would change packages/${name}/package.json: ${corrections.join(' ')}`];
  const answer = JSON.parse(stdout) as Packed | Readonly<Record<string, Packed>>;
  const packed = isPacked(answer) ? answer : Object.values(answer)[0];
  if (packed === undefined) return [`npm did not say what it would publish of packages/${name}`];
  console.log(`${packed.id}: ${packed.files.length} files, ${(packed.size / 1e6).toFixed(2)} MB`);
  return packed.size <= mostBytes ? [] : [`${packed.id} has ${packed.size} bytes; the bound is ${mostBytes}`];
}

interface Packed {
  readonly id: string;
  readonly size: number;
  readonly files: readonly unknown[];
}

function isPacked(answer: object): answer is Packed {
  return 'id' in answer && 'size' in answer;
}

/** Everything of a release that follows from the tree. The database comes first: it is the only part that can fail. */
async function prepare(facts: Facts): Promise<void> {
  const { version, changelog, dumps } = facts;
  const run = (file: string, ...args: string[]) => execa(file, args, { cwd: root, stdio: 'inherit' });
  if (!dumps.includes(version)) {
    await run(process.execPath, 'scripts/build.ts');
    await run(process.execPath, 'scripts/dump-release.ts', version);
  }
  await recordReleased();
  const date = new Date().toISOString().slice(0, 10);
  await writeFile(join(root, 'CHANGELOG.md'), dated(changelog, version, date));
  await run('git', 'add', 'CHANGELOG.md', 'packages/core/src/postgres/migrations', 'test/upgrade');
  await run('git', 'commit', '--quiet', '--message', `osa ${version}`);
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { tag: { type: 'boolean' }, prepare: { type: 'boolean' } },
  });
  const [version = ''] = positionals;
  const facts = await factsOf(version);
  if (values.prepare && decisions(facts).length === 0 && obstacles(facts).length > 0) await prepare(facts);
  const found = obstacles(await factsOf(version));
  if (found.length === 0) {
    await execa(process.execPath, ['scripts/build.ts'], { cwd: root, stdout: 'inherit' });
    for (const name of packages) found.push(...(await rehearse(name)));
  }
  for (const obstacle of found) console.error(`release: ${obstacle}`);
  if (found.length > 0) process.exitCode = 1;
  else if (values.tag) {
    await execa('git', ['tag', '--annotate', `v${version}`, '--message', `osa ${version}`], { cwd: root });
    console.log(`tagged v${version}; push it, and CI publishes`);
  } else console.log(`${version} is ready; --tag makes the tag v${version}`);
}
