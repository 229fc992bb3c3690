import { asOsaError, type OsaError } from '@osa/core/error';
import type { Pinned } from '@osa/core/ingestion/ingestions';
import { readRecords, twinRefusal } from '@osa/core/ingestion/ndjson';
import type { RecordsInput } from '../../input/input.ts';
import { KeptIds } from '../../input/kept-ids.ts';
import { count, counted } from '../../terminal/format.ts';
import { green, type Line, line, red } from '../../terminal/paint.ts';
import type { Progress } from './progress.ts';
import { metered, placed } from './records-file.ts';

/** The result of an upload, found without sending it. */
export interface Checked {
  readonly ok: boolean;
  readonly records: number;
  readonly invalid: number;
  /** Records whose ids were compared with each other: all of them, or the first where they need too much memory. */
  readonly compared: number;
  /** Reasons that differ in quoted texts and numbers only are one problem. */
  readonly problems: readonly Problem[];
  /** Why the upload would be refused as a whole, and nothing stored. */
  readonly refused: string | null;
}

interface Problem {
  readonly records: number;
  readonly reason: string;
  /** The first of them: the source id, the line of the upload, and the place in one of several files. */
  readonly examples: readonly Example[];
}

interface Example {
  readonly source_id: string;
  readonly line: number;
  readonly place?: string;
}

const mostProblems = 1_000;
const mostExamples = 3;
/** Memory for ids that are kept to find the same one again; beyond that only the server does. Bytes. */
const roomBytes = 64 * 2 ** 20;

/** Reads all of the input, and checks each record against the schema as the server does. */
export async function checkRecords(
  input: RecordsInput,
  pinned: Pinned,
  { progress, stop }: { readonly progress: Pick<Progress, 'reading'>; readonly stop: AbortSignal },
): Promise<Checked> {
  const problems = new Map<
    string,
    { records: number; reason: string; examples: Problem['examples'][number][] }
  >();
  const lines = new KeptIds<number>({ bytes: roomBytes });
  let records = 0;
  let invalid = 0;
  let refused: string | null = null;
  try {
    // By bytes, since one record may be most of the file.
    const bytes = metered(input.open(stop) as AsyncIterable<Buffer>, () =>
      progress.reading(input.read().bytes, input.read().total),
    );
    for await (const { sourceId, line: at, problem } of readRecords(bytes, pinned)) {
      records += 1;
      const earlier = lines.find(sourceId);
      if (earlier !== undefined) throw twinRefusal(sourceId, [earlier, at]);
      lines.keep(sourceId, at);
      if (problem === null) continue;
      invalid += 1;
      const kind = problem.replaceAll(/"(?:\\.|[^"\\])*"|\d+/g, '#');
      const known = problems.get(kind) ?? { records: 0, reason: problem, examples: [] };
      known.records += 1;
      if (known.examples.length < mostExamples)
        known.examples.push({ source_id: sourceId, line: at, ...placeIn(input, at) });
      if (problems.size < mostProblems) problems.set(kind, known);
    }
  } catch (error) {
    const known = asOsaError(placed(input, error));
    if (!known || known.code === 'interrupted') throw error;
    refused = refusalText(known);
  }
  if (refused === null && records === 0) refused = 'it holds no record';
  const sorted = [...problems.values()].toSorted((one, other) => other.records - one.records);
  return {
    ok: refused === null && invalid === 0,
    records,
    invalid,
    compared: lines.count,
    problems: sorted,
    refused,
  };
}

function placeIn(input: RecordsInput, at: number): { place?: string } {
  const place = input.placeOf(at);
  return place === undefined ? {} : { place };
}

function refusalText({ message, details }: OsaError): string {
  const others = Array.isArray(details.problems) ? details.problems.slice(1) : [];
  return [message, ...others.map((problem: { message?: unknown }) => String(problem.message))].join('\n');
}

export function checkLines({ ok, records, invalid, compared, problems, refused }: Checked): Line[] {
  const more =
    compared < records
      ? `; whether an id is there twice was seen for the first ${count(compared)} records only`
      : '';
  if (ok) return [line`${green('all right')}: ${counted(records, 'record')}; nothing was sent${more}`];
  const verdict =
    refused === null
      ? line`${red('invalid')}: ${count(invalid)} of ${count(records)} records; nothing was sent`
      : line`${red('would be refused')}: ${refused.split('\n', 1)[0] ?? ''}`;
  return [
    verdict,
    ...(refused ?? '').split('\n').slice(1),
    ...problems.flatMap(({ records: times, reason, examples }) => [
      line`  ${count(times)} × ${reason}`,
      `      ${examples.map(({ source_id, line: at, place }) => `${place ?? `line ${at}`} (${source_id})`).join(', ')}${times > examples.length ? ', …' : ''}`,
    ]),
  ];
}
