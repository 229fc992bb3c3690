import type { Answer } from '@osa/core/api';
import { isAdminRole, roleFor, scopesOfRoles } from '@osa/core/auth/role';
import { asOsaError, OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { exitCodeOf } from '../../exit.ts';
import type { Client } from '../../http/client.ts';
import { green, type Line, line, red } from '../../terminal/paint.ts';
import { clockOffset, diagnose, type Finding, fine, wrong } from './diagnosis.ts';
import { scopeOption } from './scopes.ts';
import { tokenFacts } from './token-contents.ts';

export const authCheck = defineCommand({
  description:
    'Finds out why the server would refuse your token. It compares the clocks, and checks the token ' +
    'against the issuers, keys and limits that the server publishes; then it asks the server. The token ' +
    'is not shown. Exit code: 4 when something is wrong.',
  options: { scope: scopeOption },
  examples: [
    ['osa auth check', 'before the first deploy from a new place'],
    ['osa auth check --scope conventions:write:usgs-earthquakes', 'also checks whether it may deploy that'],
  ],
  json: '{"ok", "from", "clock_offset_seconds", "checks": [{"check", "ok", "detail", "hint"}]}',
  async run({ client, output, sources }, { options: { scope } }) {
    const archive = client();
    const wanted = scope.flat();
    const { from, facts } = await tokenFacts(sources, archive.server, wanted);
    const start = Date.now();
    const trusted = await archive.call('listIssuers', {});
    const clocks = { asked: start, answered: Date.now() };
    const expected = diagnose(facts, trusted, { clocks, wanted });
    const found = expected.every(({ ok }) => ok)
      ? [...expected, ...(await asked(archive, wanted))]
      : expected;
    const ok = found.every((finding) => finding.ok);
    const document = {
      ok,
      from,
      clock_offset_seconds: Math.round(clockOffset(trusted, clocks) * 10) / 10,
      checks: found,
    };
    output.result(document, [
      line`token from ${from}, for ${archive.server.url}`,
      ...found.flatMap(findingLines),
    ]);
    if (ok) output.note(green('the server accepts it'));
    return ok ? undefined : exitCodeOf(new OsaError('credentials', 'refused'));
  },
});

/** Asks the server, which knows more than it publishes. @throws OsaError when it gives no verdict. */
async function asked(client: Client, wanted: readonly string[]): Promise<Finding[]> {
  try {
    const answer = await client.call('whoami', { scopes: wanted });
    const { kind, issuer, subject } = answer;
    const accepted = fine('server', `accepts it as ${subject}, a ${kind} of ${issuer}`);
    return [accepted, ...(kind === 'person' ? roleFindings(answer, wanted) : [])];
  } catch (error) {
    const refusal = asOsaError(error);
    if (refusal?.code !== 'invalid_token' && refusal?.code !== 'rate_limited') throw error;
    const why = 'its published settings do not explain it; see the log of the server';
    return [wrong('server', `does not accept it: ${refusal.code}`, why)];
  }
}

/** A person's rights are roles, which only the server knows. */
function roleFindings({ subject, roles }: Answer<'whoami'>, wanted: readonly string[]): Finding[] {
  if (roles.some((role) => isAdminRole(role.toUpperCase())))
    return wanted.map((scope) => fine('scope', scope));
  const held = scopesOfRoles(roles.map((role) => role.toUpperCase()));
  return wanted.map((scope) => {
    const verb = scope.split(':', 2).join(':');
    const role = roleFor(verb);
    const detail = `needs the role ${role}; ${subject} has ${roles.join(', ') || 'none'}`;
    return held.has(verb)
      ? fine('scope', scope)
      : wrong('scope', `${scope} ${detail}`, `osad roles grant ${subject} ${role}`);
  });
}

function findingLines({ check, ok, detail, hint }: Finding): Line[] {
  const mark = ok ? green('ok   ') : red('wrong');
  return [
    line`  ${mark} ${check.padEnd(9)} ${detail}`,
    ...(hint === null ? [] : [line`                  → ${hint}`]),
  ];
}
