import type { Answer } from '@osa/core/api';
import { bold, dim, green, type Line, line, yellow } from './paint.ts';
import { type Cell, table } from './table.ts';

type DeployAnswer = Answer<'deploy'>;
type HookChange = DeployAnswer['changes']['hooks'][number];

/** What a deploy changed, part by part. */
export function deployLines(answer: DeployAnswer): Line[] {
  const { slug, changed, schema_id, changes } = answer;
  const known = changes.hooks.filter(({ is_live }) => !is_live);
  return [
    changed ? line`${bold(slug)} deployed` : line`${bold(slug)}: nothing changed`,
    ...table(
      ['part', 'name', ''],
      [
        [
          'convention',
          slug,
          state(
            changes.convention,
            changes.convention_fields.map(({ path }) => path),
          ),
        ],
        ['schema', `${schema_id.id}@${schema_id.version}`, state(changes.schema)],
        ...changes.hooks.map((change): Cell[] => ['hook', change.name, hookState(change)]),
        ...changes.removed_hooks.map((name): Cell[] => ['hook', name, yellow('no longer in the convention')]),
        ...(changes.ingester === 'none' ? [] : [['ingester', '', yellow(changes.ingester)]]),
      ],
    ),
    ...known.map(({ name }) => `to see who made another release live: osa hooks history ${name}`),
  ];
}

function state(word: 'created' | 'updated' | 'unchanged' | 'refused', fields: readonly string[] = []): Line {
  if (word === 'unchanged') return dim(word);
  return fields.length === 0 ? green(word) : line`${green(word)}: ${fields.join(', ')}`;
}

/** `created, new release v1`, `new release v3`, `unchanged (v2)`, `known release v2, not live (live is v1)`. */
function hookState({ hook, release, version, is_live, live_version }: HookChange): Line {
  const created = hook === 'created' ? 'created, ' : '';
  if (release === 'created') return line`${green(`${created}new release v${version}`)}`;
  if (is_live) return dim(`unchanged (v${version})`);
  const live = live_version === null ? 'none is live' : `live is v${live_version}`;
  return yellow(`${created}known release v${version}, not live (${live})`);
}
