import { OsaError } from '../error.ts';
import { unknownHook, unknownRelease } from '../hook/hook.ts';
import { Digest } from '../hook/release.ts';
import { bounds } from '../limits.ts';
import { parseRecordSrn } from '../record/srn.ts';
import type { Store } from '../store.ts';
import { parseRelease, recordVersions } from './find.ts';
import type { Chosen, ReleaseName, Selection } from './impacts.ts';

/** Facts as they are asked for; one of them is given. */
export interface Asked {
  readonly release?: string | undefined;
  readonly digest?: string | undefined;
  readonly commits?: readonly string[] | undefined;
  readonly built_by?: string | undefined;
  readonly deploy?: string | undefined;
  readonly record?: string | undefined;
}

/** @throws OsaError `invalid` (not exactly one fact, or one that has not its form), `not_found` */
export async function selectionOf(store: Store, asked: Asked): Promise<Selection> {
  const { release, digest, commits, built_by, deploy, record } = asked;
  const given = Object.entries({ release, digest, commits, built_by, deploy, record })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
  if (given.length !== 1) {
    throw new OsaError(
      'invalid',
      `give exactly one of release, digest, commits, built_by, deploy and record; you gave ${given.join(', ') || 'none'}`,
      { field: 'release' },
    );
  }
  if (digest !== undefined) return { by: 'digest', digest: await wholeDigest(store, digest) };
  if (commits !== undefined) return { by: 'commits', commits };
  if (built_by !== undefined) return { by: 'builder', subject: built_by };
  if (record !== undefined) return { by: 'record', srn: await srnOf(store, record) };
  if (deploy !== undefined) return { by: 'releases', releases: await declared(store, deploy) };
  return { by: 'releases', releases: [await known(store, release ?? '')] };
}

/** @throws OsaError `not_found` for a record that is not published, `invalid` for too many releases */
export async function choose(
  select: (selection: Selection, most: number) => Promise<Chosen>,
  selection: Selection,
): Promise<Chosen> {
  const chosen = await select(selection, bounds.impactReleases + 1);
  if (selection.by === 'record' && chosen.record === null) {
    throw new OsaError('not_found', `no record is published as ${selection.srn}`, { field: 'record' });
  }
  if (chosen.releases.length <= bounds.impactReleases) return chosen;
  throw new OsaError(
    'invalid',
    `this chooses more than ${bounds.impactReleases} releases; choose by digest, by fewer commits, or one release at a time`,
    { details: { limit: bounds.impactReleases } },
  );
}

/** Versions and digests that a message names. */
const mostNamed = 5;

async function wholeDigest(store: Store, given: string): Promise<string> {
  const digest = given.startsWith('sha256:') ? given : `sha256:${given}`;
  if (Digest.safeParse(digest).success) return digest;
  const found = await store.impacts.digests(digest, mostNamed + 1);
  const [only] = found;
  if (only === undefined) {
    const message = `no release has a digest that begins with ${digest}; the digest of a platform is given whole`;
    throw new OsaError('not_found', message, { field: 'digest' });
  }
  if (found.length === 1) return only;
  const [count, rest] = found.length > mostNamed ? [`more than ${mostNamed}`, ', …'] : [found.length, ''];
  const named = found.slice(0, mostNamed);
  throw new OsaError(
    'invalid',
    `${digest} begins the digests of ${count} releases' code: ${named.join(', ')}${rest}; give more of it`,
    { field: 'digest', details: { matches: named } },
  );
}

async function srnOf(store: Store, text: string): Promise<string> {
  if (parseRecordSrn(text)) return text.trim().toLowerCase();
  const versions = (await recordVersions(store, text, mostNamed)).map(({ srn }) => srn);
  const hint = versions.length === 0 ? '' : `; its newest versions are ${versions.join(', ')}`;
  throw new OsaError(
    'invalid',
    `record: ${JSON.stringify(text)} is not urn:osa:<domain>:rec:<id>@<version>, and a version must be named${hint}`,
    { field: 'record', ...(versions.length > 0 && { details: { versions } }) },
  );
}

async function declared(store: Store, id: string): Promise<ReleaseName[]> {
  const found = await store.registry.deploy(id);
  if (!found) throw new OsaError('not_found', `no deploy has the id ${id}`, { field: 'deploy' });
  return found.changes.hooks.map(({ name, version }) => ({ hook: name, version }));
}

async function known(store: Store, text: string): Promise<ReleaseName> {
  const release = parseRelease(text);
  if (!release) {
    throw new OsaError(
      'invalid',
      `release: ${JSON.stringify(text)} is not <hook>@<version>, such as energy@2`,
      { field: 'release' },
    );
  }
  const hook = await store.registry.hook(release.hook);
  if (!hook) throw unknownHook(release.hook, 'release');
  if (release.version > hook.release_count) throw unknownRelease(hook, release.version, 'release');
  return release;
}
