import type { RouteName, routes } from '@osa/core/api';

/**
 * The route of that name. To make the shapes of all routes takes longer than most requests, so those that are asked for
 * most are loaded without the others.
 */
export async function routeNamed<N extends RouteName>(name: N): Promise<(typeof routes)[N]> {
  const alone = await resourceOf(name);
  return (alone[name] ?? (await import('@osa/core/api')).routes[name]) as (typeof routes)[N];
}

/** The resource that is likely to have the route. */
async function resourceOf(name: string): Promise<Partial<typeof routes>> {
  if (/^trace(Row|Record)$/.test(name)) return (await import('@osa/core/api/trace/rows')).traceRowRoutes;
  if (/^trace/.test(name)) return (await import('@osa/core/api/trace/index')).traceRoutes;
  if (/^(read|query|data|describe)/.test(name)) return (await import('@osa/core/api/data')).dataRoutes;
  if (/(Hooks?|Releases?|currentRows|history|rollback|activate)$/.test(name))
    return (await import('@osa/core/api/hooks')).hooksRoutes;
  if (/Ingestions?$|^ingest$/.test(name)) return (await import('@osa/core/api/ingestions')).ingestionsRoutes;
  if (/(Conventions?|[dD]eploys?)$/.test(name))
    return (await import('@osa/core/api/conventions')).conventionsRoutes;
  if (/Runs?$|^runLogs$/.test(name)) return (await import('@osa/core/api/runs')).runsRoutes;
  if (/Blob$/.test(name)) return (await import('@osa/core/api/blobs')).blobsRoutes;
  if (name === 'status') return (await import('@osa/core/api/status/status')).statusRoutes;
  return {};
}
