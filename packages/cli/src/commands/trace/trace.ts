import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import type { Line } from '../../terminal/paint.ts';
import { integer, text, wordOf } from '../../terminal/parse.ts';
import { drawnFormats, exportFormats, isExport, showDrawn, showExport } from './formats.ts';
import { showHistory } from './history.ts';
import { recordTraceLines, rowTraceLines } from './lines.ts';
import { traceList } from './list.ts';
import { deployTraceLines, releaseTraceLines, runTraceLines } from './story-lines.ts';
import { kinds, type Traced, traceNamed } from './target.ts';

export const kindOption = {
  value: 'KIND',
  description: `what it is, where the name alone may mean several things: ${kinds.join(', ')}`,
  parse: wordOf(kinds),
} as const;

const formatOption = {
  value: 'FORMAT',
  description: `another form of the answer: ${drawnFormats.join(', ')}; of a row also ${exportFormats.join(', ')}, where in-toto is a signed receipt`,
  parse: wordOf([...drawnFormats, ...exportFormats]),
} as const;

export const trace = defineCommand({
  description:
    'Shows where a row came from: its values, its record, the run that computed it and the release that ran. ' +
    'A release has its digest, command, config and source, and whether it is still live. With a record or a ' +
    'source, it lists all rows of the record with their releases. With a run, a release or a deploy, it shows ' +
    'the code and the rows that came of it.\n\n' +
    'With --history it shows the time line of a source: the versions of its record, the rows of each hook, ' +
    'what caused them, and the values that changed.\n\n' +
    "The config may hold secrets. It is shown if your key's tokens may carry runs:read; without it you " +
    'see its digest.',
  arguments: {
    what: {
      description:
        "a row as <hook>/<id>, a record's SRN, a source as <convention>:<source id> or its source id alone, " +
        'a release as <hook>@<version>, the id of a run or deploy; - reads a list, one a line',
      parse: text(1_200),
    },
  },
  options: {
    as: kindOption,
    format: formatOption,
    history: { description: 'the time line of a source, newest version first' },
    limit: { value: 'N', description: 'with --history: versions at a time', parse: integer(1, 50) },
    cursor: { value: 'TEXT', description: 'with --history: where the next page begins', parse: text(1_000) },
  },
  examples: [
    ['osa trace seismic_energy/17', 'where one row came from'],
    ['osa trace urn:osa:localhost:rec:0fb7d9c2-6a51-4c1e-9d0b-3f5a2e8c7b14@1', 'all rows of one record'],
    ['osa trace usgs-earthquakes:ak18247005', 'the newest record of a source'],
    ['osa trace usgs-earthquakes:ak18247005 --history', 'why its values changed'],
    ['osa trace seismic_energy@2', 'a release, and the rows that it made'],
    ['osa trace - < names.txt', 'a list, one JSON document a line'],
    ['osa trace seismic_energy/17 --format html > trace.html', 'the same as a page with a graph'],
    ['osa trace seismic_energy/17 --format in-toto > receipt.json', 'a receipt for osa verify'],
    ['osa trace seismic_energy/17 --json', 'the same for a program'],
  ],
  json: 'a row: {"row", "record", "run", "release", "hook"}; a record or source: {"record", "row_count", "rows": [{"name", "release", "digest", "values", …}]}; a run: {"run", "release", "hook", "outcomes", "rows"}; a release: {"release", "hook", "made", "conventions", "live_changes"}; a deploy: {"deploy", "releases"}; --history: {"versions": [{"version", "changes", "results": [{"hook", "release", "causes", "rows"}]}], "next_cursor"}; a list: {"what", "kind", "trace"} or {"what", "error"} a line',
  async run(
    { client, output, stdin, signal },
    { arguments: { what }, options: { as, format, history, ...page } },
  ) {
    requireFitting({ what, history, format, json: output.json });
    const server = client();
    if (what === '-') return traceList(server, { output, stdin, signal }, as);
    if (history) return showHistory(server, { output, what, as, page });
    const traced = await traceNamed(server, what, as);
    if (format !== undefined && isExport(format)) await showExport(server, traced, format, output);
    else if (format !== undefined) showDrawn(traced, format, output);
    else output.result(traced.trace, traceLines(traced));
    return undefined;
  },
});

/** @throws OsaError `usage` for options that have no meaning together */
function requireFitting(asked: {
  readonly what: string;
  readonly history: boolean;
  readonly format: string | undefined;
  readonly json: boolean;
}): void {
  const { what, history, format, json } = asked;
  const usage = (field: string, message: string) => new OsaError('usage', message, { field });
  if (what === '-' && history) throw usage('history', '--history is of one source; a list has none');
  if (format === undefined) return;
  if (json) throw usage('format', `--format ${format} and --json: give one of them`);
  if (history || what === '-') {
    throw usage('format', `--format ${format} is of one trace; leave it out with --history and with a list`);
  }
}

function traceLines(traced: Traced): Line[] {
  switch (traced.kind) {
    case 'row':
      return rowTraceLines(traced.trace);
    case 'record':
    case 'source':
      return recordTraceLines(traced.trace);
    case 'run':
      return runTraceLines(traced.trace);
    case 'release':
      return releaseTraceLines(traced.trace);
    case 'deploy':
      return deployTraceLines(traced.trace);
  }
}
