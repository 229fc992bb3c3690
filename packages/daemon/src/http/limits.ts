import { bounds } from '@osa/core/limits';

/** The limits of the HTTP server on its clients. Sizes are bytes, times milliseconds. */
export interface HttpLimits {
  /** For all headers of a request to arrive. */
  readonly headersMs: number;
  /** For all of a JSON body to arrive. */
  readonly requestMs: number;
  /** The longest pause within an upload; its total time is not limited. */
  readonly uploadIdleMs: number;
  /** The longest pause of a client while it reads its answer. */
  readonly answerIdleMs: number;
  /** Connections at a time, and those of one address; a network of IPv6 counts as one. */
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Requests of one connection that are begun or wait for the answers before them; the rest is not read. */
  readonly pipelinedRequests: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  readonly headerBytes: number;
  readonly headers: number;
  readonly requestBytes: number;
  /** A JSON body of a route that is open to everybody: a token or a code. */
  readonly openBytes: number;
  /** The JSON bodies of one caller, or of a network without a token, that are in memory at a time, and those of all. */
  readonly bodyBytes: { readonly each: number; readonly all: number };
  readonly uploadBytes: number;
  readonly blobBytes: number;
  readonly fileBytes: number;
  /** The bytes of files that one actor may send on a day. */
  readonly uploadBytesPerDay: number;
  /** Requests without an accepted token, for each network: this many at once, one a second in the long run. */
  readonly failedAuthentications: number;
  /** The requests of readers without a token in a minute, for each network. */
  readonly anonymousRequests: number;
  readonly anonymousRows: number;
  readonly anonymousBytes: number;
  /** Bytes of answers that one reader has not taken yet, and that all readers have not; then further reads wait. */
  readonly unreadBytes: { readonly each: number; readonly all: number };
  /** Tables and stored files that are sent at a time, to one reader and to all. */
  readonly tableStreams: { readonly each: number; readonly all: number };
  readonly fileStreams: { readonly each: number; readonly all: number };
  /** Reads that wait for their turn, of one reader and of all, and for how long. */
  readonly waitingReads: { readonly each: number; readonly all: number };
  readonly readWaitMs: number;
}

export const httpLimits: HttpLimits = {
  headersMs: 10_000,
  requestMs: 15_000,
  uploadIdleMs: 30_000,
  answerIdleMs: 60_000,
  connections: 2_000,
  connectionsPerAddress: 600,
  pipelinedRequests: 4,
  keepAliveMs: 10_000,
  headerBytes: 16 * 1024,
  headers: 100,
  requestBytes: bounds.requestBytes,
  openBytes: 16 * 1024,
  bodyBytes: { each: 32 * 1024 * 1024, all: 128 * 1024 * 1024 },
  uploadBytes: bounds.uploadBytes,
  blobBytes: bounds.blobBytes,
  fileBytes: bounds.fileBytes,
  uploadBytesPerDay: 200 * 2 ** 30,
  failedAuthentications: 100,
  anonymousRequests: 3_000,
  anonymousRows: 1_000_000,
  anonymousBytes: 512 * 1024 * 1024,
  unreadBytes: { each: 16 * 1024 * 1024, all: 64 * 1024 * 1024 },
  tableStreams: { each: 8, all: 64 },
  fileStreams: { each: 64, all: 512 },
  waitingReads: { each: 64, all: 1_000 },
  readWaitMs: 5_000,
};
