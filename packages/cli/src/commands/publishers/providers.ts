import { OsaError } from '@osa/core/error';

const issuers: Readonly<Record<string, string>> = {
  github: 'https://token.actions.githubusercontent.com',
  gitlab: 'https://gitlab.com',
};

/** @throws OsaError `usage` */
export function issuerOf(provider: string): string {
  const known = issuers[provider];
  if (known !== undefined) return known;
  if (URL.canParse(provider)) return provider.replace(/\/$/, '');
  throw new OsaError('usage', `provider: "${provider}" is not github, gitlab or a URL`, {
    field: 'provider',
  });
}

interface Wanted {
  readonly repository?: string | undefined;
  readonly ref?: string | undefined;
  readonly environment?: string | undefined;
  readonly workflow?: string | undefined;
}

/**
 * The claims as the provider names them (GitHub: "About security hardening with OpenID Connect"; GitLab: "ID token
 * authentication"). Other providers than GitHub are taken for a GitLab, and `takenForGitlab` says so.
 *
 * @throws OsaError `usage`
 */
export function claimsOf(
  provider: string,
  { repository, ref, environment, workflow }: Wanted,
): Record<string, string> {
  const isGithub = provider === 'github' || provider === issuers.github;
  if (workflow !== undefined && (!isGithub || repository === undefined)) {
    throw new OsaError('usage', '--workflow needs the provider github and --repository', {
      field: 'workflow',
    });
  }
  const named = {
    [isGithub ? 'repository' : 'project_path']: repository,
    [isGithub ? 'ref' : 'ref_path']: ref,
    environment,
    workflow_ref: workflow && `${repository}/.github/workflows/${workflow}@*`,
  };
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/** The claims of a provider that nobody knows, under the names that a GitLab has for them; undefined if there are none. */
export function takenForGitlab(issuer: string, { repository, ref }: Wanted): string | undefined {
  if (Object.values(issuers).includes(issuer)) return undefined;
  const names = [
    ...(repository === undefined ? [] : ['--repository as project_path']),
    ...(ref === undefined ? [] : ['--ref as ref_path']),
  ];
  if (names.length === 0) return undefined;
  return (
    `${issuer} is taken for a GitLab: the rule has ${names.join(' and ')}. If its ID tokens name them otherwise, remove the ` +
    'rule and give --claim NAME=VALUE instead, such as repository=… and ref=… for a GitHub of your own'
  );
}
