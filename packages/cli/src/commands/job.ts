import type { Answer } from '@osa/core/api';
import { green, type Line, line } from '../terminal/paint.ts';

type Job = Answer<'showDeploy'>['job'];

const shown = ['repository', 'commit', 'ref', 'workflow', 'run', 'environment'] as const;

/** The facts that the provider of a CI signed about a job; empty for a job that used a key. */
export function jobEntries(job: Job): (readonly [name: string, value: Line])[] {
  if (job === null) return [];
  const facts = shown.flatMap((name) => (job[name] === undefined ? [] : [`${name} ${job[name]}`]));
  return [['signed', line`${green('by')} ${job.provider ?? 'its CI'}: ${facts.join(', ')}`]];
}
