import { existsSync, realpathSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import { type IdTokenSource, idTokenSource } from './ci-identity.ts';
import { knownServers, names, type Server, type Sources } from './config.ts';
import { projectDirectories, type ServerSettings, settingsIn } from './files.ts';
import { storedLogin } from './logins.ts';
import { refuseKey } from './secrets.ts';

/** A request carries a token that was made elsewhere, or one that a key signs. */

export interface Identity {
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  readonly key: KeySource;
  /** Whether the key lies beside the settings of a project that name the server. */
  readonly isProjects: boolean;
}

/** The source of a request's token: one that was made elsewhere, a key that signs one, or a login. */
export type Credential =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'key'; readonly identity: Identity }
  /** A CI job proves itself by the ID token of its provider. */
  | { readonly kind: 'job'; readonly source: IdTokenSource }
  /** A person has logged in at this server. */
  | { readonly kind: 'login' };

/**
 * The credential for `server`; undefined when there is none. A server that only the files of a project name gets no
 * token that other servers accept. These are the token of the environment, tokens of a key of the environment, and
 * tokens of the user's own key for the audience of the environment. A key that lies in the project itself can sign
 * nothing that the project could not sign anyway.
 *
 * @throws OsaError `credentials` for an `OSA_TOKEN` that is not a token, where two credentials are set, and for a
 * token that is kept from this server
 */
export function resolveCredential(sources: Sources, server: Server): Credential | undefined {
  const { environment } = sources;
  const [first, second] = (['OSA_TOKEN', 'OSA_KEY', 'OSA_KEY_FILE'] as const).filter(
    (name) => environment[name],
  );
  if (first !== undefined && second !== undefined) {
    throw new OsaError('credentials', `${first} and ${second} are both set; unset one of them`);
  }
  const token = environment.OSA_TOKEN ? environment.OSA_TOKEN.trim() : undefined;
  if (token !== undefined && !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) {
    throw new OsaError(
      'credentials',
      'OSA_TOKEN is not a token: a token has three parts of base64url, separated by dots',
    );
  }
  const identity = token === undefined ? resolveIdentity(sources, server) : undefined;
  const given = first ?? (identity && environment.OSA_AUDIENCE && !identity.isProjects && 'OSA_AUDIENCE');
  if (given && !server.isUsers) throw keptFrom(server, given);
  if (token !== undefined) return { kind: 'token', token };
  if (identity) return { kind: 'key', identity };
  const source = idTokenSource(environment);
  if (source && !server.isUsers) throw keptFrom(server, 'the ID token of this job');
  if (source) return { kind: 'job', source };
  return storedLogin(sources, server) && { kind: 'login' };
}

function keptFrom({ url, from }: Server, given: string): OsaError {
  return new OsaError(
    'credentials',
    `${given} is set, and osa does not send tokens made with it to ${url}: only ${from} names this server, and that ` +
      'file may have come with the project. If you mean this server, name it with --server or OSA_SERVER',
    { details: { url, from } },
  );
}

/** A private key as text, or the file that holds it. `name` is how errors call it. */
export type KeySource =
  | { readonly name: string; readonly text: string }
  | { readonly name: string; readonly path: string };

/**
 * The signer of the tokens for `server`, and its key: `OSA_KEY`, `OSA_KEY_FILE`, the `key_file` of the settings
 * that name this server, `.osa/key.jwk`, the user's `key.jwk`. A key beside the settings of another
 * server is not used. Undefined when there is no key.
 */
export function resolveIdentity(sources: Sources, server: Server): Identity | undefined {
  const { environment, userDirectory } = sources;
  for (const name of ['OSA_ISSUER', 'OSA_AUDIENCE', 'OSA_SUBJECT']) refuseKey(name, environment[name]);
  const named = knownServers(sources).filter((known) => names(known, server));
  const key = keyFromEnvironment(environment) ?? keyFromFiles(sources, server, named);
  if (!key) return undefined;
  const isUsers = ({ path }: ServerSettings) => dirname(path) === userDirectory;
  // Settings say what a key signs if they are the user's own, or lie beside the key. Otherwise a cloned project could
  // name its own server and the audience of another one, and be sent a token that is good there.
  const own = named.find((settings) => isUsers(settings) || liesBeside(settings, key));
  return {
    key,
    isProjects: own !== undefined && !isUsers(own),
    issuer: environment.OSA_ISSUER || own?.issuer || defaultIssuer,
    audience: environment.OSA_AUDIENCE || own?.audience || new URL(server.url).origin,
    subject: environment.OSA_SUBJECT || own?.subject || defaultSubject(environment),
  };
}

