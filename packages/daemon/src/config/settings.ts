import { availableParallelism, totalmem } from 'node:os';
import { isRegistry } from '@osa/core/hook/image';
import { MemoryText, memoryBytes } from '@osa/core/hook/release';
import { bounds } from '@osa/core/limits';
import { runnerSettings } from '@osa/core/runners/index';
import type { Path } from '@osa/core/value-path';
import { z } from 'zod';
import { httpLimits } from '../http/limits.ts';
import { isNetwork } from '../http/network.ts';
import { logLevels } from '../log.ts';
import { IssuerEntry } from './issuer-entry.ts';
import { loginSettings } from './login-settings.ts';
import { operationSettings } from './operation-settings.ts';
import { endpoint, whole, words } from './shapes.ts';
import { storageSettings } from './storage-settings.ts';

/** One setting of the daemon. The parser, `osad --help` and docs/settings.md are made from this table. */
interface Setting {
  /** The accepted values and the default. */
  readonly shape: z.ZodType;
  /** One sentence for people, as Markdown without links. */
  readonly help: string;
  /** The default in words, where the shape has none or the machine decides. */
  readonly unset?: string;
  /** Its variables, where they are not `OSA_` and the name in capitals. */
  readonly variables?: readonly string[];
  /** Whether its value is never repeated in a message. */
  readonly isSecret?: true;
}

export const parts = ['all', 'server', 'worker'] as const;
export type Part = (typeof parts)[number];

/** Each member of the issuer in the environment, with its variable. */
export const issuerVariables = {
  issuer: 'OSA_ISSUER',
  audience: 'OSA_AUDIENCE',
  public_key: 'OSA_PUBLIC_KEY',
  public_key_file: 'OSA_PUBLIC_KEY_FILE',
  scopes: 'OSA_ISSUER_SCOPES',
} as const;

/** One reader without a token can have one of three, so that it keeps one processor busy at most. */
export const defaultReadConnections = Math.max(3, Math.min(availableParallelism(), 8));

