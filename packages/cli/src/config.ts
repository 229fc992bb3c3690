import { existsSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system-error';
import { projectDirectories, type ServerSettings, settingsIn } from './config-files.ts';

/** Where settings come from. Nothing else in the command line reads the environment or a settings file. */
export interface Sources {
  readonly environment: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** The user's own settings: `config.json` and `key.jwk`. */
  readonly userDirectory: string;
}

export async function systemSources(): Promise<Sources> {
  const { default: envPaths } = await import('env-paths');
  return {
    environment: process.env,
    cwd: process.cwd(),
    userDirectory: envPaths('osa', { suffix: '' }).config,
  };
}

export interface Server {
  /** Without a slash at its end. */
  readonly url: string;
  /** What named it: `--server`, `OSA_SERVER`, or a file. */
  readonly from: string;
}

/**
 * The server: `--server`, `OSA_SERVER`, the nearest `.osa/daemon.json` of a daemon that runs, the nearest
 * `.osa/config.json`, the user's `config.json`.
 *
 * @throws OsaError `usage` for a URL or a file that cannot be used, `unreachable` when there is none.
 */
export function resolveServer(sources: Sources, option: string | undefined): Server {
  const { OSA_SERVER } = sources.environment;
  if (option !== undefined) return { url: normaliseUrl(option, '--server'), from: '--server' };
  if (OSA_SERVER) return { url: normaliseUrl(OSA_SERVER, 'OSA_SERVER'), from: 'OSA_SERVER' };
  const known = knownServers(sources);
  const chosen = known.find(({ endedPid }) => endedPid === undefined);
  if (chosen) return { url: normaliseUrl(chosen.server, chosen.path), from: chosen.path };
  const [ended] = known;
  if (ended) {
    throw new OsaError(
      'unreachable',
      `${ended.path} names ${ended.server}, but its process ${ended.endedPid} has ended; start it again with: osad --dev`,
      { details: { url: ended.server } },
    );
  }
  throw new OsaError(
    'unreachable',
    'no server is configured here; start one with: osad --dev, or give --server or OSA_SERVER',
  );
}

export interface Identity {
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  readonly key: KeySource;
}

/** What a request's token comes from: one that was made elsewhere, or a key that signs one. */
export type Credential =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'key'; readonly identity: Identity };

/**
 * The credential for `server`; undefined when there is none.
 *
 * @throws OsaError `credentials` for an `OSA_TOKEN` that is no token, and where two credentials are set
 */
export function resolveCredential(sources: Sources, server: Server): Credential | undefined {
  const { OSA_TOKEN } = sources.environment;
  const [first, second] = (['OSA_TOKEN', 'OSA_KEY', 'OSA_KEY_FILE'] as const).filter(
    (name) => sources.environment[name],
  );
  if (first !== undefined && second !== undefined) {
    throw new OsaError('credentials', `${first} and ${second} are both set; unset the one that is not meant`);
  }
  if (OSA_TOKEN) {
    const token = OSA_TOKEN.trim();
    if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return { kind: 'token', token };
    throw new OsaError(
      'credentials',
      'OSA_TOKEN is no token: it must be three parts of base64url between two dots',
    );
  }
  const identity = resolveIdentity(sources, server);
  return identity && { kind: 'key', identity };
}

/** A private key as text, or the file that holds it. `name` is how errors call it. */
export type KeySource =
  | { readonly name: string; readonly text: string }
  | { readonly name: string; readonly path: string };

/**
 * Who signs the tokens for `server`, and with which key: `OSA_KEY`, `OSA_KEY_FILE`, the `key_file` of the settings
 * that name this server, `.osa/key.jwk`, the user's `key.jwk`. A key that stands beside the settings of another
 * server is left alone. Undefined when there is no key.
 */
export function resolveIdentity(sources: Sources, server: Server): Identity | undefined {
  const { environment } = sources;
  const settings = knownServers(sources).find((known) => names(known, server));
  const key = keyFromEnvironment(environment) ?? keyFromFiles(sources, server, settings);
  if (!key) return undefined;
  const own = settings && speaksFor(settings, key, sources) ? settings : undefined;
  return {
    key,
    issuer: environment.OSA_ISSUER || own?.issuer || defaultIssuer,
    audience: environment.OSA_AUDIENCE || own?.audience || new URL(server.url).origin,
    subject: environment.OSA_SUBJECT || own?.subject || defaultSubject(environment),
  };
}

/**
 * Whether settings may say what a key signs: those of the user's own directory, and those that the key stands with.
 * Otherwise a cloned project could name its own server and the audience of another one, and be sent a token that is
 * good there.
 */
function speaksFor(settings: ServerSettings, key: KeySource, { userDirectory }: Sources): boolean {
  const directory = dirname(settings.path);
  return directory === userDirectory || ('path' in key && dirname(key.path) === directory);
}

