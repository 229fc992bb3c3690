import { appendFile } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { Answer } from '@osa/core/api';
import type { Problem } from '@osa/core/convention/manifest/problems';
import type { Manifest } from '@osa/core/convention/manifest/read';
import { asOsaError, OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import { visible } from '@osa/core/text';
import type { Context } from '../../command.ts';
import { githubActions } from '../../config/config.ts';
import { pipe, render } from '../../terminal/paint.ts';
import { differenceValue } from '../hooks/release-differences.ts';
import type { Difference, Part } from './lines.ts';

/**
 * A deploy in GitHub Actions: annotations at the lines of the file, and a summary of the job. Elsewhere
 * nothing is written. Annotations go to stderr, which the runner reads as well, so that stdout stays the result.
 * The format of commands: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
 */

/**
 * Does `work`; what it throws is annotated and put into the summary under `name`. `manifest` knows the places of the
 * server's refusals. Errors of `afterDeploy` come once the deploy is stored.
 */
export async function annotating<T>(
  context: Context,
  { name, manifest }: { readonly name: string; readonly manifest?: Manifest },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const known = asOsaError(error);
    if (known) {
      const problems = problemsOf(known, manifest);
      annotate(context, problems);
      const what = known instanceof AfterDeploy ? outcomes[known.releases] : 'not deployed';
      await summarise(context, { title: `${name}: ${what}`, parts: [], reasons: problems.map(textOf) });
    }
    throw error;
  }
}

/** The state of the releases of a deploy that is stored. */
type Releases = 'held' | 'unknown' | 'as the deploy says';

const outcomes: Readonly<Record<Releases, string>> = {
  held: 'deployed, its releases not made live',
  unknown: 'deployed; whether its releases are live is not known',
  'as the deploy says': 'deployed, and failed afterwards',
};

/** An error once the deploy is stored. */
class AfterDeploy extends OsaError {
  readonly releases: Releases;

  constructor(cause: OsaError, { id, releases }: { readonly id: string; readonly releases: Releases }) {
    const { code, message, field, details } = cause;
    const more =
      releases === 'unknown'
        ? `; whether the releases are live is not known, and osa deploys show ${id} says it`
        : '';
    super(code, `${message}${more}`, { field, details: { ...details, deploy_id: id }, cause });
    this.releases = releases;
  }
}

/** `error` with the deploy that is stored all the same. */
export function afterDeploy(
  error: unknown,
  { id, releases = 'as the deploy says' }: { readonly id: string; readonly releases: Releases | undefined },
): unknown {
  const known = asOsaError(error);
  return known ? new AfterDeploy(known, { id, releases }) : error;
}

/** Writes one `::error` for each problem. */
export function annotate({ sources, output }: Context, problems: readonly FoundProblem[]): void {
  const actions = githubActions(sources.environment);
  if (!actions) return;
  const place = (file: string) => fromWorkspace(resolve(sources.cwd, file), actions.workspace) ?? file;
  output.note(...problems.map((problem) => annotation(problem, problem.file && place(problem.file))));
}

/** A problem; one that is not of the file has no place. */
export type FoundProblem = Pick<Problem, 'message'> & Partial<Problem>;

