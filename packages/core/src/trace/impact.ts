import type { Answer, ParsedQuery } from '../api/index.ts';
import { OsaError } from '../error.ts';
import { unknownHook, unknownRelease } from '../hook/hook.ts';
import type { Page } from '../hook/registry.ts';
import { bounds } from '../limits.ts';
import type { Store } from '../store.ts';
import { parseRelease } from './find.ts';
import type { ReleaseName, Selection } from './impacts.ts';

type Asked = Pick<ParsedQuery<'impact'>, 'release' | 'digest' | 'commits' | 'built_by' | 'deploy'>;

/** @throws OsaError `invalid` (not exactly one choice, too many releases), `not_found` */
export async function impact(store: Store, asked: Asked): Promise<Answer<'impact'>> {
  return store.impacts.made(await chosenReleases(store, asked));
}

/** @throws OsaError as `impact`, and `invalid` (cursor) */
export async function impactRows(store: Store, asked: Asked, page: Page): Promise<Answer<'impactRows'>> {
  return store.impacts.rows(await chosenReleases(store, asked), page);
}

async function chosenReleases(store: Store, asked: Asked): Promise<ReleaseName[]> {
  const releases = await store.impacts.select(await selectionOf(store, asked), bounds.impactReleases + 1);
  if (releases.length <= bounds.impactReleases) return releases;
  throw new OsaError(
    'invalid',
    `this chooses more than ${bounds.impactReleases} releases; choose by digest, by fewer commits, or one release at a time`,
    { details: { limit: bounds.impactReleases } },
  );
}

async function selectionOf(store: Store, asked: Asked): Promise<Selection> {
  const given = Object.entries(asked).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    throw new OsaError(
      'invalid',
      `query: give exactly one of release, digest, commits, built_by and deploy; you gave ${given.map(([name]) => name).join(', ') || 'none'}`,
      { field: 'release' },
    );
  }
  const { release, digest, commits, built_by, deploy } = asked;
  if (digest !== undefined) return { by: 'digest', digest };
  if (commits !== undefined) return { by: 'commits', commits };
  if (built_by !== undefined) return { by: 'builder', subject: built_by };
  if (deploy !== undefined) return { by: 'releases', releases: await declared(store, deploy) };
  return { by: 'releases', releases: [await known(store, release ?? '')] };
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
      {
        field: 'release',
      },
    );
  }
  const hook = await store.registry.hook(release.hook);
  if (!hook) throw unknownHook(release.hook, 'release');
  if (release.version > hook.release_count) throw unknownRelease(hook, release.version, 'release');
  return release;
}
