import type { Mutant } from './mutants.ts';

const core = 'packages/core/src';
const tables = `${core}/postgres/migrations/0001_initial.sql`;

/** Defects of hooks in containers. */
export const containerMutants: readonly Mutant[] = [
  {
    name: 'memory-not-given',
    what: 'an attempt after one that ran out of memory is stored with more, and gets what the release says',
    defects: [
      {
        file: `${core}/runners/container/run-options.ts`,
        find: 'function limits({ memoryBytes, release }: Task): string[] {',
        replace:
          'function limits({ release }: Task): string[] {\n  const memoryBytes = release.limits.memory_bytes;',
      },
    ],
    inContainers: true,
  },
  {
    name: 'containers-stay',
    what: 'a container is not removed when its code has ended',
    defects: [
      {
        file: `${core}/runners/container/container-runner.ts`,
        find: 'void means.removal.remove(container);',
        replace: '',
      },
    ],
    inContainers: true,
    leavesBehind: true,
  },
  {
    name: 'finished-again',
    what: 'an attempt with more memory is given the records that the one before it had finished, too',
    defects: [
      {
        file: `${core}/run/attempts.ts`,
        find: 'this.part = this.part.filter(({ sourceId }) => open.has(sourceId));',
        replace: '',
      },
    ],
    inContainers: true,
  },
  {
    name: 'image-by-tag',
    what: 'the image is looked for by its tag, and nobody asks whether it is that of the release',
    defects: [
      {
        file: `${core}/runners/container/image.ts`,
        find: `const reference = \`\${name}@\${digest}\`;`,
        replace: `const reference = \`\${name}:latest\`;`,
      },
      {
        file: `${core}/runners/container/image.ts`,
        find: 'if (found && (withPrefix(found.Id) === digest || digestsOf(found).has(digest))) return found;',
        replace: 'if (found) return found;',
      },
    ],
    inContainers: true,
  },
  {
    name: 'output-reused',
    what: 'the attempts of a run write to one directory, without a quota, and find there what was written before',
    defects: [
      {
        file: `${core}/runners/shared/directory.ts`,
        find: `output: join(root, 'out'),`,
        replace: `output: join(root.replace(/\\d+$/, '1'), 'out'),`,
      },
      {
        file: `${core}/runners/shared/directory.ts`,
        find: 'for (const directory of [code, input, output, files, temporary]) await mkdir(directory);',
        replace:
          'for (const directory of [code, input, output, files, temporary]) await mkdir(directory, { recursive: true });',
      },
      {
        file: `${core}/runners/container/container-runner.ts`,
        find: `await means.quota?.mount(staged.output, join(staged.root, 'output.img'));`,
        replace: '',
      },
      {
        file: `${core}/runners/container/container-runner.ts`,
        find: 'hasQuota: quota !== undefined,',
        replace: 'hasQuota: false,',
      },
    ],
    inContainers: true,
  },
  {
    name: 'timeout-as-memory',
    what: 'the end that the runner itself makes of code that takes too long is taken for a lack of memory',
    defects: [
      {
        file: `${core}/runners/container/run-container.ts`,
        find: "if (ending !== 'exited') return { ...ended, ending };",
        replace:
          "if (ending !== 'exited') return { ...ended, ending: ending === 'timeout' ? 'out_of_memory' : ending };",
      },
    ],
    focus: { points: ['container.mid-output'], actions: ['hook-stall'] },
    inContainers: true,
  },
  {
    name: 'memory-not-stored',
    what: 'an attempt after one that ran out of memory gets more, and is stored with what the release says',
    defects: [
      {
        file: `${core}/run/attempt.ts`,
        find: '{ run: run.id, memoryBytes, runner: runner.name }',
        replace: '{ run: run.id, memoryBytes: limits.memory_bytes, runner: runner.name }',
      },
    ],
    inContainers: true,
  },
  {
    name: 'memory-on-release',
    what: 'more memory is stored on the release; the database does not refuse it',
    defects: [
      {
        file: `${core}/postgres/queue/attempts.ts`,
        find: '  if (!row) throw leaseLost(batch);\n  return row;',
        replace: `  if (!row) throw leaseLost(batch);\n  await sql\`select raise_limit(\${run}, \${memoryBytes})\`;\n  return row;`,
      },
      {
        file: tables,
        find: "array['actors', 'schemas', 'deploys', 'releases', 'release_sources', 'live_changes',",
        replace: "array['actors', 'schemas', 'deploys', 'release_sources', 'live_changes',",
      },
      {
        file: tables,
        find: 'create index on idempotency_keys (at);',
        replace: `create index on idempotency_keys (at);
create function raise_limit(run_id uuid, bytes bigint) returns void language sql security definer as $$
  update public.releases l set limits = jsonb_set(l.limits, '{memory}', to_jsonb((bytes / 1048576) || 'm'))
  from public.runs r where r.id = run_id and l.hook = r.hook and l.version = r.version $$;`,
      },
    ],
    inContainers: true,
  },
];