export const settings = {
  database_url: {
    shape: z.string().optional(),
    variables: ['DATABASE_URL'],
    unset: 'required',
    isSecret: true,
    help: 'URL of the database, with the application’s role, which `osad migrate` creates.',
  },
  database_url_file: {
    shape: z.string().min(1).optional(),
    help: 'File with that URL instead; nobody else may have access to it.',
  },
  database_connections: {
    shape: whole(1, 500).default(10),
    help: 'Connections for writes and probes. Uploads have 2 more, and cancellations 2; the worker has 2 for each batch, and 2 more.',
  },
  read_connections: {
    shape: whole(2, 500).default(defaultReadConnections),
    unset: 'the number of processors, at least 3 and at most 8',
    help:
      'Connections for reads, and so the number of reads at a time. One is kept from readers without a token, and no ' +
      'reader has more than half.',
  },
  max_connections: {
    shape: whole(10, 100_000).default(httpLimits.connections),
    help: 'Connections of clients at a time; further ones are closed at once.',
  },
  max_connections_per_address: {
    shape: whole(1, 100_000).default(httpLimits.connectionsPerAddress),
    help: 'The same for each address (a /64 network counts as one in IPv6). Trusted proxies have no such limit.',
  },
  anonymous_requests_per_minute: {
    shape: whole(1, 1_000_000_000).default(httpLimits.anonymousRequests),
    help: 'Reads without a token in a minute, for each address; then 429 with Retry-After.',
  },
  anonymous_rows_per_minute: {
    shape: whole(1, 1_000_000_000).default(httpLimits.anonymousRows),
    help: 'Rows that these reads get in a minute, for each address.',
  },
  anonymous_megabytes_per_minute: {
    shape: whole(1, 1_000_000).default(httpLimits.anonymousBytes / 2 ** 20),
    help: 'Mebibytes that these reads get in a minute, for each address.',
  },
  domain: {
    shape: z
      .string()
      .max(200)
      .regex(
        /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
        'must be a lower-case domain name',
      )
      .optional(),
    unset: 'required',
    help: 'Domain of the archive, which is part of the name of every record.',
  },
  host: { shape: z.string().min(1).default('127.0.0.1'), help: 'Address to listen on.' },
  port: { shape: whole(0, 65_535).default(8470), help: 'Port to listen on; 0 takes a free one.' },
  data_dir: {
    shape: z.string().min(1).optional(),
    unset: 'required',
    help: 'Directory for uploaded files.',
  },
  ...storageSettings,
  ...loginSettings,
  reads: {
    shape: z.enum(['public', 'authenticated']).default('public'),
    help: '`public` or `authenticated`: whether reading hooks, conventions and published data needs a token.',
  },
  issuers: {
    shape: z.array(IssuerEntry).max(100).default([]),
    variables: Object.values(issuerVariables),
    isSecret: true,
    help:
      'Issuers whose machine tokens are accepted. The variables name one; in the file, the list takes several. Each ' +
      'has `issuer`, `audience` (`https://<domain>`), `public_key` or `public_key_file` (Ed25519, as PEM, JWK or JWK ' +
      'set), `scope_claim` (`scope`) and `scopes`. `scopes` are the widest that its tokens may carry. SIGHUP reloads them.',
  },
  primary_secret: {
    shape: z.string().optional(),
    isSecret: true,
    help: 'Secret of the issuer for people, 32 bytes or more; better, name a file in `primary_secret_file`.',
  },
  primary_secret_file: {
    shape: z.string().min(1).optional(),
    help: 'File with that secret, byte for byte except for a final newline; nobody else may have access to it.',
  },
  primary_algorithm: {
    shape: z.literal('HS256').default('HS256'),
    help: 'Signature algorithm of the issuer for people; `HS256` is the only one.',
  },
  exchange_key_file: {
    shape: z.string().min(1).optional(),
    unset: 'exchange-key.jwk in the data directory, which osad makes',
    help:
      'File with the Ed25519 key (PEM or JWK) that signs the tokens of CI jobs. All daemons of a database need the same one; name ' +
      'it where they do not share a data directory. Nobody else may have access to it.',
  },
  max_token_seconds: {
    shape: whole(1, 86_400).default(3_600),
    help: 'Longest lifetime of a machine token.',
  },
  clock_skew_seconds: {
    shape: whole(0, 60).default(30),
    help: 'Accepted difference between the clocks of issuer and daemon, at most 60.',
  },
  trusted_proxies: {
    shape: words(/[\s,]+/, 10_000).refine(
      (networks) => networks.every(isNetwork),
      'must be addresses or networks, such as 10.0.0.0/8',
    ),
    help:
      'Proxies whose X-Forwarded-For is believed: addresses or networks such as `10.0.0.0/8`, separated by spaces or ' +
      'commas. Failed authentications and reads are counted by client address.',
  },
  runner: {
    shape: z.enum([...runnerSettings, 'none']).optional(),
    unset: 'none; with --dev: process',
    help: 'Engine that runs hooks: `podman`, `docker`, `auto` (the one that is installed) or `none` (batches wait).',
  },
  engine_options: {
    shape: words(/\s+/, 1_000),
    help: 'Options for the engine itself, such as `--runtime runc --cgroup-manager cgroupfs`.',
  },
  accepted_runtime: {
    shape: z.string().min(1).max(200).optional(),
    help:
      'An OCI runtime below the floor that you know to be mended, as the message at the start names it, such as ' +
      '`runc 1.1.5`. Another version is checked again.',
  },
  image_registries: {
    shape: words(/[\s,]+/, 10_000).refine(
      (registries) => registries.every(isRegistry),
      'must be hosts in lower case, perhaps with the start of a name, such as ghcr.io/acme',
    ),
    unset: 'any',
    help:
      'Registries that images may come from: hosts, perhaps with the start of a name, such as `ghcr.io/acme`, separated by ' +
      'spaces or commas. Deploys and releases of other images are refused, and they are not run.',
  },
  pull_timeout_seconds: {
    shape: whole(1, 86_400).default(bounds.pullMs / 1_000),
    help: 'Time limit for pulling an image.',
  },
  max_hook_memory: {
    shape: MemoryText.default(`${totalmem()}`).transform(memoryBytes),
    unset: 'all of the machine',
    help: 'Most memory that one attempt may have, such as `8g`.',
  },
  part: {
    shape: z.enum(parts).default('all'),
    help:
      '`all`, `server` (--no-worker: serves requests, runs no batches) or `worker` (--worker-only: runs batches, serves ' +
      'only /health, /ready and /metrics).',
  },
  worker_concurrency: {
    shape: whole(1, 256).default(Math.min(availableParallelism(), 8) + 1),
    unset: 'the number of processors, at most 8, plus 1',
    help: 'Batches that run at the same time.',
  },
  worker_per_hook: {
    shape: whole(1, 256).optional(),
    unset: 'all but one',
    help: 'How many of these may run the same hook, so that a slow hook does not block the others.',
  },
  lease_seconds: {
    shape: whole(1, 3_600).default(30),
    help: 'Time after which another worker takes over the batches of a dead one.',
  },
  drain_seconds: {
    shape: whole(0, 3_600).default(20),
    help: 'Time that running batches get to finish after SIGTERM.',
  },
  openlineage_url: {
    shape: endpoint('OSA_OPENLINEAGE_API_KEY').optional(),
    unset: 'none',
    help: 'Endpoint that gets the events of runs as OpenLineage, such as `https://lineage.example.org/api/v1/lineage`.',
  },
  openlineage_api_key: {
    shape: z.string().min(1).optional(),
    unset: 'none',
    isSecret: true,
    help: 'Bearer token for that endpoint.',
  },
  ...operationSettings,
  log_level: {
    shape: z.enum(logLevels).optional(),
    unset: 'info; with --dev: warn',
    help: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.',
  },
} as const satisfies Record<string, Setting>;

