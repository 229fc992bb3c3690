// Installs the workspace with the pinned package manager, and does nothing when it is installed already.
// Built-in modules only: it runs before anything is installed, on whichever Node starts `npm`.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PNPM = '12.21.0';
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'node_modules', '.osa-setup');

const digest = fingerprint();
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== digest) {
  install();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
}

/** A SHA-256 over everything that decides what gets installed. */
function fingerprint() {
  const manifests = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/package.json`);
  const patches = existsSync(join(root, 'patches')) ? readdirSync(join(root, 'patches')) : [];
  const inputs = [
    'package.json',
    'pnpm-workspace.yaml',
    'pnpm-lock.yaml',
    ...manifests,
    ...patches.map((name) => `patches/${name}`),
  ];
  const hash = createHash('sha256').update(`${PNPM} ${process.platform} ${process.arch}\n`);
  for (const name of inputs.sort()) {
    const file = join(root, name);
    if (existsSync(file)) hash.update(`${name}\n`).update(readFileSync(file));
  }
  return hash.digest('hex');
}

function install() {
  console.error(`setup: installing with pnpm ${PNPM} (once; about ten seconds)`);
  // The outer npm hands its own configuration down as npm_* variables, which pnpm would take for its own.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  const args = ['--yes', `pnpm@${PNPM}`, 'install', '--frozen-lockfile', '--reporter=append-only'];
  const { status, error, stdout, stderr } = spawnSync('npx', args, {
    cwd: root,
    env: { ...env, CI: 'true' },
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  console.error(
    `setup: pnpm install failed${error ? `: ${error.message}` : ''}\n${stdout ?? ''}${stderr ?? ''}`,
  );
  process.exit(1);
}
