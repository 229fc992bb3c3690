import { defineCommand } from '../../command.ts';
import { time } from '../../terminal/format.ts';
import { bold, line } from '../../terminal/paint.ts';
import { pairs } from '../../terminal/table.ts';
import { scopeOption } from './scopes.ts';

export const authWhoami = defineCommand({
  description:
    'Asks the server who you are. With --scope, the token asks for these scopes, and the answer shows ' +
    'which of them the server grants.',
  options: { scope: scopeOption },
  examples: [
    ['osa auth whoami', 'the name of this key'],
    ['osa auth whoami --scope hooks:write:find_pockets', 'and whether it may release that hook'],
  ],
  json: '{"id", "kind", "issuer", "subject", "scopes", "roles", "expires_at", …}',
  async run({ client, output }, { options: { scope } }) {
    const answer = await client().call('whoami', { scopes: scope.flat() });
    const { id, kind, issuer, subject, scopes, roles, expires_at } = answer;
    output.result(answer, [
      line`${bold(subject)}, a ${kind} of ${issuer}`,
      ...pairs([
        ['id', id],
        ['scopes', scopes.join(', ') || 'none asked for, or none granted'],
        ...(kind === 'person' ? [['roles', roles.join(', ') || 'none'] as const] : []),
        ['until', time(expires_at)],
      ]),
    ]);
    return undefined;
  },
});
