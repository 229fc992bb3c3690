import type { Answer } from '@osa/core/api';
import { count, shortDigest, shortSource, time, value, version } from '../../../terminal/format.ts';
import type { Traced } from '../target.ts';

/** A trace as things and what ties them, for every format that draws. The first node is what was asked about. */
export interface Graph {
  readonly title: string;
  readonly nodes: readonly Node[];
  readonly edges: readonly Edge[];
}

export interface Node {
  readonly id: string;
  readonly kind:
    | 'row'
    | 'record'
    | 'ingestion'
    | 'recompute'
    | 'run'
    | 'release'
    | 'source'
    | 'convention'
    | 'deploy'
    | 'more';
  readonly title: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
}

/** Read `from` `label` `to`: a row was computed by a run. */
export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}

/** Rows that are drawn of a record or run; the rest is a count. */
const mostRows = 12;
const mostValues = 8;

export function graphOf(traced: Traced): Graph {
  const draft = new Draft();
  switch (traced.kind) {
    case 'row':
      drawRow(draft, traced.trace);
      break;
    case 'record':
    case 'source':
      drawRecord(draft, traced.trace);
      break;
    case 'run':
      drawRun(draft, traced.trace);
      break;
    case 'release':
      drawRelease(draft, traced.trace);
      break;
    case 'deploy':
      drawDeploy(draft, traced.trace);
      break;
  }
  return { title: `${traced.kind} ${traced.name}`, nodes: [...draft.nodes.values()], edges: draft.edges };
}

class Draft {
  readonly nodes = new Map<string, Node>();
  readonly edges: Edge[] = [];

  /** A node that is there already stays as it is. */
  add(kind: Node['kind'], title: string, facts: Node['facts'] = []): string {
    const id = `${kind}:${title}`;
    if (!this.nodes.has(id)) this.nodes.set(id, { id, kind, title, facts });
    return id;
  }

  tie(from: string, label: string, to: string): void {
    const isThere = this.edges.some((edge) => edge.from === from && edge.to === to && edge.label === label);
    if (!isThere) this.edges.push({ from, to, label });
  }
}

function drawRow(draft: Draft, { row, record, run, release, hook }: Answer<'traceRow'>): void {
  const units = new Map(hook.feature.columns.map(({ name, unit, json_type }) => [name, { unit, json_type }]));
  const values = Object.entries(row.values).map(([name, content]) => {
    const { unit, json_type } = units.get(name) ?? {};
    return [name, `${value(content, json_type)}${unit ? ` ${unit}` : ''}`] as const;
  });
  const drawn = draft.add('row', row.name, [...stateOf(row), ...firstOf(values)]);
  draft.tie(drawn, 'about', addRecord(draft, record, record.deposition));
  const computed = addRun(draft, run);
  draft.tie(drawn, 'computed by', computed);
  draft.tie(computed, 'ran', addRelease(draft, hook.name, release));
}

function drawRecord(draft: Draft, { record, deposition, rows, row_count }: Answer<'traceRecord'>): void {
  const drawn = addRecord(draft, record, deposition);
  for (const row of rows.slice(0, mostRows)) {
    const values = Object.entries(row.values).map(([name, content]) => [name, value(content)] as const);
    const of = draft.add('row', row.name, [...stateOf(row), ...firstOf(values)]);
    draft.tie(drawn, 'gave', of);
    const release = draft.add('release', `${row.hook} ${version(row.release)}`, [
      ['digest', shortDigest(row.digest)],
    ]);
    draft.tie(of, 'computed by', release);
  }
  addRest(draft, drawn, row_count - Math.min(rows.length, mostRows));
}

