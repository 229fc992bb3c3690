import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { TableFile } from '../data/format/file.ts';
import { authRoutes } from './auth/auth.ts';
import { loginRoutes } from './auth/login.ts';
import { publishersRoutes } from './auth/publishers.ts';
import { blobsRoutes } from './blobs.ts';
import { conventionsRoutes } from './conventions.ts';
import { dataRoutes } from './data.ts';
import { depositionFormRoutes } from './deposition-forms.ts';
import { depositionsRoutes } from './depositions.ts';
import { filesRoutes } from './files.ts';
import { hooksRoutes } from './hooks.ts';
import { ingestionsRoutes } from './ingestions.ts';
import { comparisonsRoutes } from './recompute/comparisons.ts';
import { recomputesRoutes } from './recompute/recomputes.ts';
import { replaysRoutes } from './recompute/replays.ts';
import type { Route } from './route.ts';
import { runsRoutes } from './runs.ts';
import { auditRoutes } from './status/audit.ts';
import { doctorRoutes } from './status/doctor.ts';
import { eventsRoutes } from './status/events.ts';
import { serviceRoutes } from './status/service.ts';
import { statusRoutes } from './status/status.ts';
import { traceRoutes } from './trace/index.ts';
import { recallsRoutes } from './trace/recalls.ts';

/**
 * The wire contract, once: the routes of the daemon, the types of the client and the OpenAPI document come from here.
 * Times are RFC 3339 in UTC; ids of rows are decimal integers; every refusal is an RFC 9457 problem (`problem.ts`).
 */
export const routes = {
  ...serviceRoutes,
  ...conventionsRoutes,
  ...blobsRoutes,
  ...filesRoutes,
  ...hooksRoutes,
  ...ingestionsRoutes,
  ...depositionsRoutes,
  ...depositionFormRoutes,
  ...recomputesRoutes,
  ...recallsRoutes,
  ...comparisonsRoutes,
  ...replaysRoutes,
  ...runsRoutes,
  ...authRoutes,
  ...dataRoutes,
  ...traceRoutes,
  ...eventsRoutes,
  ...statusRoutes,
  ...publishersRoutes,
  ...auditRoutes,
  ...doctorRoutes,
  ...loginRoutes,
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;

type Shape<T> = T extends z.ZodType
  ? z.output<T>
  : T extends 'text' | 'markdown' | 'html'
    ? string
    : T extends 'bytes'
      ? Uint8Array
      : T extends 'archive' | 'file'
        ? Readable
        : T extends 'table'
          ? TableFile
          : undefined;

type Sent<T> = T extends z.ZodType ? z.input<T> : undefined;

/** The answer of a route, by name: `Answer<'rollback'>`. */
export type Answer<N extends RouteName> = Shape<(typeof routes)[N]['response']>;

/** The JSON body that a caller sends; undefined where there is none. */
export type Body<N extends RouteName> = (typeof routes)[N] extends { body: infer B } ? Sent<B> : undefined;

/** A JSON body as a route's handler sees it, with defaults filled in. */
export type ParsedBody<N extends RouteName> = (typeof routes)[N] extends { body: infer B }
  ? Shape<B>
  : undefined;

export type Params<N extends RouteName> = (typeof routes)[N] extends { params: infer P }
  ? Sent<P>
  : undefined;

export type ParsedParams<N extends RouteName> = (typeof routes)[N] extends { params: infer P }
  ? Shape<P>
  : undefined;

export type Query<N extends RouteName> = (typeof routes)[N] extends { query: infer Q } ? Sent<Q> : undefined;

export type ParsedQuery<N extends RouteName> = (typeof routes)[N] extends { query: infer Q }
  ? Shape<Q>
  : undefined;
