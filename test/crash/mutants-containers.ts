import type { Mutant } from './mutants.ts';

const core = 'packages/core/src';

/** Defects of hooks in containers. */
export const containerMutants: readonly Mutant[] = [
  {
    name: 'memory-not-given',
    what: 'an attempt after one that ran out of memory is stored with more, and gets what the release says',
    defects: [
      {
        file: `${core}/runners/container-options.ts`,
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
        file: `${core}/runners/container.ts`,
        find: 'await remove(engine, [name]);',
        replace: '',
      },
    ],
    inContainers: true,
  },
  {
    name: 'finished-again',
    what: 'an attempt with more memory is given the records that the one before it had finished, too',
    defects: [
      {
        file: `${core}/run/run-hook.ts`,
        find: 'this.open = this.open.filter(({ sourceId }) => unanswered.has(sourceId));',
        replace: '',
      },
    ],
    inContainers: true,
  },
];
