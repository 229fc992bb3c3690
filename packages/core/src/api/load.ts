import type { RouteName, routes } from './index.ts';

/**
 * The route of that name. To make the shapes of all routes takes longer than most requests, so those that are asked for
 * most are loaded without the others.
 */
export async function routeNamed<N extends RouteName>(name: N): Promise<(typeof routes)[N]> {
  const alone = await resourceOf(name);
  return (alone[name] ?? (await import('./index.ts')).routes[name]) as (typeof routes)[N];
}

/** The resource that is likely to have the route. */
async function resourceOf(name: string): Promise<Partial<typeof routes>> {
  if (/^trace/.test(name)) return (await import('./trace/index.ts')).traceRoutes;
  if (/^(read|query|data|describe)/.test(name)) return (await import('./data.ts')).dataRoutes;
  if (/(Hooks?|Releases?|history|rollback|activate)$/.test(name))
    return (await import('./hooks.ts')).hooksRoutes;
  if (/Ingestions?$/.test(name)) return (await import('./ingestions.ts')).ingestionsRoutes;
  return {};
}
