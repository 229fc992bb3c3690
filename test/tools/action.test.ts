import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { scratch } from '../support/database/database.ts';

/** The action for GitHub, and the workflows of docs/ci.md: they can be read, and their commands run. */

const root = join(import.meta.dirname, '../..');
const action = parse(await readFile(join(root, 'action.yml'), 'utf8'));
const blocks = [...(await readFile(join(root, 'docs/ci.md'), 'utf8')).matchAll(/```yaml\n(.*?)```/gs)].map(
  ([, text = '']) => parse(text),
);

let place: Awaited<ReturnType<typeof scratch>>;
beforeEach(async () => {
  place = await scratch();
  await mkdir(join(place.path, 'bin'));
  // An npm that installs an osa which tells what it was asked for.
  const osa = `#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
[ "$1" = validate ] || printf 'slug=quakes\\nchanged=true\\nversion_density=4\\nversion_energy=2\\n' >> "$GITHUB_OUTPUT"
echo 'quakes deployed \`\`\`'
exit "\${OSA_EXIT:-0}"`;
  const npm = `#!/bin/sh
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/node_modules/.bin"
echo "$3" > "$PACKAGE"
cat > "$2/node_modules/.bin/osa" <<'END'
${osa}
END
chmod +x "$2/node_modules/.bin/osa"`;
  await writeFile(join(place.path, 'bin', 'npm'), npm, { mode: 0o755 });
  return () => place.dispose();
});

async function step(inputs: Record<string, string>) {
  const at = (name: string) => join(place.path, name);
  await writeFile(at('output'), '');
  const env = {
    PATH: `${at('bin')}:${process.env.PATH}`,
    ...{ GITHUB_OUTPUT: at('output'), CALLS: at('calls'), PACKAGE: at('package'), OSA_SERVER: '' },
    ...{
      INPUT_FILE: 'convention.yaml',
      INPUT_VERSION: '0.1.0',
      INPUT_RELEASE: '',
      INPUT_PLAN: '',
      ...inputs,
    },
  };
  const { exitCode } = await execa('bash', [join(root, 'scripts/action.sh')], {
    env,
    extendEnv: false,
    reject: false,
  });
  const read = (name: string) => readFile(at(name), 'utf8').catch(() => '');
  return {
    exitCode,
    output: await read('output'),
    calls: (await read('calls')).trim(),
    installed: (await read('package')).trim(),
  };
}

test.each([
  ['24.0.0', 'fits=true'],
  ['20.20.2', 'fits=false'],
  [undefined, 'fits=false'],
])('with Node %s the runner %s', async (version, said) => {
  const [looked, set, run] = action.runs.steps;
  const output = join(place.path, 'output');
  const node = `#!${process.execPath}
Object.defineProperty(process.versions, 'node', { value: '${version}' });
eval(process.argv[3]);`;
  const pretended = version === undefined ? '#!/bin/sh\nexit 127' : node;
  await writeFile(join(place.path, 'bin', 'node'), pretended, { mode: 0o755 });
  const env = { PATH: `${join(place.path, 'bin')}:${process.env.PATH}`, GITHUB_OUTPUT: output };
  await execa('bash', ['-eo', 'pipefail', '-c', looked.run], { env, extendEnv: false });
  expect(await readFile(output, 'utf8')).toBe(`${said}\n`);
  expect([looked.id, set.if]).toEqual(['node', expect.stringContaining("steps.node.outputs.fits != 'true'")]);
  expect(set).toMatchObject({
    uses: expect.stringMatching(/^actions\/setup-node@v\d+$/),
    with: { 'node-version': 24 },
  });
  expect(run.id).toBe('run');
});

test('the image of the GitLab workflow has a Node that runs osa', () => {
  const [, major] = blocks.flatMap(({ default: all }) => /node:(\d+)-/.exec(all?.image ?? '') ?? []);
  expect(Number(major)).toBeGreaterThanOrEqual(24);
});

