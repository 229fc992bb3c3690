import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { bold, line, yellow } from '../../terminal/paint.ts';
import { scopeOption } from '../auth/scopes.ts';
import { ruleLines } from './lines.ts';
import { claimsOf, issuerOf, takenForGitlab } from './providers.ts';

const text = (value: string) => value;

export const publishersAdd = defineCommand({
  description:
    'Trusts jobs of a CI, so that they need no secret. A job proves with the ID token of its CI which repository, branch ' +
    'and environment it runs for. If it meets the rule, it gets a token of this archive for 15 minutes, with ' +
    'the scopes of the rule. The claims are kept with the deploys and releases of the job, and osa trace shows them.\n\n' +
    'PROVIDER is github, gitlab (gitlab.com), or the URL of another OpenID provider, such as your own GitLab. A value may end ' +
    'in * for any rest.\n\n' +
    'You need the scope publishers:write, and every scope that you give.',
  arguments: { provider: { description: 'github, gitlab or the URL of an OpenID provider' } },
  options: {
    repository: { value: 'NAME', description: 'the repository or project, such as acme/quakes', parse: text },
    ref: { value: 'REF', description: 'the branch or tag, such as refs/heads/main', parse: text },
    environment: { value: 'NAME', description: 'the environment of the job', parse: text },
    workflow: {
      value: 'FILE',
      description: 'the workflow of the repository, such as deploy.yml (GitHub only)',
      parse: text,
    },
    claim: {
      value: 'NAME=VALUE',
      description: 'another claim of the ID token; may be given again',
      repeatable: true,
      parse: parseClaim,
    },
    scope: { ...scopeOption, description: 'the scopes that its jobs get; separate several with commas' },
  },
  examples: [
    [
      'osa publishers add github --repository acme/quakes --ref refs/heads/main --scope conventions:write:quakes',
      'jobs of the main branch may deploy',
    ],
    [
      'osa publishers add https://gitlab.example.org --repository data/quakes --ref refs/heads/main --scope conventions:write:quakes',
      'the same for a GitLab of your own',
    ],
  ],
  json: '{"id", "issuer", "claims", "scopes"}',
  async run({ client, output }, { arguments: { provider }, options }) {
    const issuer = issuerOf(provider);
    const claims = { ...claimsOf(provider, options), ...Object.fromEntries(options.claim) };
    const scopes = options.scope.flat();
    if (scopes.length === 0) throw new OsaError('usage', '--scope: name the scopes that the jobs get');
    const answer = await client().call('addPublisher', { body: { issuer, claims, scopes }, scopes });
    output.result(answer, [line`trusted: ${bold(answer.id)}`, ...ruleLines(answer)]);
    const guess = takenForGitlab(issuer, options);
    if (guess !== undefined) output.note(line`${yellow('!')} ${guess}`);
    if (!['ref', 'ref_path', 'environment', 'sub'].some((name) => name in claims)) {
      output.note(
        line`${yellow('!')} jobs of every branch meet this rule; --ref or --environment narrows it`,
      );
    }
    return undefined;
  },
});

/** @throws OsaError `usage` */
function parseClaim(given: string): readonly [name: string, value: string] {
  const [, name, value] = /^([a-z][a-z0-9_]*)=(.+)$/s.exec(given) ?? [];
  if (name !== undefined && value !== undefined) return [name, value];
  throw new OsaError('usage', 'It must be a claim and its value, such as job_workflow_ref=acme/ci/…');
}
