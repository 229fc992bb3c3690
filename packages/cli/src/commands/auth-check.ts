import { asOsaError, OsaError } from '@osa/core/error';
import { defineCommand } from '../command.ts';
import { clockOffset, diagnose, type Finding } from '../diagnosis.ts';
import { exitCodeOf } from '../exit.ts';
import { green, type Line, line, red } from '../paint.ts';
import { scopeOption } from '../scopes.ts';
import { tokenFacts } from '../token-facts.ts';

export const authCheck = defineCommand({
  description:
    'Finds out why the server would refuse a token from here: by its clock and by the issuers, keys and bounds that it ' +
    'publishes; then it asks. The token is not shown. Exits with 4 when something is wrong.',
  options: { scope: scopeOption },
  examples: [
    ['osa auth check', 'before the first deploy from a new place'],
    ['osa auth check --scope conventions:write:usgs-earthquakes', 'and whether it may deploy that'],
  ],
  json: '{"ok", "from", "clock_offset_seconds", "checks": [{"check", "ok", "detail", "hint"}]}',
  async run({ client, output, sources }, { options: { scope } }) {
    const archive = client();
    const wanted = scope.flat();
    const { from, facts } = await tokenFacts(sources, archive.server, wanted);
    const asked = Date.now();
    const trusted = await archive.call('listIssuers', {});
    const clocks = { asked, answered: Date.now() };
    const found: Finding[] = diagnose(facts, trusted, { clocks, wanted });
    const refusal = found.every(({ ok }) => ok)
      ? await archive.call('whoami', { scopes: wanted }).then(
          () => undefined,
          (error: unknown) => asOsaError(error) ?? Promise.reject(error),
        )
      : undefined;
    const ok = refusal === undefined && found.every((finding) => finding.ok);
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
    if (refusal) throw refusal;
    if (ok) output.note(green('the server accepts it'));
    return ok ? undefined : exitCodeOf(new OsaError('credentials', 'refused'));
  },
});

function findingLines({ check, ok, detail, hint }: Finding): Line[] {
  const mark = ok ? green('ok   ') : red('wrong');
  return [
    line`  ${mark} ${check.padEnd(9)} ${detail}`,
    ...(hint === null ? [] : [line`                  → ${hint}`]),
  ];
}
