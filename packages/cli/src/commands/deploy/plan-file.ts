import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Answer } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import type { Context } from '../../command.ts';
import { line, yellow } from '../../terminal/paint.ts';
import type { Changes } from './lines.ts';

/** A plan that was reviewed, as `--out` writes it and `--expect-plan` reads it. */
export interface PlanFile {
  readonly osa_plan: 1;
  readonly slug: string;
  readonly reviewed: NonNullable<Answer<'planDeploy'>['reviewed']>;
  readonly changes: Changes;
}

const mostBytes = 4 * 1024 * 1024;

/** @throws OsaError `usage` for a place that cannot be written, `conflict` for a plan that would be refused */
export async function writePlan(
  { sources }: Context,
  path: string,
  { slug, reviewed, changes }: Answer<'planDeploy'>,
): Promise<void> {
  if (reviewed === null) {
    throw new OsaError('conflict', `a deploy would be refused, so there is no plan to write to ${path}`);
  }
  const plan: PlanFile = { osa_plan: 1, slug, reviewed, changes };
  try {
    await writeFile(resolve(sources.cwd, path), `${JSON.stringify(plan, null, 2)}\n`);
  } catch (cause) {
    throw new OsaError('usage', `--out: ${path} cannot be written (${systemCode(cause) ?? 'unknown'})`, {
      cause,
      field: 'out',
    });
  }
}

/** @throws OsaError `usage` for a file that is not a plan */
export async function readPlan({ sources }: Context, path: string): Promise<PlanFile> {
  const wrong = (why: string, cause?: unknown) =>
    new OsaError('usage', `--expect-plan: ${path} ${why}; write one with osa deploy --plan --out ${path}`, {
      cause,
      field: 'expect-plan',
    });
  const bytes = await readFile(resolve(sources.cwd, path)).catch((cause: unknown) => {
    throw wrong(`cannot be read (${systemCode(cause) ?? 'unknown'})`, cause);
  });
  if (bytes.length > mostBytes) throw wrong('is too large for a plan');
  const { z } = await import('zod');
  const { routes } = await import('@osa/core/api');
  const { slug, reviewed, changes } = routes.planDeploy.response.shape;
  const shape = z.object({ osa_plan: z.literal(1), slug, reviewed: reviewed.unwrap().unwrap(), changes });
  try {
    return shape.parse(JSON.parse(bytes.toString('utf8')));
  } catch (cause) {
    throw wrong('is not a plan of osa', cause);
  }
}

/** The refusal of a deploy that differs from its plan, with the difference; any other error is as it was. */
export function explainPlan(error: unknown, { output }: Context, file: PlanFile): unknown {
  const known = asOsaError(error);
  const now = known?.details.reviewed as PlanFile['reviewed'] | undefined;
  if (known?.code !== 'conflict' || now === undefined) return error;
  if (now.archive !== file.reviewed.archive) {
    return refusal(known, `the plan is of the archive ${file.reviewed.archive}, and this is ${now.archive}`);
  }
  if (now.manifest_digest !== file.reviewed.manifest_digest) {
    return refusal(known, 'the convention file or a hook has changed since the plan was reviewed');
  }
  if (JSON.stringify(now.compare) !== JSON.stringify(file.reviewed.compare)) {
    const said = file.reviewed.compare ? 'other options of --compare' : 'no --compare';
    return refusal(known, `the plan was reviewed with ${said}`);
  }
  const [before, after] = [factsOf(file.changes), factsOf(known.details.changes as Changes)];
  const gone = before.filter((fact) => !after.includes(fact));
  const come = after.filter((fact) => !before.includes(fact));
  output.note(
    ...gone.map((fact) => line`${yellow('-')} reviewed: ${fact}`),
    ...come.map((fact) => line`${yellow('+')} would now: ${fact}`),
  );
  return refusal(known, 'the archive has changed since the plan was reviewed');
}

function refusal(cause: OsaError, why: string): OsaError {
  return new OsaError('conflict', `${why}; nothing was deployed: plan and review it again`, {
    ...{ cause, field: 'expect-plan', details: cause.details },
  });
}

/** The parts of a plan in words; configs are left out, since not everybody may see them. */
function factsOf(changes: Changes): string[] {
  const { convention, convention_fields, schema, hooks, removed_hooks } = changes;
  const fields = convention_fields.map(({ path }) => path).join(', ');
  return [
    `convention ${convention}${fields === '' ? '' : ` (${fields})`}`,
    `schema ${schema}`,
    ...hooks.map(({ name, hook, release, version, is_live, live_version }) => {
      const live = live_version === null ? 'none is live' : `v${live_version} is live`;
      return `hook ${name} ${hook}, release v${version} ${release}, ${is_live ? 'it becomes or stays live' : live}`;
    }),
    ...removed_hooks.map((name) => `hook ${name} no longer in the convention`),
  ];
}
