import type { Answer } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { hideAnswers, hideConfig } from '../auth/visibility.ts';
import { OsaError } from '../error.ts';
import { HookName, unknownHook, unknownRelease } from '../hook/hook.ts';
import type { Store } from '../store.ts';
import { traceRecord } from './trace.ts';
import type { Source } from './tracer.ts';

/** The traces that do not begin with a row. Configs and answers of engines are hidden as in the trace of a row. */

/** @throws OsaError `not_found` */
export async function traceSource(store: Store, source: Source): Promise<Answer<'traceRecord'>> {
  const srn = await store.stories.newestRecord(source);
  if (srn === undefined) throw unknownSource(source);
  return traceRecord(store, srn);
}

export function unknownSource({ convention, sourceId }: Source): OsaError {
  return new OsaError(
    'not_found',
    `convention ${convention} has published no record of a source ${JSON.stringify(sourceId)}; ` +
      '`osa ingestions list` shows what came in',
    { field: 'source_id', details: { convention, source_id: sourceId } },
  );
}

/** @throws OsaError `not_found` */
export async function traceRun(
  store: Store,
  principal: Principal | undefined,
  id: string,
): Promise<Answer<'traceRun'>> {
  const trace = await store.stories.run(id);
  if (!trace) throw new OsaError('not_found', `no run has the id ${id}`, { field: 'id', details: { id } });
  const { name } = trace.hook;
  return {
    ...trace,
    run: { ...trace.run, attempts: hideAnswers(trace.run.attempts, principal, name) },
    release: hideConfig(trace.release, principal, name),
  };
}

/** @throws OsaError `not_found` */
export async function traceRelease(
  store: Store,
  principal: Principal | undefined,
  { hook, version }: { readonly hook: string; readonly version: number },
): Promise<Answer<'traceRelease'>> {
  const trace = HookName.safeParse(hook).success ? await store.stories.release(hook, version) : undefined;
  if (trace) return { ...trace, release: hideConfig(trace.release, principal, hook) };
  const known = HookName.safeParse(hook).success ? await store.registry.hook(hook) : undefined;
  throw known ? unknownRelease(known, version) : unknownHook(hook, 'hook');
}

/** @throws OsaError `not_found` */
export async function traceDeploy(store: Store, id: string): Promise<Answer<'traceDeploy'>> {
  const found = await store.registry.deploy(id);
  if (!found) throw new OsaError('not_found', `no deploy has the id ${id}`, { field: 'id', details: { id } });
  const { manifest: _manifest, ...deploy } = found;
  const declared = deploy.changes.hooks.map(({ name, version, release }) => {
    return { name, version, created: release === 'created' };
  });
  return { deploy, releases: await store.stories.deployed(declared) };
}
