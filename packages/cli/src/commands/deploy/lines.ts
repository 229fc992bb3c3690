import type { Answer } from '@osa/core/api';
import type { Manifest } from '@osa/core/convention/manifest/read';
import { command, version } from '../../terminal/format.ts';
import { bold, dim, green, joined, type Line, line, red, yellow } from '../../terminal/paint.ts';
import { table } from '../../terminal/table.ts';
import { keptLines } from '../hooks/kept-lines.ts';
import { differenceRows, differenceValue } from '../hooks/release-differences.ts';

export type Changes = Answer<'deploy'>['changes'];
type HookChange = Changes['hooks'][number];
export type Difference = HookChange['differences'][number];

/** One part of a convention, and what becomes of it. */
export interface Part {
  readonly kind: 'convention' | 'schema' | 'hook' | 'ingester';
  readonly name: string;
  readonly state: Line;
  /** The differences, one line each; the plan's reasons say why it is refused. */
  readonly differences: readonly string[];
}

/** The changes of a deploy, part by part. `again` is the command line that was given. */
export function deployLines(answer: Answer<'deploy'>, again: readonly string[]): Line[] {
  const { slug, changed, schema_id, changes, warnings, still_running } = answer;
  return [
    changed ? line`${bold(slug)} deployed` : line`${bold(slug)}: nothing changed`,
    ...partTable(deployParts(changes, { slug, schema: `${schema_id.id}@${schema_id.version}` })),
    ...warningLines(warnings),
    ...changes.hooks.flatMap(({ name, version: live }) => {
      const kept = still_running.filter(({ hook }) => hook === name);
      return keptLines(kept, { live, again: `osa hooks activate ${name} ${live} --cancel-running` });
    }),
    ...notLiveLines(changes, again),
  ];
}

function warningLines(warnings: readonly string[]): Line[] {
  return warnings.map((warning) => line`${yellow('warning:')} ${warning}`);
}

/** The changes that a deploy would make, part by part, with the reasons. */
export function planLines(
  { slug, changed, refused, reasons, changes, warnings }: Answer<'planDeploy'>,
  {
    schema,
    hooks,
    again,
  }: {
    readonly schema: string;
    readonly hooks: Manifest['hooks'];
    readonly again: readonly string[];
  },
): Line[] {
  const parts = deployParts(changes, { slug, schema });
  const verdict = refused
    ? red('a deploy would be refused')
    : changed
      ? yellow('changes pending')
      : 'a deploy would change nothing';
  return [
    line`${bold(slug)}: ${verdict}`,
    ...partTable(parts),
    ...parts
      .filter(({ kind }) => kind !== 'hook')
      .flatMap(({ differences }) => differences.map((text) => `  ${text}`)),
    ...changes.hooks.flatMap(releaseLines),
    ...reasons.map((reason) => line`${red('refused:')} ${reason}`),
    ...warningLines(warnings),
    ...doubleLines(changes, hooks),
    ...notLiveLines(changes, again),
  ];
}

export function partTable(parts: readonly Part[]): Line[] {
  return table(
    ['part', 'name', ''],
    parts.map(({ kind, name, state }) => [kind, name, state]),
  );
}

export function deployParts(
  changes: Changes,
  { slug, schema }: { readonly slug: string; readonly schema: string },
): Part[] {
  const fields = changes.convention_fields;
  return [
    {
      kind: 'convention',
      name: slug,
      state: stateOf(
        changes.convention,
        changes.convention === 'updated' ? fields.map(({ path }) => path) : [],
      ),
      differences: changes.convention === 'updated' ? fields.map(differenceText) : [],
    },
    { kind: 'schema', name: schema, state: stateOf(changes.schema), differences: [] },
    ...changes.hooks.map(
      (change): Part => ({
        kind: 'hook',
        name: change.name,
        state: hookState(change),
        differences: change.hook === 'refused' ? [] : change.differences.map(publicText),
      }),
    ),
    ...changes.removed_hooks.map(
      (name): Part => ({ kind: 'hook', name, state: yellow('no longer in the convention'), differences: [] }),
    ),
    ...(changes.ingester === 'none'
      ? []
      : [{ kind: 'ingester' as const, name: '', state: yellow(changes.ingester), differences: [] }]),
  ];
}