/** The key that signs where no server is known: of the environment, or the user's own. */
export function resolveKey({ environment, userDirectory }: Sources): KeySource | undefined {
  const path = join(userDirectory, 'key.jwk');
  return keyFromEnvironment(environment) ?? (existsSync(path) ? { name: path, path } : undefined);
}

const defaultIssuer = 'osa-cli';

/** The issuer of tokens that are signed with a key which no settings file goes with. */
export function issuerOf({ OSA_ISSUER }: NodeJS.ProcessEnv): string {
  return OSA_ISSUER || defaultIssuer;
}

/** Colours are for terminals, and only where `NO_COLOR` is unset or empty (no-color.org). */
export function allowsColours({ NO_COLOR, TERM }: NodeJS.ProcessEnv): boolean {
  return !NO_COLOR && TERM !== 'dumb';
}

/** Whether this is a CI job: nobody sits at its terminal, if it has one. */
export function isCi({ CI }: NodeJS.ProcessEnv): boolean {
  return Boolean(CI) && CI !== 'false' && CI !== '0';
}

/** Options of the container engine itself, as the daemon takes them. */
export function engineOptions({ OSA_ENGINE_OPTIONS = '' }: NodeJS.ProcessEnv): string[] {
  return OSA_ENGINE_OPTIONS.split(/\s+/).filter((option) => option !== '');
}

/** Whether errors come with their stack and causes. */
export function wantsStacks({ OSA_DEBUG }: NodeJS.ProcessEnv): boolean {
  return Boolean(OSA_DEBUG);
}

/** What GitHub's runner tells a step; undefined elsewhere. */
export interface GithubActions {
  /** The root of the checkout. */
  readonly workspace: string | undefined;
  /** The file that the step's summary is appended to. */
  readonly summary: string | undefined;
}

export function githubActions(environment: NodeJS.ProcessEnv): GithubActions | undefined {
  const { GITHUB_ACTIONS, GITHUB_WORKSPACE, GITHUB_STEP_SUMMARY } = environment;
  if (GITHUB_ACTIONS !== 'true') return undefined;
  return { workspace: GITHUB_WORKSPACE || undefined, summary: GITHUB_STEP_SUMMARY || undefined };
}

/** Running daemons first, then the configured servers; ended daemons last. */
function knownServers({ cwd, userDirectory }: Sources): ServerSettings[] {
  const known = projectDirectories(cwd).flatMap(settingsIn);
  const isDaemon = ({ path }: ServerSettings) => path.endsWith('daemon.json');
  const rank = (settings: ServerSettings) =>
    settings.endedPid !== undefined ? 2 : isDaemon(settings) ? 0 : 1;
  const users = settingsIn(userDirectory).filter((settings) => !isDaemon(settings));
  return [...known, ...users].sort((left, right) => rank(left) - rank(right));
}

function names(settings: ServerSettings, server: Server): boolean {
  return normaliseUrl(settings.server, settings.path) === server.url;
}

function keyFromEnvironment({ OSA_KEY, OSA_KEY_FILE }: NodeJS.ProcessEnv): KeySource | undefined {
  // Where a secret cannot hold the ends of lines, they are written out.
  if (OSA_KEY) return { name: 'OSA_KEY', text: OSA_KEY.replaceAll('\\n', '\n') };
  return OSA_KEY_FILE ? { name: `OSA_KEY_FILE (${OSA_KEY_FILE})`, path: OSA_KEY_FILE } : undefined;
}

function keyFromFiles(
  sources: Sources,
  server: Server,
  settings: ServerSettings | undefined,
): KeySource | undefined {
  if (settings?.keyFile) return { name: settings.keyFile, path: settings.keyFile };
  const path = [...projectDirectories(sources.cwd), sources.userDirectory]
    .map((directory) => join(directory, 'key.jwk'))
    .find((candidate) => existsSync(candidate) && isFor(candidate, server));
  return path === undefined ? undefined : { name: path, path };
}

/** A key belongs to the servers named beside it; with none named there, to any. */
function isFor(keyPath: string, server: Server): boolean {
  const beside = settingsIn(dirname(keyPath));
  const claimed = beside.filter(({ keyFile }) => keyFile === keyPath);
  const owners = claimed.length > 0 ? claimed : beside;
  return owners.length === 0 || owners.some((settings) => names(settings, server));
}

function normaliseUrl(text: string, from: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (!url || !isHttp || url.search !== '' || url.hash !== '') {
    throw new OsaError('usage', `${from}: "${text}" is not a server's URL, such as http://127.0.0.1:8470`, {
      field: from,
    });
  }
  if (url.username !== '' || url.password !== '') {
    throw new OsaError('usage', `${from}: a server's URL has no user or password in it; keys sign tokens`, {
      field: from,
    });
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** In CI the repository, which stays the same from machine to machine; else the user at the host. */
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
