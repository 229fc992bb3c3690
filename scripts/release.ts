import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { presentLines, readReleased, recordReleased } from './released.ts';

/**
 * Gets a release ready: `node scripts/release.ts VERSION` checks the tree, the versions and the changelog, builds, and lets npm
 * say what it would publish. With --record it first writes the list of released migrations, to be committed. With --tag it
 * also makes the tag `vVERSION`. It publishes nothing; CI does that from the tag, with provenance.
 */

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const packages = ['cli', 'daemon'] as const;
/** npm's limit for a package that people install without waiting. */
const mostBytes = 5_000_000;

export interface Facts {
  readonly version: string;
  /** Lines of `git status --porcelain`. */
  readonly changed: readonly string[];
  readonly tags: readonly string[];
  readonly changelog: string;
  /** The version of each manifest, by its path. */
  readonly versions: Readonly<Record<string, string>>;
  /** Names of the migrations, in order. */
  readonly migrations: readonly string[];
  /** Their lines, and those of `released.sha256`. */
  readonly digests: readonly string[];
  readonly released: readonly string[];
  /** The databases of released versions that the test of upgrades has. */
  readonly dumps: readonly string[];
}

/** What stops a release, each with the next step; empty when nothing does. */
export function obstacles(facts: Facts): string[] {
  const { version, changed, tags, changelog, versions, migrations } = facts;
  const isVersion = /^\d+\.\d+\.\d+(-[0-9a-z.]+)?$/.test(version);
  const others = Object.entries(versions).filter(([, found]) => found !== version);
  const [heading = '', ...body] = sectionOf(changelog, version);
  return [
    ...(isVersion ? [] : [`${version || 'no version'}: give one such as 0.1.0`]),
    ...(changed.length === 0
      ? []
      : [`the tree is not clean (${changed[0]?.trim()}, …); commit or remove it`]),
    ...(tags.includes(`v${version}`) ? [`v${version} is tagged already; take the next version`] : []),
    ...others.map(([path, found]) => `${path} has the version ${found}; set ${version}`),
    ...(heading === '' ? [`CHANGELOG.md has no section "## ${version} (YYYY-MM-DD)"; write it`] : []),
    ...(heading !== '' && !/\(\d{4}-\d\d-\d\d\)$/.test(heading)
      ? [`CHANGELOG.md: "${heading}" has no date; write "## ${version} (YYYY-MM-DD)"`]
      : []),
    ...(heading !== '' && !body.some((line) => line.startsWith('- '))
      ? [`CHANGELOG.md: the section of ${version} is empty; say what changed`]
      : []),
    ...(migrations.every((name, index) => name.startsWith(String(index + 1).padStart(4, '0')))
      ? []
      : [`the migrations are not numbered without a gap: ${migrations.join(', ')}`]),
    ...migrationObstacles(facts),
  ];
}

/** From its release on, a migration is never edited, and databases of the release are upgraded by a test. */
function migrationObstacles({ version, digests, released, dumps }: Facts): string[] {
  const edited = released.filter((line) => !digests.includes(line));
  const missing = digests.filter((line) => !released.includes(line));
  return [
    ...edited.map(
      (line) => `${line.split('  ')[1]} was released and is edited or gone; restore it, and add another`,
    ),
    ...(edited.length === 0 && missing.length > 0
      ? [`${missing.length} migrations are not in released.sha256; write it with --record, and commit it`]
      : []),
    ...(dumps.includes(version)
      ? []
      : [`test/upgrade has no database of ${version}; make it: node scripts/dump-release.ts ${version}`]),
  ];
}

/** The heading of a version and the lines below it, up to the next one. */
function sectionOf(changelog: string, version: string): string[] {
  const lines = changelog.split('\n');
  const start = lines.findIndex((line) => line === `## ${version}` || line.startsWith(`## ${version} `));
  if (start < 0) return [];
  const length = lines.slice(start + 1).findIndex((line) => line.startsWith('## '));
  return lines.slice(start, length < 0 ? undefined : start + 1 + length);
}

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

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { tag: { type: 'boolean' }, record: { type: 'boolean' } },
  });
  const [version = ''] = positionals;
  if (values.record) await recordReleased();
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
