import type { Answer } from '@osa/core/api';
import { defineCommand } from '../../command.ts';
import { time } from '../../terminal/format.ts';
import { bold, type Line, line } from '../../terminal/paint.ts';
import { type Cell, pairs, table } from '../../terminal/table.ts';

export const conventionsShow = defineCommand({
  description: 'Shows a convention: its schema with all fields, its hooks, and what it is for.',
  arguments: { convention: { description: "the convention's slug" } },
  examples: [['osa conventions show usgs-earthquakes', 'the fields of its records, and its hooks']],
  json: '{"id", "title", "description", "license", "schema_id": {"id", "version"}, "fields": [{"name", "type", "required", …}], "hooks", "ingester", "docs", "file_requirements", "created_at"}',
  async run({ client, output }, { arguments: { convention } }) {
    const answer = await client().call('showConvention', { params: { slug: convention } });
    output.result(answer, conventionLines(answer));
    return undefined;
  },
});

function conventionLines(convention: Answer<'showConvention'>): Line[] {
  const { id, title, description, license, schema_id: schema, fields, hooks, docs, created_at } = convention;
  const purpose = docs?.purpose;
  return [
    line`${bold(id)}  ${title}`,
    ...pairs([
      ...(description === '' ? [] : [['about', description] as const]),
      ...(typeof purpose === 'string' ? [['purpose', purpose] as const] : []),
      ['created', time(created_at)],
      ['hooks', hooks.join(', ') || 'none'],
      ['schema', `${schema.id}@${schema.version}`],
      ...(license === null ? [] : [['licence', license] as const]),
    ]),
    '',
    ...(fields.length === 0
      ? ['no fields']
      : table(['field', 'type', 'unit', 'description'], fields.map(fieldCells))),
  ];
}

function fieldCells(field: Answer<'showConvention'>['fields'][number]): Cell[] {
  const { name, type, required, cardinality, constraints, description } = field;
  const unit = constraints && 'unit' in constraints ? constraints.unit : undefined;
  const marks = `${cardinality === 'exactly_one' ? '' : ', list'}${required ? '' : ', optional'}`;
  return [name, `${type}${marks}`, unit ?? null, description ?? null];
}
