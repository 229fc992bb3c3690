import { execa } from 'execa';

/**
 * Where the code in `directory` comes from, or undefined when neither git nor the environment of CI knows:
 *
 * - `git+<remote>@<commit>` with the URL of `origin`, else of the first remote by name;
 * - `git:<commit>` when there is no remote that others can reach, so that no local path is told;
 * - `git+<repository>@<commit>` from the variables of CI, where there is no git or no repository to ask.
 *
 * `-dirty` follows what git says when the tree differs from the commit (files that are untracked and not ignored
 * count), when git ignores `directory` itself, and when git cannot tell. User info never stays in a URL, the
 * conventional `git@` of ssh included: one rule, and the only `@` left stands before the commit.
 */
export async function sourceRef(directory: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return (await gitRef(directory, env)) ?? ciRef(env);
}

async function gitRef(directory: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const git = gitIn(directory, env);
  const [head, status, ignored, remotes] = await Promise.all([
    git('rev-parse', '--verify', '--quiet', 'HEAD^{commit}'),
    git('status', '--porcelain', '--untracked-files=normal'),
    git('check-ignore', '--quiet', '.'),
    git('config', '--null', '--get-regexp', '^remote\\..*\\.url$'),
  ]);
  const commit = head.stdout.trim();
  if (head.exitCode !== 0 || !isCommit(commit)) return undefined;
  const isClean = status.exitCode === 0 && status.stdout === '' && ignored.exitCode !== 0;
  const remote = remoteOf(remotes.stdout);
  return `${remote ? `git+${remote}@` : 'git:'}${commit}${isClean ? '' : '-dirty'}`;
}

const timeoutMs = 10_000;
const maxOutputBytes = 1024 * 1024;

/** Runs git without a shell, a prompt, a lock, or a program that the repository's configuration names. */
function gitIn(directory: string, env: NodeJS.ProcessEnv) {
  // Set by git for its hooks; they would point at a repository other than the directory's.
  const outside = Object.entries(env).filter(
    ([name]) => !/^GIT_(DIR|WORK_TREE|INDEX_FILE|PREFIX)$/.test(name),
  );
  return (...args: readonly string[]) =>
    execa('git', ['-C', directory, '-c', 'core.fsmonitor=false', ...args], {
      env: { ...Object.fromEntries(outside), GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' },
      extendEnv: false,
      stdin: 'ignore',
      stripFinalNewline: false,
      timeout: timeoutMs,
      maxBuffer: maxOutputBytes,
      reject: false,
    });
}

/** `remote.<name>.url\n<url>\0…` → the URL to show. */
function remoteOf(listing: string): string | undefined {
  const remotes = listing
    .split('\0')
    .map((entry) => entry.split('\n'))
    .map(([key = '', url = '']) => ({ name: key.replace(/^remote\.|\.url$/g, ''), url }))
    .sort((left, right) => rank(left.name) - rank(right.name) || (left.name < right.name ? -1 : 1));
  return remotes.map(({ url }) => publicUrl(url)).find((url) => url !== undefined);
}

function rank(name: string): number {
  return name === 'origin' ? 0 : 1;
}

/** Pairs of variables, for the repository's URL and its commit, and whose they are. */
const ciVariables = [
  ['CI_PROJECT_URL', 'CI_COMMIT_SHA'], // GitLab
  ['BITBUCKET_GIT_HTTP_ORIGIN', 'BITBUCKET_COMMIT'],
  ['BUILD_REPOSITORY_URI', 'BUILD_SOURCEVERSION'], // Azure
  ['BUILDKITE_REPO', 'BUILDKITE_COMMIT'],
  ['CIRCLE_REPOSITORY_URL', 'CIRCLE_SHA1'],
  ['GIT_URL', 'GIT_COMMIT'], // Jenkins, and any other system that is told to set them
] as const;

function ciRef(env: NodeJS.ProcessEnv): string | undefined {
  const github =
    env.GITHUB_SERVER_URL && env.GITHUB_REPOSITORY && `${env.GITHUB_SERVER_URL}/${env.GITHUB_REPOSITORY}`;
  const candidates = [
    { url: github, commit: env.GITHUB_SHA },
    ...ciVariables.map(([url, commit]) => ({ url: env[url], commit: env[commit] })),
  ];
  for (const { url, commit } of candidates) {
    const remote = url && publicUrl(url);
    if (remote && commit && isCommit(commit)) return `git+${remote}@${commit}`;
  }
  return undefined;
}

/** A commit's full name, by SHA-1 or SHA-256. */
function isCommit(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/**
 * A remote as others may see it: without user info, query and fragment, `git@host:path` as `ssh://host/path`.
 * Undefined for local paths, for other transports, and for a URL with an `@` behind its host: that is a secret
 * with an unescaped `/`, `?` or `#` in it, more often than a repository's name.
 */
export function publicUrl(remote: string): string | undefined {
  // A single letter is a Windows drive.
  const scp = /^(?:[^/]*@)?(\[[0-9a-f:]+\]|[^/:@[\]]{2,}):(?!\/\/|:)\/*([^/].*)$/i.exec(remote);
  const text = scp ? `ssh://${scp[1]}/${scp[2]}` : remote.replace(/^git\+(?=ssh:|https?:)/i, '');
  if (!/^(?:https?|ssh|git):\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, host, pathname, search, hash } = new URL(text);
  if (host === '' || `${pathname}${search}${hash}`.includes('@')) return undefined;
  return `${protocol.toLowerCase()}//${host}${pathname}`;
}