/** The differences of a hook's release to the live one, as `osa hooks diff` shows them. */
function releaseLines({ name, hook, version: minted, differences }: HookChange): Line[] {
  if (hook === 'refused' || differences.length === 0) return [];
  return [
    line`${bold(name)}`,
    ...table(['', 'live', version(minted)], differenceRows(differences)).map((text) => line`  ${text}`),
  ];
}

/** A config may hold secrets, and summaries of jobs are read by many: they name its keys only. */
function publicText(difference: Difference): string {
  return difference.path.startsWith('config') ? `${difference.path} differs` : differenceText(difference);
}

/** `columns.energy_j.unit: "J" → "kJ"`. */
function differenceText({ path, from, to }: Difference): string {
  return `${path}: ${differenceValue(from)} → ${differenceValue(to)}`;
}

function stateOf(
  word: 'created' | 'updated' | 'unchanged' | 'refused',
  fields: readonly string[] = [],
): Line {
  if (word === 'unchanged') return dim(word);
  if (word === 'refused') return red(word);
  return fields.length === 0 ? green(word) : line`${green(word)}: ${joined(fields, ', ')}`;
}

/**
 * `created, new release v1`, `new release v3`, `unchanged (v2)`, `known release v2, made live`,
 * `known release v2, not live (live is v1)`, `new release v3, to be compared (live is v2)`, `refused: another contract`.
 */
function hookState({ hook, release, version, is_live, live_version, activated, held }: HookChange): Line {
  if (hook === 'refused') return red('refused: another contract');
  const created = hook === 'created' ? 'created, ' : '';
  if (held)
    return yellow(
      `${release === 'created' ? 'new' : 'known'} release v${version}, to be compared (live is v${live_version})`,
    );
  if (release === 'created') return green(`${created}new release v${version}`);
  if (activated) return green(`known release v${version}, made live`);
  if (is_live) return dim(`unchanged (v${version})`);
  const live = live_version === null ? 'none is live' : `live is v${live_version}`;
  return yellow(`${created}known release v${version}, not live (${live})`);
}

/** For each release that is known and not live, what would make it so, and how to see who made another live. */
function notLiveLines({ hooks }: Changes, again: readonly string[]): Line[] {
  const known = hooks.filter(({ hook, is_live, held }) => hook !== 'refused' && !is_live && !held);
  const all = known.length < 2 ? 'or' : 'or, with all others,';
  return known.flatMap(({ name, version }) => [
    line`to make v${version} of ${name} live: ${bold(`osa hooks activate ${name} ${version}`)} ${all} ${bold(`${command(again)} --activate`)}`,
    line`to see who made another one live: osa hooks history ${name}`,
  ]);
}

/** The number columns of new hooks, whose contracts can still be changed. */
function doubleLines({ hooks: changes }: Changes, hooks: Manifest['hooks']): Line[] {
  const created = new Set(changes.filter(({ hook }) => hook === 'created').map(({ name }) => name));
  return hooks
    .filter(({ name }) => created.has(name))
    .flatMap(({ name, feature }) => {
      const doubles = feature.columns.filter(({ json_type }) => json_type === 'number');
      if (doubles.length === 0) return [];
      const names = joined(
        doubles.map((column) => column.name),
        ', ',
      );
      return [
        line`number columns of ${name} hold doubles, which keep 15 digits: ${names}; declare integer for longer whole numbers`,
      ];
    });
}

/** The changes of a deploy in a few words: `schema created`, `seismic_energy v2`. */
export function changeWords({ convention, schema, hooks, removed_hooks }: Changes): string[] {
  return [
    ...(convention === 'unchanged' ? [] : [`convention ${convention}`]),
    ...(schema === 'unchanged' ? [] : [`schema ${schema}`]),
    ...hooks
      .filter(({ held, release }) => !held && release === 'created')
      .map(({ name, version }) => `${name} v${version}`),
    ...hooks.filter(({ held }) => held).map(({ name, version }) => `${name} v${version} to be compared`),
    ...hooks.filter(({ activated }) => activated).map(({ name, version }) => `${name} v${version} made live`),
    ...removed_hooks.map((name) => `${name} removed`),
  ];
}