/** Variables that are not settings of the file. */
export const otherVariables: Readonly<Record<string, { readonly help: string; readonly unset: string }>> = {
  OSA_CONFIG_FILE: { unset: 'none', help: 'The YAML file with settings, as --config.' },
  OSA_OWNER_DATABASE_URL: {
    unset: 'DATABASE_URL',
    help: 'URL of the database with its owner’s role, for `osad migrate` and `osad roles`.',
  },
  OSA_OWNER_DATABASE_URL_FILE: {
    unset: 'none',
    help: 'File with that URL instead; nobody else may have access to it.',
  },
  OSA_APP_ROLE: { unset: 'osa_app', help: 'Role of the application, which `osad migrate` gives its rights.' },
};

type Table = typeof settings;
const shapes = Object.fromEntries(Object.entries(settings).map(([name, { shape }]) => [name, shape]));

/** The settings as the file names them. */
export const SettingsShape = z.strictObject(shapes as { [Name in keyof Table]: Table[Name]['shape'] });
export type SettingValues = z.infer<typeof SettingsShape>;

export const settingNames: readonly string[] = Object.keys(settings);

/** The variables of a setting; only `issuers` has several. */
export function variablesOf(name: string): readonly string[] {
  return settingOf(name)?.variables ?? [`OSA_${name.toUpperCase()}`];
}

/** Whether a value may be a secret. One with an unknown name may be: the name could be misspelt. */
export function isSecret([name = '']: Path): boolean {
  const setting = settingOf(String(name));
  return setting === undefined || setting.isSecret === true;
}

/** The default of a setting, in words. */
export function defaultText(name: string): string {
  const setting = settingOf(name);
  const value = setting?.shape.safeParse(undefined).data;
  const isNothing = value === undefined || (Array.isArray(value) && value.length === 0);
  return setting?.unset ?? (isNothing ? 'none' : String(value));
}

function settingOf(name: string): Setting | undefined {
  const table: Readonly<Record<string, Setting>> = settings;
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
