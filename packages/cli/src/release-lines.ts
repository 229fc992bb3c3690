import type { Answer } from '@osa/core/api';
import { command, time } from './format.ts';
import { dim, type Line, line } from './paint.ts';

type Release = NonNullable<Answer<'showHook'>['live']>;

/** What a release runs and where it comes from, name by name. */
export function releaseLines(release: Release): (readonly [name: string, value: Line])[] {
  const { timeout_seconds, memory, cpu } = release.limits;
  return [
    ...(release.image === null ? [] : ([['image', release.image]] as const)),
    ['digest', release.digest],
    ...(release.command === null ? [] : ([['command', command(release.command)]] as const)),
    ['config', configLine(release)],
    ['limits', `${memory} memory, ${cpu} cpu, ${timeout_seconds} s`],
    ['source', release.source_ref],
    ['built by', line`${release.built_by}, ${time(release.built_at)}`],
  ];
}

function configLine({ config, config_digest }: Release): Line {
  if (config !== null) return JSON.stringify(config);
  return line`${config_digest} ${dim('(shown with the scope runs:read)')}`;
}
