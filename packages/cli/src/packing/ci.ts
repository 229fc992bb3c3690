import { publicUrl } from './public-url.ts';
import { isCommit } from './repository.ts';

/** The code that is built, as the environment of a CI job describes it. */
export interface CiCommit {
  readonly url: string;
  readonly commit: string;
}

/** Pairs of variables, for the repository's URL and its commit, and whose they are. */
const ciVariables = [
  ['CI_PROJECT_URL', 'CI_COMMIT_SHA'], // GitLab
  ['BITBUCKET_GIT_HTTP_ORIGIN', 'BITBUCKET_COMMIT'],
  ['BUILD_REPOSITORY_URI', 'BUILD_SOURCEVERSION'], // Azure
  ['BUILDKITE_REPO', 'BUILDKITE_COMMIT'],
  ['CIRCLE_REPOSITORY_URL', 'CIRCLE_SHA1'],
  ['GIT_URL', 'GIT_COMMIT'], // Jenkins, and any other system that sets them
] as const;

/** The commit that the environment names. It is only a claim about files, so it never stands in a source_ref unchecked. */
export function ciCommit(env: NodeJS.ProcessEnv): CiCommit | undefined {
  const github =
    env.GITHUB_SERVER_URL && env.GITHUB_REPOSITORY && `${env.GITHUB_SERVER_URL}/${env.GITHUB_REPOSITORY}`;
  const candidates = [
    { url: github, commit: env.GITHUB_SHA },
    ...ciVariables.map(([url, commit]) => ({ url: env[url], commit: env[commit] })),
  ];
  for (const { url, commit } of candidates) {
    const remote = url && publicUrl(url);
    if (remote && commit && isCommit(commit)) return { url: remote, commit };
  }
  return undefined;
}
