import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { execa } from 'execa';
import { requireForCommonJs, shared } from './build.ts';

/**
 * Makes the CLI one executable file that needs no Node: `node scripts/build-executable.ts [--out FILE] [--node FILE]`. It holds
 * this very Node and the whole CLI. `--node` takes the Node of another platform instead, of the same version, such as that of
 * linux-arm64: the file then runs there, without the cache of compiled code, which is made for this machine.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)));

export interface Executable {
  readonly out: string;
  /** The Node that it holds; by default this one. */
  readonly node?: string | undefined;
}

/** @returns the size of the file */
export async function buildExecutable({ out, node }: Executable): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'osa-executable-'));
  const main = join(directory, 'osa.mjs');
  const thread = join(directory, 'output-thread.cjs');
  const config = join(directory, 'sea.json');
  try {
    const entry = join(root, 'packages/cli/src/main.ts');
    await build({ ...shared, entryPoints: [entry], outfile: main, banner: { js: requireForCommonJs } });
    // A thread cannot start from the executable itself.
    const threadEntry = join(root, 'packages/core/src/run/output/thread-main.ts');
    await build({ ...shared, format: 'cjs', entryPoints: [threadEntry], outfile: thread });
    await mkdir(dirname(out), { recursive: true });
    const settings = {
      ...{ main, mainFormat: 'module', output: out, disableExperimentalSEAWarning: true },
      ...{ useCodeCache: node === undefined, execArgvExtension: 'none' },
      ...(node !== undefined && { executable: node }),
      assets: { 'output-thread.cjs': thread },
    };
    await writeFile(config, JSON.stringify(settings));
    await execa(process.execPath, ['--build-sea', config], { stdout: 'ignore' });
    return (await stat(out)).size;
  } finally {
    await rm(directory, { recursive: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { out: { type: 'string' }, node: { type: 'string' } } });
  const name = `osa-${process.platform}-${process.arch}`;
  const out = resolve(values.out ?? join(root, 'packages/cli/dist-executable', name));
  const node = values.node === undefined ? undefined : resolve(values.node);
  const bytes = await buildExecutable({ out, node });
  console.log(`${out}: ${(bytes / 1e6).toFixed(0)} MB`);
}
