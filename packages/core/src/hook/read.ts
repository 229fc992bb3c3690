import type { Answer, ParsedQuery } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { hideConfig } from '../auth/visibility.ts';
import type { Store } from '../store.ts';
import { unknownHook, unknownRelease } from './hook.ts';

/** One hook; the config of its live release is null unless the reader may see it. @throws OsaError `not_found` */
export async function showHook(
  { registry }: Store,
  principal: Principal | undefined,
  name: string,
): Promise<Answer<'showHook'>> {
  const hook = found(await registry.hook(name), name);
  return { ...hook, live: hook.live && hideConfig(hook.live, principal, name) };
}

/** One release; its config is null unless the reader may see it. @throws OsaError `not_found` */
export async function showRelease(
  { registry }: Store,
  principal: Principal | undefined,
  { name, version }: { readonly name: string; readonly version: number },
): Promise<Answer<'showRelease'>> {
  const release = await registry.release(name, version);
  if (!release) throw unknownRelease(found(await registry.hook(name), name), version);
  return hideConfig(release, principal, name);
}

/** @throws OsaError `not_found` */
export async function listReleases(
  { registry }: Store,
  name: string,
  query: ParsedQuery<'listReleases'>,
): Promise<Answer<'listReleases'>> {
  return found(await registry.releases(name, query), name);
}

/** How many rows of a hook are current, by schema version and release. @throws OsaError `not_found` */
export async function readCurrentRows({ registry }: Store, name: string): Promise<Answer<'currentRows'>> {
  return found(await registry.currentRows(name), name);
}

/** @throws OsaError `not_found` */
export async function readHistory(
  { registry }: Store,
  name: string,
  query: ParsedQuery<'history'>,
): Promise<Answer<'history'>> {
  return found(await registry.history(name, query), name);
}

function found<T>(answer: T | undefined, name: string): T {
  if (answer === undefined) throw unknownHook(name);
  return answer;
}
