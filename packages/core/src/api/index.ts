import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { TableFile } from '../data/format/file.ts';
import { authRoutes } from './auth.ts';
import { blobsRoutes } from './blobs.ts';
import { conventionsRoutes } from './conventions.ts';
import { dataRoutes } from './data.ts';
import { filesRoutes } from './files.ts';
import { hooksRoutes } from './hooks.ts';
import { ingestionsRoutes } from './ingestions.ts';
import { auditRoutes } from './operate/audit.ts';
import { comparisonsRoutes } from './operate/comparisons.ts';
import { depositionFormRoutes } from './operate/deposition-forms.ts';
import { depositionsRoutes } from './operate/depositions.ts';
import { doctorRoutes } from './operate/doctor.ts';
import { eventsRoutes } from './operate/events.ts';
import { publishersRoutes } from './operate/publishers.ts';
import { recallsRoutes } from './operate/recalls.ts';
import { recomputesRoutes } from './operate/recomputes.ts';
import { replaysRoutes } from './operate/replays.ts';
import { statusRoutes } from './operate/status.ts';
import { loginRoutes } from './people/login.ts';
import type { Route } from './route.ts';
import { runsRoutes } from './runs.ts';
import { serviceRoutes } from './service.ts';
import { traceRoutes } from './trace/index.ts';

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
      : T extends 'archive'
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