test('a deploy is run by the pinned osa, and its outputs are set', async () => {
  const found = await step({
    INPUT_COMMAND: 'deploy',
    INPUT_RELEASE: 'density=ghcr.io/a/b@sha256:1\nenergy=c@sha256:2',
  });
  expect(found.installed).toBe('@osa/cli@0.1.0');
  expect(found.calls).toBe(
    'deploy convention.yaml --release density=ghcr.io/a/b@sha256:1 --release energy=c@sha256:2',
  );
  expect(found.output).toContain('versions={"density":4,"energy":2}');
  expect(found.exitCode).toBe(0);
});

test('a plan does not fail for changes, and its text cannot end its own fence', async () => {
  const { calls, output } = await step({ INPUT_COMMAND: 'plan', INPUT_PLAN: 'plan.json' });
  expect(calls).toBe('deploy --plan --exit-zero convention.yaml --out plan.json');
  expect(output).toMatch(/plan<<osa_[0-9a-f]{16}\n### osa plan\n\n```\nquakes deployed ` ` `\n```\nosa_/);
});

test('a deploy that compares says so, and ends as it ends', async () => {
  const { calls, exitCode } = await step({
    ...{ INPUT_COMMAND: 'deploy', INPUT_COMPARE: '200', INPUT_MAX_CHANGED: '1', OSA_EXIT: '3' },
  });
  expect([calls, exitCode]).toEqual(['deploy convention.yaml --compare 200 --max-changed 1', 3]);
});

test('a reviewed plan holds the deploy, a failure is one of the step, and another command is refused', async () => {
  const { calls, exitCode } = await step({ INPUT_COMMAND: 'deploy', INPUT_PLAN: 'plan.json', OSA_EXIT: '1' });
  expect([calls, exitCode]).toEqual(['deploy convention.yaml --expect-plan plan.json', 1]);
  expect((await step({ INPUT_COMMAND: 'destroy' })).exitCode).toBe(2);
});

describe('action.yml', () => {
  test('passes inputs by the environment only, never into a script', () => {
    for (const { run = '' } of action.runs.steps) expect(run).not.toContain('${{');
    const { env } = action.runs.steps.find(({ id }: { id?: string }) => id === 'run');
    const named = Object.values<string>(env).flatMap((text) => text.match(/inputs\.([\w-]+)/)?.[1] ?? []);
    expect(named.every((name) => name in action.inputs)).toBe(true);
  });
});

describe('docs/ci.md', () => {
  const [github, gitlab] = blocks;

  test('its workflow for GitHub uses inputs and outputs that the action has', () => {
    const steps = Object.values<{ steps: { uses?: string; with?: object; run?: string }[] }>(
      github.jobs,
    ).flatMap((job) => job.steps);
    const own = steps.filter(({ uses }) => uses?.startsWith('osa-archive/osa@'));
    expect(own).toHaveLength(3);
    for (const { with: inputs = {} } of own)
      expect(Object.keys(action.inputs)).toEqual(expect.arrayContaining(Object.keys(inputs)));
    const outputs = steps.flatMap(({ run = '' }) =>
      [...run.matchAll(/steps\.osa\.outputs\.(\w+)/g)].map(([, name]) => name),
    );
    expect(outputs.every((name) => name !== undefined && name in action.outputs)).toBe(true);
    expect(github.jobs.deploy.permissions['id-token']).toBe('write');
  });

  test('the scripts for GitLab are those of a shell', async () => {
    for (const job of Object.values<{ script?: string[] }>(gitlab)) {
      if (!Array.isArray(job.script)) continue;
      const { exitCode, stderr } = await execa('bash', ['-n', '-c', job.script.join('\n')], {
        reject: false,
      });
      expect([exitCode, stderr]).toEqual([0, '']);
    }
    expect(gitlab.deploy.id_tokens.OSA_ID_TOKEN.aud).toMatch(/^https:/);
  });
});
