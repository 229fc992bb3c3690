import type { Runner } from '../run/runner.ts';
import { foundContainerRunner } from './container/container-runner.ts';
import { engineNames } from './container/engine.ts';
import type { RunnerParts } from './parts.ts';
import { processRunner } from './process/process.ts';

interface RunnerKind {
  /** The values of OSA_RUNNER that choose it. */
  readonly settings: readonly string[];
  /** Its code can do all that the daemon can: production refuses it, development always has it. */
  readonly isDevelopmentOnly: boolean;
  /** @throws OsaError `usage` when this machine lacks what it needs */
  readonly make: (parts: RunnerParts) => Runner | Promise<Runner>;
}

/** Every runner. One is a file and an entry here, which the configuration and its checks follow; its help is in the daemon's `settings.ts`. */
export const runners = {
  process: { settings: ['process'], isDevelopmentOnly: true, make: processRunner },
  container: { settings: [...engineNames, 'auto'], isDevelopmentOnly: false, make: foundContainerRunner },
} as const satisfies Record<string, RunnerKind>;

export type RunnerSetting = (typeof runners)[keyof typeof runners]['settings'][number];

export const runnerSettings: readonly RunnerSetting[] = Object.values(runners).flatMap(
  ({ settings }) => settings,
);

/** The runners of a daemon: what `setting` chooses and, in development, what is only for that. */
export async function makeRunners(
  setting: RunnerSetting | 'none',
  parts: Omit<RunnerParts, 'setting'> & { readonly isDevelopment: boolean },
): Promise<Runner[]> {
  if (setting === 'none') return [];
  const kinds: RunnerKind[] = Object.values(runners).filter(
    ({ isDevelopmentOnly, settings }: RunnerKind) =>
      settings.includes(setting) || (isDevelopmentOnly && parts.isDevelopment),
  );
  return Promise.all(kinds.map(({ make }) => make({ ...parts, setting })));
}

/** Whether a setting chooses a runner whose code can do all that the daemon can. */
export function isDevelopmentOnly(setting: RunnerSetting | 'none'): boolean {
  const kinds: RunnerKind[] = Object.values(runners);
  return kinds.some((kind) => kind.isDevelopmentOnly && kind.settings.includes(setting));
}
