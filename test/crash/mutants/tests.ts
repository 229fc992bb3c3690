import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Mutant } from './mutants.ts';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../../..');

interface Results {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** The first test of the mutant's file that fails over the source with its defects; undefined when all pass. */
export async function failingTest({ name, test = '' }: Mutant): Promise<string | undefined> {
  const config = join(here, 'vitest.config.ts');
  const directory = await mkdtemp(join(tmpdir(), 'osa-mutant-'));
  const report = join(directory, 'report.json');
  try {
    const { stderr } = await execa(
      join(root, 'node_modules/.bin/vitest'),
      ['run', '--config', config, '--reporter', 'json', '--outputFile', report, test],
      { cwd: root, env: { OSA_MUTANT: name }, reject: false },
    );
    const text = await readFile(report, 'utf8').catch(() => undefined);
    if (text === undefined) throw new Error(`the tests of ${name} did not run: ${stderr}`);
    return firstFailure(JSON.parse(text) as Results);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function firstFailure({ testResults }: Results): string | undefined {
  const failed = testResults.flatMap(({ name: file, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName }) => `${relative(root, file)}: ${fullName.trim()}`),
  );
  return failed[0];
}
