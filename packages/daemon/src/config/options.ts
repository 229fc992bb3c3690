import { parseArgs } from 'node:util';
import { roles } from '@osa/core/auth/role';
import { OsaError } from '@osa/core/error';
import type { RoleChange } from '../roles.ts';
import type { Part } from './config.ts';

/** What the command line asks for. */
export type Options =
  | { readonly command: 'help' }
  | { readonly command: 'version' }
  | { readonly command: 'migrate'; readonly database: string | undefined }
  | { readonly command: 'roles'; readonly database: string | undefined; readonly change: RoleChange }
  | { readonly command: 'serve'; readonly config: string | undefined; readonly part: Part | undefined }
  | {
      readonly command: 'dev';
      readonly config: string | undefined;
      readonly part: Part | undefined;
      readonly directory: string;
      readonly adopt: boolean;
      readonly port: number | undefined;
      readonly database: string | undefined;
      readonly data: string | undefined;
    };

export const help = `osad, the daemon of osa

  osad --dev [--dir DIR] [--adopt] [--port N] [--data DIR] [--database URL] [--config FILE] [--no-worker | --worker-only]
      For development; needs nothing installed. Starts an embedded PostgreSQL and a daemon on 127.0.0.1 that runs
      hooks as processes. All of it lives in DIR (.osa), which one daemon holds at a time; as root, PostgreSQL's
      files are below /var/tmp where its account cannot reach DIR. With OSA_RUNNER=podman, docker or auto it runs
      images too; the other settings of the worker and of logs (warn) hold as well.
        --port N         where to listen (8470); 0 takes a free port
        --adopt          use a DIR that you copied here yourself; without it, one that osad did not make for you on
                         this machine is refused, since a cloned repository may have brought it
        --data DIR       where uploaded files are kept (<dir>/data)
        --database URL   use this migrated database, as the application's role in the URL, instead of the embedded
                         one; needs a --dir of its own, and a --data that all daemons of the database share
  osad [--config FILE] [--no-worker | --worker-only]
      For production: serves the database of DATABASE_URL. Settings come from the environment or, below it, from a
      YAML file (--config or OSA_CONFIG_FILE) with the names in brackets.
        DATABASE_URL [database_url]                  as the application's role, which \`osad migrate\` makes
        OSA_DATABASE_CONNECTIONS [database_connections]  for requests (10); uploads have two more, the
                                                     worker two for each batch and two
        OSA_DOMAIN [domain]                          stands in the name of every record
        OSA_DATA_DIR [data_dir]                      uploaded files
        OSA_HOST [host], OSA_PORT [port]             where to listen (127.0.0.1, 8470)
        OSA_ISSUER, OSA_AUDIENCE, OSA_PUBLIC_KEY_FILE or OSA_PUBLIC_KEY, OSA_ISSUER_SCOPES
                                                     whose machine tokens are accepted: \`iss\`, \`aud\`
                                                     (https://<domain>), Ed25519 public keys as PEM, JWK or JWK set, and
                                                     the scopes that they may carry at most; more issuers as a list
                                                     [issuers] of issuer, audience, public_key or public_key_file,
                                                     scope_claim and scopes. SIGHUP reads them again
        OSA_PRIMARY_SECRET or OSA_PRIMARY_SECRET_FILE [primary_secret, primary_secret_file]
                                                     of the issuer for people, 32 bytes or more; a file that nobody
                                                     else may read
        OSA_PRIMARY_ALGORITHM [primary_algorithm]    how that issuer signs: HS256, the only one
        OSA_MAX_TOKEN_SECONDS [max_token_seconds]    how long a machine token may live (3600)
        OSA_CLOCK_SKEW_SECONDS [clock_skew_seconds]  by how much clocks may differ (30, at most 60)
        OSA_READS [reads]                            public (the default) or authenticated
        OSA_TRUSTED_PROXIES [trusted_proxies]        addresses or networks (10.0.0.0/8), parted by spaces or commas, of
                                                     proxies whose X-Forwarded-For tells the client (none): failed
                                                     authentications are counted and limited for each client
        OSA_RUNNER [runner]                          what starts hooks that are images: podman, docker, auto (the one
                                                     that is there), or none: batches wait
        OSA_ENGINE_OPTIONS [engine_options]          options of the engine itself, such as
                                                     "--runtime runc --cgroup-manager cgroupfs"
        OSA_PULL_TIMEOUT_SECONDS [pull_timeout_seconds]  what pulling an image may take (300)
        OSA_MAX_HOOK_MEMORY [max_hook_memory]        what an attempt may have at most, such as 8g (all of the machine)
        OSA_PART [part]                              all (the default), server (--no-worker: answers requests, runs no
                                                     batches) or worker (--worker-only: runs batches, and answers
                                                     nothing but /health, /ready and /metrics)
        OSA_WORKER_CONCURRENCY [worker_concurrency]  batches at once (processors, at most 8, and one more)
        OSA_WORKER_PER_HOOK [worker_per_hook]        of these, how many of one hook (all but one), so that a slow hook
                                                     does not hold up the others
        OSA_LEASE_SECONDS [lease_seconds]            how soon another worker takes over from a dead one (30)
        OSA_DRAIN_SECONDS [drain_seconds]            what runs may take to end at SIGTERM (20)
        OSA_LOG_LEVEL [log_level]                    fatal, error, warn, info, debug, trace or silent (info)
  osad migrate [--database URL]
      Brings the tables up to date, as the owner of the database (OSA_OWNER_DATABASE_URL or DATABASE_URL), and gives
      the role OSA_APP_ROLE (osa_app) its rights.
  osad roles grant|revoke USER ROLE | list [--database URL]
      Roles of people, whose tokens come from the primary issuer: USER is the uuid in \`sub\`, ROLE one of PUBLIC,
      DEPOSITOR, CURATOR, ADMIN and SUPERADMIN. The last two pass every gate; the others give no rights. As the owner
      of the database.
  osad --help | --version

Examples
  osad --dev
  osad --dev --dir /tmp/try --port 0
  OSA_OWNER_DATABASE_URL=postgres://owner@db/osa osad migrate
  DATABASE_URL=postgres://osa_app@db/osa OSA_DOMAIN=data.example.org OSA_DATA_DIR=/var/lib/osa \\
    OSA_ISSUER=ci OSA_PUBLIC_KEY_FILE=/etc/osa/ci.pem osad

Requests carry \`Authorization: Bearer <token>\`; writes take an \`Idempotency-Key\`, a rollback the hook's ETag as
\`If-Match\`. /openapi.json lists every route with its scope; /health, /ready and /metrics are for machines.

Exit codes: 0 stopped as asked · 1 refused or failed · 2 wrong usage or settings
`;

