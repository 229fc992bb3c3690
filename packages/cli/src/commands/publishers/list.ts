import { defineCommand } from '../../command.ts';
import { when } from '../../terminal/format.ts';
import { table } from '../../terminal/table.ts';
import { claimsText } from './lines.ts';

export const publishersList = defineCommand({
  description: 'Lists the CI jobs that this archive trusts, newest first. Needs the scope publishers:write.',
  examples: [['osa publishers list', 'all rules']],
  json: '{"items": [{"id", "issuer", "claims", "scopes", "added_by", "created_at"}]}',
  async run({ client, output }) {
    const answer = await client().call('listPublishers', {});
    const rows = answer.items.map(({ id, issuer, claims, scopes, added_by, created_at }) => [
      ...[id, issuer, claimsText(claims), scopes.join(' '), added_by.subject],
      when(created_at),
    ]);
    output.result(
      answer,
      rows.length === 0
        ? ['no CI is trusted yet; osa publishers add trusts one']
        : table(['id', 'provider', 'claims', 'scopes', 'added by', 'when'], rows),
    );
    return undefined;
  },
});
