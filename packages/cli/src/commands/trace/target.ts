import type { Answer } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import { parseRecordSrn } from '@osa/core/record/srn';
import type { Client } from '../../http/client.ts';

/** The thing that `osa trace` is asked about. */

export const kinds = ['row', 'record', 'source', 'run', 'release', 'deploy'] as const;
export type Kind = (typeof kinds)[number];

/** An answer with what it is about. */
export type Traced =
  | { readonly kind: 'row'; readonly name: string; readonly trace: Answer<'traceRow'> }
  | { readonly kind: 'record' | 'source'; readonly name: string; readonly trace: Answer<'traceRecord'> }
  | { readonly kind: 'run'; readonly name: string; readonly trace: Answer<'traceRun'> }
  | { readonly kind: 'release'; readonly name: string; readonly trace: Answer<'traceRelease'> }
  | { readonly kind: 'deploy'; readonly name: string; readonly trace: Answer<'traceDeploy'> };

export interface Target {
  readonly kind: Kind;
  readonly name: string;
}

/**
 * Traces what a text names.
 *
 * @throws OsaError `not_found`; `usage` if it names several things, with those in `details.matches`
 */
export async function traceNamed(client: Client, what: string, as: Kind | undefined): Promise<Traced> {
  const likely = targetOf(what);
  if (likely && (as === undefined || as === likely.kind)) {
    try {
      return await traceTarget(client, likely);
    } catch (error) {
      // A source id may look like a row or a release.
      if (as !== undefined || likely.kind === 'record' || asOsaError(error)?.code !== 'not_found')
        throw error;
      const [source] = await found(client, what, 'source').catch(() => []);
      if (!source) throw error;
    }
  }
  return traceTarget(client, await chosenTarget(client, what, as));
}

/** @throws OsaError as `traceNamed` */
export async function chosenTarget(client: Client, what: string, as: Kind | undefined): Promise<Target> {
  const items = await found(client, what, as);
  const [only] = items;
  if (only === undefined) throw await nothingFound(client, what, as);
  if (items.length === 1) return only;
  // A source id may be the whole name of another source, which is then named by its own whole name only.
  const whole = items.filter(({ name }) => name === what);
  if (whole.length === 1) return whole[0] ?? only;
  const matches = items.map(({ kind, name, of }) => `${kind} ${name}, of ${of}`);
  throw new OsaError(
    'usage',
    [`${what} names several things; give one of these names whole, or its kind with --as:`, ...matches].join(
      '\n',
    ),
    { field: 'what', details: { matches: items.map(({ kind, name }) => ({ kind, name })) } },
  );
}

/** Why nothing is there, as far as this caller may know. */
async function nothingFound(client: Client, what: string, as: Kind | undefined): Promise<OsaError> {
  const query = { text: what, ...(as && { kind: as }) };
  const { failed, ingestion } = await client.call('findTraced', { query, scopes: ['ingestions:read'] });
  const [first] = failed;
  if (first) return notPublished(failed.length, first);
  const details = { what };
  if (ingestion !== null) {
    return new OsaError('not_found', `${what} is an ingestion: osa ingestions show ${ingestion}`, {
      field: 'what',
      details: { ...details, ingestion },
    });
  }
  const kind = as ? ` of the kind ${as}` : '';
  return new OsaError(
    'not_found',
    `nothing${kind} is named ${what}, and no record of such a source is published. ${howToName}`,
    { field: 'what', details },
  );
}

type Failed = Answer<'findTraced'>['failed'][number];

function notPublished(count: number, failed: Failed): OsaError {
  const { convention, source_id, ingestion, line, status, hook, version, reason } = failed;
  const by = hook === null ? '' : ` by ${hook} v${version}`;
  const more = count > 1 ? `; ${count - 1} earlier of its records failed too` : '';
  return new OsaError(
    'not_found',
    `no record of ${convention}:${source_id} is published: line ${line} of ingestion ${ingestion} is ${status}${by}` +
      `${reason === null ? '' : `: ${reason}`}${more}. See osa ingestions show ${ingestion} --failed`,
    { field: 'what', details: { what: `${convention}:${source_id}`, failed } },
  );
}

async function found(
  client: Client,
  text: string,
  kind: Kind | undefined,
): Promise<Answer<'findTraced'>['items']> {
  const { items } = await client.call('findTraced', { query: { text, ...(kind && { kind }) } });
  return items;
}

const howToName =
  'Name a row (seismic_energy/17), a record (urn:osa:…), a source (usgs-earthquakes:ak18247005), ' +
  'a release (seismic_energy@2), or the id of a run or deploy';

/** The one thing that a text can name by its form. */
function targetOf(what: string): Target | undefined {
  if (/^urn:/i.test(what) && parseRecordSrn(what)) {
    return { kind: 'record', name: what.trim().toLowerCase() };
  }
  const [, id] = /^[a-z]\w*\/([1-9]\d{0,15})$/.exec(what) ?? [];
  if (id !== undefined && Number.isSafeInteger(Number(id))) return { kind: 'row', name: what };
  if (/^[a-z][a-z0-9_]*@v?[1-9]\d{0,8}$/.test(what)) return { kind: 'release', name: what };
  return undefined;
}

const scopes = ['runs:read'];

async function traceTarget(client: Client, { kind, name }: Target): Promise<Traced> {
  switch (kind) {
    case 'row': {
      const [hook = '', id] = name.split('/');
      return {
        kind,
        name,
        trace: await client.call('traceRow', { params: { hook, id: Number(id) }, scopes }),
      };
    }
    case 'record':
      return { kind, name, trace: await client.call('traceRecord', { params: { srn: name } }) };
    case 'source':
      return { kind, name, trace: await client.call('traceSource', { query: sourceOf(name) }) };
    case 'run':
      return { kind, name, trace: await client.call('traceRun', { params: { id: name }, scopes }) };
    case 'release': {
      const [hook = '', version = ''] = name.split('@');
      const params = { hook, version: Number(version.replace('v', '')) };
      return { kind, name, trace: await client.call('traceRelease', { params, scopes }) };
    }
    case 'deploy':
      return { kind, name, trace: await client.call('traceDeploy', { params: { id: name } }) };
  }
}

/** A convention has no colon in its name. */
export function sourceOf(name: string): { readonly convention: string; readonly source_id: string } {
  const colon = name.indexOf(':');
  return { convention: name.slice(0, colon), source_id: name.slice(colon + 1) };
}