function liesBeside({ path }: ServerSettings, key: KeySource): boolean {
  return 'path' in key && dirname(key.path) === dirname(path);
}

/** The key that signs where no server is known: of the environment, or the user's own. */
export function resolveKey({ environment, userDirectory }: Sources): KeySource | undefined {
  const path = join(userDirectory, 'key.jwk');
  return keyFromEnvironment(environment) ?? (existsSync(path) ? { name: path, path } : undefined);
}

/** An error where a key is needed and there is none; it says so when a variable is set and empty. */
export function noKey({ environment }: Sources): OsaError {
  const empty = ['OSA_KEY', 'OSA_TOKEN', 'OSA_KEY_FILE'].find((name) => environment[name] === '');
  if (empty === undefined) {
    return new OsaError(
      'credentials',
      'you have no key for this server: log in with `osa login`, set OSA_KEY, OSA_KEY_FILE or OSA_TOKEN, make a key with `osa keys generate`, or ' +
        'work in a directory with a running `osa dev`; a CI job can do without (osa publishers add --help)',
    );
  }
  return new OsaError(
    'credentials',
    `${empty} is set and empty, so there is no key; in CI, check that the secret exists and that this job may read it ` +
      '(pull requests from forks get no secrets)',
    { field: empty },
  );
}

const defaultIssuer = 'osa-cli';

/** The issuer of tokens that are signed with a key which no settings file goes with. */
export function issuerOf({ OSA_ISSUER }: NodeJS.ProcessEnv): string {
  return OSA_ISSUER || defaultIssuer;
}

function keyFromEnvironment({ OSA_KEY, OSA_KEY_FILE }: NodeJS.ProcessEnv): KeySource | undefined {
  // Where a secret cannot hold the ends of lines, they are written out.
  if (OSA_KEY) return { name: 'OSA_KEY', text: OSA_KEY.replaceAll('\\n', '\n') };
  return OSA_KEY_FILE ? { name: 'OSA_KEY_FILE', path: OSA_KEY_FILE } : undefined;
}

/** @throws OsaError `credentials` for a key of a project that is a link to a file elsewhere */
function keyFromFiles(
  sources: Sources,
  server: Server,
  named: readonly ServerSettings[],
): KeySource | undefined {
  const path =
    named.find(({ keyFile }) => keyFile !== undefined)?.keyFile ??
    [...projectDirectories(sources.cwd), sources.userDirectory]
      .map((directory) => join(directory, 'key.jwk'))
      .find((candidate) => existsSync(candidate) && isFor(candidate, server));
  if (path === undefined) return undefined;
  if (dirname(path) !== sources.userDirectory && leadsElsewhere(path)) {
    throw new OsaError(
      'credentials',
      `${path} is a link to a file elsewhere, and may have come with the project; set OSA_KEY_FILE to the key`,
      { details: { path } },
    );
  }
  return { name: path, path };
}

/** Git keeps links: a project could pass the user's own key off as one of its own. */
function leadsElsewhere(path: string): boolean {
  return existsSync(path) && dirname(realpathSync(path)) !== realpathSync(dirname(path));
}

/** A key belongs to the servers named beside it; with none named there, to any. */
function isFor(keyPath: string, server: Server): boolean {
  const beside = settingsIn(dirname(keyPath));
  const claimed = beside.filter(({ keyFile }) => keyFile === keyPath);
  const owners = claimed.length > 0 ? claimed : beside;
  return owners.length === 0 || owners.some((settings) => names(settings, server));
}

/** In CI the repository, which is the same on each machine; else the user at the host. */
function defaultSubject({ GITHUB_REPOSITORY, CI_PROJECT_PATH }: NodeJS.ProcessEnv): string {
  return GITHUB_REPOSITORY || CI_PROJECT_PATH || `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    // A user id without an account, as in many containers.
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ERR_SYSTEM_ERROR') return 'unknown';
    throw error;
  }
}