/** The place of what the server calls `field`, such as `schema.fields.depth.type`: its names become positions. */
export function placed(
  manifest: Manifest,
  { field, message }: { readonly field: string; readonly message: string },
): FoundProblem[] {
  const path = field
    .replace(/^schema\.fields\.([^.]+)/, (all, name: string) => {
      const index = manifest.schema.fields.findIndex((known) => known.name === name);
      return index < 0 ? all : `schema.fields[${index}]`;
    })
    .replace(/^hooks\[(\d+)\]\.feature\.columns\.([^.]+)/, (all, hook: string, name: string) => {
      const columns = manifest.hooks[Number(hook)]?.feature.columns ?? [];
      const index = columns.findIndex((known) => known.name === name);
      return index < 0 ? all : `hooks[${hook}].feature.columns[${index}]`;
    })
    .replace(/^hooks\.([^.[]+)/, (all, name: string) => {
      const index = manifest.hooks.findIndex((known) => known.name === name);
      return index < 0 ? all : `hooks[${index}]`;
    });
  return problemsIn(manifest.problem(path, message)).map((problem) => ({ ...problem, path: field, message }));
}

/** A difference to something registered as a problem at its field. */
export function differenceProblem({ path, from, to }: Difference): {
  readonly field: string;
  readonly message: string;
} {
  const message = `${differenceValue(from)} → ${differenceValue(to)}; what is registered never changes`;
  return { field: path, message };
}

/** Sets outputs of the step: `deploy_id`, `changed`, `live` for a deploy that compares, and `version_<hook>` for each hook. */
export async function setOutputs(
  context: Context,
  {
    slug,
    changed,
    deploy_id,
    changes,
    live,
  }: Pick<Answer<'planDeploy'>, 'slug' | 'changed' | 'changes'> & {
    readonly deploy_id?: string;
    readonly live?: boolean;
  },
): Promise<void> {
  const outputs = {
    slug,
    changed: String(changed),
    ...(deploy_id !== undefined && { deploy_id }),
    ...(live !== undefined && { live: String(live) }),
    ...Object.fromEntries(changes.hooks.map(({ name, version }) => [`version_${name}`, String(version)])),
  };
  const lines = Object.entries(outputs).map(([name, value]) => `${name}=${value}\n`);
  await append(context, 'outputs', lines.join(''));
}

/** Appends a table of the parts to the job's summary. */
export async function summarise(
  context: Context,
  {
    title,
    parts,
    reasons,
  }: { readonly title: string; readonly parts: readonly Part[]; readonly reasons: readonly string[] },
): Promise<void> {
  const rows = parts.map(({ kind, name, state, differences }) => {
    const said = [render(state, pipe), ...differences].map(markdown).join('<br>');
    return `| ${kind} | ${markdown(name)} | ${said} |`;
  });
  const table = rows.length === 0 ? [] : ['| part | name | |', '|---|---|---|', ...rows, ''];
  const list = reasons.map((reason) => `- ${markdown(reason)}`);
  const lines = [`### ${markdown(title)}`, '', ...table, ...list, ''];
  await append(context, 'summary', `${lines.join('\n')}\n`);
}

const variables = { summary: 'GITHUB_STEP_SUMMARY', outputs: 'GITHUB_OUTPUT' } as const;

/** Adds to a file that the job collects. If that fails, a warning says so, and the command goes on. */
export async function append(
  { sources, output }: Context,
  kind: keyof typeof variables,
  text: string,
): Promise<void> {
  const file = githubActions(sources.environment)?.[kind];
  if (file === undefined) return;
  try {
    await appendFile(file, text);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    output.note(`${variables[kind]}: ${file} cannot be written (${code})`);
  }
}

function problemsOf(error: OsaError, manifest: Manifest | undefined): FoundProblem[] {
  const { field, message, details } = error;
  const ofFile = problemsIn(error);
  if (ofFile.length > 0) return ofFile;
  if (!manifest) return [{ message }];
  const told = [
    ...listOf(details.problems, isInputProblem),
    ...listOf(details.differences, isDifference).map(differenceProblem),
  ];
  if (told.length > 0) return told.flatMap((problem) => placed(manifest, problem));
  return field === undefined ? [{ message }] : placed(manifest, { field, message });
}

/** The problems of a file among what an error tells. */
function problemsIn({ details }: OsaError): Problem[] {
  return listOf(details.problems, isFileProblem);
}

function listOf<T>(details: unknown, isOne: (value: object) => value is T & object): T[] {
  const list: unknown[] = Array.isArray(details) ? details : [];
  return list.filter((value) => typeof value === 'object' && value !== null && isOne(value)) as T[];
}

function isFileProblem(value: object): value is Problem {
  return 'file' in value && 'line' in value && 'message' in value;
}

function isInputProblem(value: object): value is { readonly field: string; readonly message: string } {
  return 'field' in value && typeof value.field === 'string' && 'message' in value;
}

function isDifference(value: object): value is Difference {
  return 'path' in value && typeof value.path === 'string' && 'from' in value && 'to' in value;
}

function annotation(problem: FoundProblem, file: string | undefined): string {
  const place = { file, line: problem.line, col: problem.column };
  const properties = Object.entries(place)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${escapeProperty(String(value))}`);
  const command = properties.length === 0 ? '::error' : `::error ${properties.join(',')}`;
  return `${command}::${escapeData(textOf(problem))}`;
}

/** A problem with its path, which the server's messages begin with. */
function textOf({ path, message }: FoundProblem): string {
  return path && !message.startsWith(path) ? `${path}: ${message}` : message;
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/** Annotations name files from the root of the checkout; undefined for a file outside of it. */
function fromWorkspace(path: string, workspace: string | undefined): string | undefined {
  if (workspace === undefined) return undefined;
  const inside = relative(workspace, path);
  return inside === '' || inside.startsWith('..') || isAbsolute(inside)
    ? undefined
    : inside.replaceAll(sep, '/');
}

/** Text that stays text in a cell of a table. */
function markdown(text: string): string {
  return visible(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\\`*_[\]|#~@]/g, '\\$&');
}