/** @throws OsaError `usage` */
export function readOptions(argv: readonly string[]): Options {
  const { values, positionals } = parse(argv);
  if (values.help) return { command: 'help' };
  if (values.version) return { command: 'version' };
  const [command, ...others] = positionals;
  if (command === 'roles') {
    only(values, ['database'], 'osad roles');
    return { command, database: values.database, change: roleChange(others) };
  }
  if (others.length > 0 || (command !== undefined && command !== 'migrate')) {
    throw wrong(`${positionals.join(' ')}: the commands are migrate and roles`);
  }
  const { dev, dir, adopt = false, port, data, database, config } = values;
  const part = partOf(values);
  if (command === 'migrate') {
    only(values, ['database'], 'osad migrate');
    return { command, database };
  }
  if (!dev) {
    only(values, ['config', 'no-worker', 'worker-only'], 'osad without --dev');
    return { command: 'serve', config, part };
  }
  if (database !== undefined && dir === undefined)
    throw wrong('--database: needs a directory of its own; give --dir');
  return {
    command: 'dev',
    config,
    part,
    directory: dir ?? '.osa',
    adopt,
    port: portOf(port),
    database,
    data,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'V' },
        dev: { type: 'boolean' },
        dir: { type: 'string' },
        adopt: { type: 'boolean' },
        port: { type: 'string' },
        data: { type: 'string' },
        database: { type: 'string' },
        config: { type: 'string' },
        'no-worker': { type: 'boolean' },
        'worker-only': { type: 'boolean' },
      },
    });
  } catch (cause) {
    throw wrong(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function only(values: Readonly<Record<string, unknown>>, allowed: readonly string[], where: string): void {
  const [other] = Object.keys(values).filter((name) => !allowed.includes(name));
  if (other !== undefined) throw wrong(`--${other}: is not for ${where}`);
}

/** What the command line says; without it the settings decide. */
function partOf(values: { 'no-worker'?: boolean; 'worker-only'?: boolean }): Part | undefined {
  const { 'no-worker': noWorker, 'worker-only': workerOnly } = values;
  if (noWorker && workerOnly) throw wrong('--no-worker: leaves nothing to do beside --worker-only');
  if (noWorker) return 'server';
  return workerOnly ? 'worker' : undefined;
}

function roleChange([verb, user = '', role = '', ...others]: readonly string[]): RoleChange {
  if (verb === 'list' && user === '') return { verb };
  const known = roles.find((one) => one === role.toUpperCase());
  const isUser = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(user);
  if ((verb === 'grant' || verb === 'revoke') && isUser && known && others.length === 0) {
    return { verb, user: user.toLowerCase(), role: known };
  }
  throw wrong(`osad roles: it must be list, or grant or revoke with a uuid and one of ${roles.join(', ')}`);
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw wrong(`--port: ${JSON.stringify(text)} is not a port; give 0 to 65535`);
}

function wrong(what: string, cause?: unknown): OsaError {
  return new OsaError('usage', `${what}; see osad --help`, { cause });
}
