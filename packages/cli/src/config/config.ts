import { OsaError } from '@osa/core/error';
import type { Display } from '../terminal/output.ts';
import { projectDirectories, type ServerSettings, settingsIn } from './files.ts';
import { type ForwardProxy, proxyFor } from './proxy.ts';
import { quotedUnlessSecret, refuseKey } from './secrets.ts';

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
  /** Where its URL comes from: `--server`, `OSA_SERVER`, or a file. */
  readonly from: string;
  /** Whether the user named it: there, or in their own settings. The files of a project may have come with it. */
  readonly isUsers: boolean;
}

/**
 * The server: `--server`, `OSA_SERVER`, the nearest `.osa/daemon.json` of a daemon that runs, the nearest
 * `.osa/config.json`, the user's `config.json`.
 *
 * @throws OsaError `usage` for a URL or a file that cannot be used, `unreachable` when there is none.
 */
export function resolveServer(sources: Sources, option: string | undefined): Server {
  const { OSA_SERVER } = sources.environment;
  if (option !== undefined) return namedByUser(option, '--server');
  refuseKey('OSA_SERVER', OSA_SERVER);
  if (OSA_SERVER) return namedByUser(OSA_SERVER, 'OSA_SERVER');
  const known = knownServers(sources);
  const chosen = known.find(({ endedPid }) => endedPid === undefined);
  if (chosen) {
    const url = normaliseUrl(chosen.server, chosen.path);
    const isUsers = usersSettings(sources).some(({ server, path }) => normaliseUrl(server, path) === url);
    return { url, from: chosen.path, isUsers };
  }
  const [ended] = known;
  if (ended) {
    throw new OsaError(
      'unreachable',
      `${ended.path} names ${ended.server}, but its process ${ended.endedPid} has ended; start it again in that project with: osa dev`,
      { details: { url: ended.server } },
    );
  }
  throw new OsaError(
    'unreachable',
    'no server is configured here; start one with: osa dev, or name one with --server or OSA_SERVER',
  );
}

function namedByUser(url: string, from: string): Server {
  return { url: normaliseUrl(url, from), from, isUsers: true };
}

/**
 * How the environment wants text to be shown. Colours: `FORCE_COLOR` wants them everywhere (`0` or `false`: nowhere), else
 * they are for terminals where `NO_COLOR` is not set (no-color.org, force-color.org). Signs beyond ASCII are shown unless
 * the locale is set and does not have UTF-8.
 */
export function displayOf(environment: NodeJS.ProcessEnv): Display {
  const { FORCE_COLOR, NO_COLOR, TERM, LC_ALL, LC_CTYPE, LANG } = environment;
  const locale = LC_ALL || LC_CTYPE || LANG;
  const forced = FORCE_COLOR ? FORCE_COLOR !== '0' && FORCE_COLOR !== 'false' : undefined;
  return {
    colours: forced ?? (NO_COLOR || TERM === 'dumb' ? false : 'auto'),
    isAscii: Boolean(locale) && !/utf-?8/i.test(locale ?? ''),
  };
}

/**
 * The proxy on the way to a server; undefined for a daemon of this machine that a `daemon.json` names.
 *
 * @throws OsaError `usage`
 */
export function proxyTo({ url, from }: Server, { environment }: Sources): ForwardProxy | undefined {
  return isDaemon({ path: from }) ? undefined : proxyFor(new URL(url), environment);
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

/** The files that GitHub's runner gives a step; undefined elsewhere. */
export interface GithubActions {
  /** The root of the checkout. */
  readonly workspace: string | undefined;
  /** The file that the step's summary is appended to. */
  readonly summary: string | undefined;
  /** The file that the step's outputs are appended to. */
  readonly outputs: string | undefined;
}

export function githubActions(environment: NodeJS.ProcessEnv): GithubActions | undefined {
  const { GITHUB_ACTIONS, GITHUB_WORKSPACE, GITHUB_STEP_SUMMARY, GITHUB_OUTPUT } = environment;
  if (GITHUB_ACTIONS !== 'true') return undefined;
  return {
    workspace: GITHUB_WORKSPACE || undefined,
    summary: GITHUB_STEP_SUMMARY || undefined,
    outputs: GITHUB_OUTPUT || undefined,
  };
}

/** Running daemons first, then the configured servers; ended daemons last. */
export function knownServers(sources: Sources): ServerSettings[] {
  const known = projectDirectories(sources.cwd).flatMap(settingsIn);
  const rank = (settings: ServerSettings) =>
    settings.endedPid !== undefined ? 2 : isDaemon(settings) ? 0 : 1;
  return [...known, ...usersSettings(sources)].sort((left, right) => rank(left) - rank(right));
}

function usersSettings({ userDirectory }: Sources): ServerSettings[] {
  return settingsIn(userDirectory).filter((settings) => !isDaemon(settings));
}

function isDaemon({ path }: Pick<ServerSettings, 'path'>): boolean {
  return path.endsWith('daemon.json');
}

export function names(settings: ServerSettings, server: Pick<Server, 'url'>): boolean {
  return normaliseUrl(settings.server, settings.path) === server.url;
}

function normaliseUrl(text: string, from: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (!url || !isHttp || url.search !== '' || url.hash !== '') {
    throw new OsaError(
      'usage',
      `${from}: ${quotedUnlessSecret(text)}is not a server's URL, such as http://127.0.0.1:8470`,
      { field: from },
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new OsaError(
      'usage',
      `${from}: a server's URL must not hold a user or password; osa signs tokens with a key instead`,
      {
        field: from,
      },
    );
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}
