import type { Answer } from '@osa/core/api';
import { asOsaError } from '@osa/core/error';
import type { Client } from '../../http/client.ts';
import { count } from '../../terminal/format.ts';
import { dim, type Line, line } from '../../terminal/paint.ts';

type Ingestion = Answer<'showIngestion'>;
type Failures = Answer<'listIngestionFailures'>;

/**
 * The reasons of failed records; undefined where there are none, or where the server cannot give them. The command goes
 * on then.
 */
export async function readFailures(
  client: Client,
  { id, invalid, rejected, errored }: Ingestion,
): Promise<Failures | undefined> {
  if (invalid + rejected + errored === 0) return undefined;
  try {
    return await client.call('listIngestionFailures', { params: { id } });
  } catch (error) {
    if (asOsaError(error)) return undefined;
    throw error;
  }
}

/** The most frequent reasons, each with the command that shows more of it. */
export function failureLines(
  { id }: Pick<Ingestion, 'id'>,
  failures: Failures | undefined,
  placeOf: PlaceOf = () => undefined,
): Line[] {
  if (failures === undefined) return [];
  const { items, looked_at, complete } = failures;
  if (items.length === 0) return [];
  const among = complete ? '' : ` among the first ${count(looked_at)} that failed`;
  return [
    `why${among}, the most frequent first:`,
    ...items.flatMap((item) => [reasonLine(item, placeOf), line`    ${dim(nextCommand(id, item))}`]),
  ];
}

type Failure = Failures['items'][number];

/** The place of a line of the upload in one of several files. */
type PlaceOf = (line: number) => string | undefined;

function reasonLine(
  { status, hook, version, records, reason, same, line: at, source_id }: Failure,
  placeOf: PlaceOf,
): Line {
  const by = hook === null ? '' : ` by ${hook} v${version}`;
  const place = same ? '' : `, such as ${placeOf(at) ?? `line ${at}`} (${source_id})`;
  return line`  ${count(records)} ${status}${by}${place}: ${reason ?? 'no reason was given'}`;
}

function nextCommand(id: string, { run, has_logs }: Failure): string {
  if (run === null) return `osa ingestions show ${id} --failed`;
  return has_logs ? `osa runs logs ${run}` : `osa runs show ${run}`;
}