function drawRun(draft: Draft, { run, release, hook, rows }: Answer<'traceRun'>): void {
  const drawn = addRun(draft, run);
  draft.tie(drawn, 'ran', addRelease(draft, hook.name, release));
  if (run.ingestion !== null) {
    draft.tie(drawn, 'over', draft.add('ingestion', run.ingestion, [['into', run.convention]]));
  } else if (run.recompute !== null) {
    draft.tie(drawn, 'of', draft.add('recompute', run.recompute, [['of', run.convention]]));
  }
  for (const row of rows.slice(0, mostRows)) {
    draft.tie(drawn, 'computed', draft.add('row', row.name, [['source', row.source_id]]));
  }
  if (rows.length > 0) addRest(draft, drawn, (run.row_count ?? 0) - Math.min(rows.length, mostRows));
}

function drawRelease(draft: Draft, { release, hook, conventions }: Answer<'traceRelease'>): void {
  const drawn = addRelease(draft, hook.name, release);
  for (const made of conventions) {
    const facts = [
      ['rows', count(made.rows)],
      ['records', count(made.records)],
      ['runs', count(made.runs)],
      ['until', time(made.last_at)],
    ] as const;
    draft.tie(drawn, 'made rows of', draft.add('convention', made.convention, facts));
  }
}

function drawDeploy(draft: Draft, { deploy, releases }: Answer<'traceDeploy'>): void {
  const drawn = draft.add('deploy', deploy.id, [
    ['of', deploy.slug],
    ['at', time(deploy.at)],
    ['by', deploy.actor.subject],
  ]);
  for (const release of releases) {
    const of = draft.add('release', `${release.hook} ${version(release.version)}`, [
      ['digest', shortDigest(release.digest)],
      ['live', version(release.live_version)],
      ['rows', count(release.made.rows)],
      ...recalledFacts(release.recalled),
    ]);
    draft.tie(drawn, release.created ? 'made' : 'declared', of);
    draft.tie(of, 'built from', draft.add('source', shortSource(release.source_ref)));
  }
}

function addRecord(
  draft: Draft,
  record: Answer<'traceRecord'>['record'],
  deposition: Answer<'traceRow'>['record']['deposition'],
): string {
  const drawn = draft.add('record', record.srn, [
    ['source', record.source_id],
    ['of', record.convention],
    ['version', `${record.version} of ${record.newest_version}`],
    ...(deposition ? [['deposited by', deposition.depositor.subject] as const] : []),
    ['published', time(record.published_at)],
    ...recalledFacts(record.recalled),
  ]);
  const ingestion = draft.add('ingestion', record.ingestion, [['into', record.convention]]);
  draft.tie(drawn, `came in as line ${record.line} of`, ingestion);
  return drawn;
}

function addRun(draft: Draft, run: Answer<'traceRow'>['run']): string {
  return draft.add('run', run.id, [
    ['status', run.status ?? 'running'],
    ['ran', time(run.started_at)],
    ['attempts', String(run.attempts.length)],
    ...recalledFacts(run.recalled),
  ]);
}

function addRelease(draft: Draft, hook: string, release: Answer<'traceRow'>['release']): string {
  const drawn = draft.add('release', `${hook} ${version(release.version)}`, [
    ['state', release.is_live ? 'live' : `not live; ${version(release.live_version)} is`],
    ['digest', shortDigest(release.digest)],
    ['built by', release.built_by],
    ['built', time(release.built_at)],
    ...recalledFacts(release.recalled),
  ]);
  draft.tie(drawn, 'built from', draft.add('source', shortSource(release.source_ref)));
  return drawn;
}

function addRest(draft: Draft, of: string, rest: number): void {
  if (rest > 0) draft.tie(of, 'and', draft.add('more', `${count(rest)} more rows`));
}

function stateOf({
  current,
  recalled,
}: Pick<Answer<'traceRow'>['row'], 'current' | 'recalled'>): Node['facts'] {
  return [...recalledFacts(recalled), ...(current ? [] : [['state', 'superseded'] as const])];
}

function recalledFacts(notices: Answer<'traceRow'>['row']['recalled']): Node['facts'] {
  return notices.map(({ reason }) => ['recalled', reason] as const);
}

function firstOf(values: Node['facts']): Node['facts'] {
  const rest = values.length - mostValues;
  return rest > 0 ? [...values.slice(0, mostValues), ['…', `${rest} more`]] : values;
}
