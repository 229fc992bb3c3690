import { describe, expect, test } from 'vitest';
import { changed, digest, failure, good } from '../support/manifest-fixture.ts';

const types = 'types: string, number, integer, boolean, array, object';
const fieldTypes = 'types: text, number, date, boolean, url';

/** The flaw, the change that makes it, and every line that is printed. */
const refused: readonly [string, { from: string; to: string }, readonly string[]][] = [
  [
    'a type that is none',
    { from: 'json_type: string', to: 'json_type: numbr' },
    [`18:34 hooks[0].feature.columns[1].json_type: "numbr" is not a type (did you mean "number"? ${types})`],
  ],
  [
    'a type known by another name',
    { from: 'type: text', to: 'type: string' },
    [`10:28 schema.fields[2].type: "string" is not a type (did you mean "text"? ${fieldTypes})`],
  ],
  [
    'a term field',
    { from: 'type: text', to: 'type: term' },
    [`10:28 schema.fields[2].type: "term" (ontology terms) is not offered, use "text" (${fieldTypes})`],
  ],
  [
    'an unknown cardinality',
    { from: 'cardinality: one', to: 'cardinality: 1' },
    ['15:20 hooks[0].feature.cardinality: 1 is not a cardinality (cardinalities: one, many)'],
  ],
  [
    'an unknown key at the top',
    { from: 'description: Earthquakes', to: 'summary: x\ndescription: Earthquakes' },
    [
      '3:1 summary: is not a key here (keys: slug, title, description, license, schema, files, curation, approve_own, hooks, ingester, docs)',
    ],
  ],
  [
    'a licence that SPDX spells otherwise',
    { from: 'schema:', to: 'license: cc-by-4.0\nschema:' },
    ['4:10 license: "cc-by-4.0" is not an identifier of SPDX; did you mean CC-BY-4.0?'],
  ],
  [
    'a licence that nobody knows',
    { from: 'schema:', to: 'license: mine\nschema:' },
    ['4:10 license: "mine" is not an identifier of SPDX; name one of spdx.org/licenses, or give an address'],
  ],
  [
    'a licence in words',
    { from: 'schema:', to: 'license: as you like\nschema:' },
    [
      '4:10 license: "as you like" must be an SPDX identifier, such as CC-BY-4.0, or the http address of a licence',
    ],
  ],
  [
    'a type under the name that fields have for it',
    { from: 'json_type: number', to: 'type: number' },
    [
      '17:29 hooks[0].feature.columns[0].type: is not a key here (did you mean "json_type"? keys: name, json_type, format, required, unit, description)',
    ],
  ],
  [
    'a mistyped key',
    { from: 'max_count: 0', to: 'max_cout: 0' },
    [
      '11:30 files.max_cout: is not a key here (did you mean "max_count"? keys: accepted_types, min_count, max_count, max_file_size)',
    ],
  ],
  [
    'a missing mapping',
    { from: '    release: { directory: ./hooks/seismic_energy, command: [node, hook.mjs] }\n', to: '' },
    ['13:5 hooks[0].release: is missing (a mapping is needed)'],
  ],
  [
    'an empty required value',
    { from: 'title: USGS earthquakes', to: 'title:' },
    ['2:1 title: is empty (text is needed)'],
  ],
  [
    'empty text',
    { from: 'description: Earthquakes of one week, as reported by the USGS.', to: 'description: ""' },
    ['3:14 description: is empty text'],
  ],
  [
    'text for a boolean',
    { from: 'required: true, description', to: 'required: yes, description' },
    ['8:50 schema.fields[0].required: "yes" (text) is not a boolean (write true or false)'],
  ],
  [
    'a number for text',
    { from: 'unit: J', to: 'unit: 1.50' },
    ['17:70 hooks[0].feature.columns[0].unit: 1.50 (number) is not text (write it in quotes: "1.50")'],
  ],
  [
    'a version that YAML reads as a number',
    { from: 'version: 1.0.0', to: 'version: 1.0' },
    [
      '6:12 schema.version: 1.0 (number) is not text (write a version of three parts in quotes, such as "1.0.0")',
    ],
  ],
  [
    'a version of two parts',
    { from: 'version: 1.0.0', to: 'version: "1.0"' },
    ['6:12 schema.version: "1.0" must be a semantic version in lower case, such as "1.0.0"'],
  ],
  [
    'a mapping for a list',
    { from: 'accepted_types: []', to: 'accepted_types: {}' },
    ['11:26 files.accepted_types: a mapping is not a list'],
  ],
  [
    'text for a list of arguments',
    { from: 'command: [node, hook.mjs]', to: 'command: node hook.mjs' },
    ['21:60 hooks[0].release.command: "node hook.mjs" (text) is not a list'],
  ],
  [
    'a fraction of a second',
    { from: 'timeout_seconds: 60', to: 'timeout_seconds: 1.5' },
    ['20:58 hooks[0].limits.timeout_seconds: 1.5 (number) is not a whole number'],
  ],
  [
    'limits out of range',
    { from: 'memory: 256m, cpu: "0.5", timeout_seconds: 60', to: 'memory: 1k, cpu: 0, timeout_seconds: 0' },
    [
      '20:23 hooks[0].limits.memory: "1k" must be from 4m to 16384g',
      '20:32 hooks[0].limits.cpu: 0 must be from 0.01 to 1024',
      '20:52 hooks[0].limits.timeout_seconds: 0, at least 1 is needed',
    ],
  ],
  [
    'memory without a unit',
    { from: 'memory: 256m', to: 'memory: 256' },
    ['20:23 hooks[0].limits.memory: 256 (number) is not text (write it with a unit, such as 256m)'],
  ],
  [
    'a malformed name',
    { from: 'name: seismic_energy', to: 'name: Seismic-Energy' },
    ['13:11 hooks[0].name: "Seismic-Energy" must start with a-z and hold only a-z, 0-9 and _'],
  ],
  [
    'a long name',
    { from: 'name: felt_radius', to: `name: ${'a'.repeat(41)}` },
    ['22:11 hooks[1].name: has 41 characters, at most 40 are allowed'],
  ],
  [
    'a reserved hook',
    { from: 'name: felt_radius', to: 'name: live' },
    ['22:11 hooks[1].name: "live" is reserved (records, datasets, runs, live, releases, history, plan)'],
  ],
  [
    'a reserved column',
    { from: 'name: at,', to: 'name: run_id,' },
    [
      '18:19 hooks[0].feature.columns[1].name: "run_id" is reserved (id, outcome_id, run_id, ordinal, record_srn, record_source_id, release, created_at, oid, xmin, xmax, cmin, cmax, ctid, tableoid)',
    ],
  ],
  [
    'a reserved field',
    { from: 'name: place', to: 'name: version' },
    [
      '10:15 schema.fields[2].name: "version" is reserved, since every record has it beside its metadata (id, srn, schema_id, version, created_at, convention_id, source_id, local_times); take another name',
    ],
  ],
  [
    'a field twice',
    { from: 'name: place', to: 'name: depth' },
    ['10:15 schema.fields[2].name: "depth" is already the name of schema.fields[1] (at 9:15)'],
  ],
  [
    'a column twice',
    { from: 'name: at,', to: 'name: energy_j,' },
    [
      '18:19 hooks[0].feature.columns[1].name: "energy_j" is already the name of hooks[0].feature.columns[0] (at 17:19)',
    ],
  ],
  [
    'a hook twice',
    { from: 'name: felt_radius', to: 'name: seismic_energy' },
    ['22:11 hooks[1].name: "seismic_energy" is already the name of hooks[0] (at 13:11)'],
  ],
  [
    'a key twice',
    { from: 'files:', to: 'title: Again\nfiles:' },
    ['11:1 title: is given twice (before at 2:1)'],
  ],
  [
    'no fields',
    { from: good.slice(good.indexOf('  fields:'), good.indexOf('files:')), to: '  fields: []\n' },
    ['7:11 schema.fields: has 0 elements, at least 1 is needed'],
  ],
  [
    'a constraint of another type',
    { from: 'min_value: -10', to: 'min_length: 3' },
    [
      '9:61 schema.fields[1].constraints.min_length: is not a constraint of a number field (constraints: min_value, max_value, integer_only, unit)',
    ],
  ],
  [
    'constraints of another type',
    { from: 'min_value: -10', to: 'type: text' },
    ['9:67 schema.fields[1].constraints.type: "text" is not the field\'s own type, "number"'],
  ],
  [
    'an unknown constraint',
    { from: 'min_value: -10', to: 'min: 3' },
    [
      '9:61 schema.fields[1].constraints.min: is not a key here (keys: type, min_length, max_length, pattern, min_value, max_value, integer_only, unit)',
    ],
  ],
  [
    'two units',
    { from: 'min_value: -10', to: 'unit: m' },
    ['9:42 schema.fields[1].unit: "km" differs from constraints.unit, "m"'],
  ],
  [
    'a unit of a date',
    {
      from: 'name: depth, type: number, unit: km, constraints: { min_value: -10 }',
      to: 'name: depth, type: date, unit: d',
    },
    ['9:34 schema.fields[1].unit: is for number and text fields, this is "date"'],
  ],
  [
    'a format without text',
    { from: 'json_type: string', to: 'json_type: integer' },
    ['18:51 hooks[0].feature.columns[1].format: needs json_type "string", this is "integer"'],
  ],
  [
    'a malformed digest',
    { from: digest, to: 'sha256:ABC' },
    ['24:53 hooks[1].release.digest: "sha256:ABC" must be "sha256:" and 64 lower-case hexadecimal digits'],
  ],
  [
    'an image by tag',
    { from: `, digest: ${digest}`, to: '' },
    ['24:14 hooks[1].release.digest: is missing (code runs by digest, never by tag: sha256:…)'],
  ],
  [
    'two digests',
    { from: 'image: ghcr.io/org/felt:1.2', to: `image: felt@sha256:${'0'.repeat(64)}` },
    [`24:109 hooks[1].release.digest: "${digest}" differs from the digest in image`],
  ],
  [
    'an image by another digest',
    { from: 'image: ghcr.io/org/felt:1.2', to: 'image: felt@md5:123' },
    [
      '24:23 hooks[1].release.image: "felt@md5:123" must be a name such as "ghcr.io/acme/hook" or "acme/hook:1.2" (lower-case letters, digits and single . _ - between them, with / between the parts), after an @ only "sha256:" and 64 lower-case hexadecimal digits',
    ],
  ],
  [
    'directory and image',
    { from: 'directory: ./hooks/seismic_energy, command: [node, hook.mjs]', to: 'directory: ., image: x' },
    ['21:30 hooks[0].release.image: stands beside directory; a release has one of them'],
  ],
  [
    'neither directory nor image',
    { from: 'directory: ./hooks/seismic_energy, command: [node, hook.mjs]', to: 'command: [node]' },
    ['21:14 hooks[0].release: names nothing to run (directory and command, or image and digest)'],
  ],
  [
    'an empty release',
    { from: 'directory: ./hooks/seismic_energy, command: [node, hook.mjs]', to: '' },
    ['21:14 hooks[0].release: names nothing to run (directory and command, or image and digest)'],
  ],
  [
    'a directory without a command',
    { from: ', command: [node, hook.mjs]', to: '' },
    ['21:14 hooks[0].release.command: is missing (a list of arguments, such as [node, hook.mjs])'],
  ],
  [
    'a directory with a digest',
    { from: 'command: [node, hook.mjs]', to: `command: [node], digest: "${digest}"` },
    ['21:68 hooks[0].release.digest: goes with image only'],
  ],
  [
    'an image with a command',
    { from: 'image: ghcr', to: 'command: [x], image: ghcr' },
    ['24:16 hooks[1].release.command: goes with directory only'],
  ],
  [
    'an absolute directory',
    { from: './hooks/seismic_energy', to: '/hooks/seismic_energy' },
    [
      '21:27 hooks[0].release.directory: "/hooks/seismic_energy" must be relative to this file, such as ./hooks/name',
    ],
  ],
  [
    'a title that yields no slug',
    { from: 'slug: usgs-earthquakes\ntitle: USGS earthquakes', to: 'title: 地震' },
    ['1:8 title: "地震" yields no slug (3 to 64 of a-z, 0-9 and -, a letter first); give one as slug'],
  ],
  [
    'a malformed slug',
    { from: 'slug: usgs-earthquakes', to: 'slug: USGS' },
    ['1:7 slug: "USGS" must start with a-z, hold only a-z, 0-9 and -, and have 3 to 64 characters'],
  ],
  [
    'blank docs',
    { from: 'purpose: Find strong earthquakes', to: 'purpose: " "' },
    ['25:18 docs.purpose: " " must not be blank'],
  ],
  [
    'a config that is a list',
    { from: 'config: { relation: gutenberg-richter }', to: 'config: [1]' },
    ['19:13 hooks[0].config: a list is not a mapping'],
  ],
  [
    'numbers that JSON cannot hold',
    { from: 'relation: gutenberg-richter', to: 'a: .nan, b: 1e400, c: -.inf, d: 1e-400' },
    [
      '19:18 hooks[0].config.a: .nan is not a finite number',
      '19:27 hooks[0].config.b: 1e400 is beyond the range of a double',
      '19:37 hooks[0].config.c: -.inf is not a finite number',
      '19:47 hooks[0].config.d: 1e-400 is beyond the range of a double',
    ],
  ],
  [
    'numbers outside of a config that a double would round',
    { from: 'min_value: -10', to: 'min_value: -9007199254740993, max_value: 0.12345678901234567890' },
    [
      '9:72 schema.fields[1].constraints.min_value: -9007199254740993 is an integer that a double cannot hold exactly',
      '9:102 schema.fields[1].constraints.max_value: 0.12345678901234567890 has more digits than a double keeps; write 0.12345678901234568',
    ],
  ],
  [
    'a key that is not text',
    { from: 'relation: gutenberg-richter', to: '1: x' },
    ['19:15 hooks[0].config: has a key that is not text (write it in quotes: "1")'],
  ],
  [
    'rows-17: keys and texts that cannot be stored',
    { from: 'relation: gutenberg-richter', to: '__proto__: 1, x: "a\\0b"' },
    [
      '19:15 hooks[0].config: has the key "__proto__", which is not allowed',
      '19:32 hooks[0].config.x: holds the character NUL, which cannot be stored',
    ],
  ],
  [
    'a tag',
    { from: 'relation: gutenberg-richter', to: 'x: !python/object a' },
    ['19:18: the tag is not read (Unresolved tag: !python/object); write the value without it'],
  ],
  [
    'an alias without an anchor',
    { from: 'relation: gutenberg-richter', to: 'x: *nothing' },
    ['19:18 hooks[0].config.x: *nothing names no anchor before it'],
  ],
  [
    'a value within itself',
    { from: 'config: { relation: gutenberg-richter }', to: 'config: &a { x: *a }' },
    [`19:21 hooks[0].config${'.x'.repeat(62)}: is nested too deep, at most 64 levels are read`],
  ],
  [
    'text with a colon',
    { from: 'title: USGS earthquakes', to: 'title: USGS: earthquakes' },
    ['2:8: is not valid YAML: a key within a value (text that holds ": " must stand in quotes)'],
  ],
  [
    'a tab as indentation',
    { from: '  id: earthquake', to: '\tid: earthquake' },
    ['5:1: is not valid YAML: a tab is used as indentation; indent with spaces'],
  ],
  [
    'a bracket that is not closed',
    {
      from: 'columns: [{ name: radius_km, json_type: number }]',
      to: 'columns: [{ name: radius_km, json_type: number ]',
    },
    [expect.stringMatching(/^23:\d+: is not valid YAML: /)],
  ],
  [
    'a merge key',
    {
      from: 'config: { relation: gutenberg-richter }',
      to: 'config: { a: &a { b: 1 }, c: { <<: *a, d: 2 } }',
    },
    [
      '19:36 hooks[0].config.c: has a merge key, <<, which YAML 1.2 does not know; write the keys out (a key of that name stands in quotes)',
    ],
  ],
  [
    'a merge key where keys are known',
    { from: 'name: depth, type: number', to: '<<: { type: number }, name: depth' },
    [
      '9:9 schema.fields[1]: has a merge key, <<, which YAML 1.2 does not know; write the keys out (a key of that name stands in quotes)',
    ],
  ],
  [
    'values that read otherwise than they look',
    {
      from: 'relation: gutenberg-richter',
      to: 'a: 00012, b: 0755, c: -01.5, d: 0o17, e: 1_000, f: 1:30, g: yes, h: Off, i: ~, j: 0b11',
    },
    [
      '19:18 hooks[0].config.a: 00012 begins with a zero, which a number does not keep; leave it out, or write the value in quotes',
      '19:28 hooks[0].config.b: 0755 begins with a zero, which a number does not keep; leave it out, or write the value in quotes',
      '19:37 hooks[0].config.c: -01.5 begins with a zero, which a number does not keep; leave it out, or write the value in quotes',
      '19:47 hooks[0].config.d: 0o17 is a number of another base; write 15, or write it in quotes',
      '19:56 hooks[0].config.e: 1_000 is text here; write 1000, or the value in quotes',
      '19:66 hooks[0].config.f: 1:30 is text here and a number of base 60 in YAML 1.1; write it in quotes',
      '19:75 hooks[0].config.g: yes is text here and true in YAML 1.1; write true, or the value in quotes',
      '19:83 hooks[0].config.h: Off is text here and false in YAML 1.1; write false, or the value in quotes',
      '19:91 hooks[0].config.i: ~ is read as null; write null, or "~" in quotes',
      '19:97 hooks[0].config.j: 0b11 is a number of another base; write 3, or write it in quotes',
    ],
  ],
  [
    'a pattern that needs backtracking',
    { from: 'cardinality: zero_or_more', to: "constraints: { pattern: '(?=x)' }" },
    [
      expect.stringMatching(
        /^10:\d+ schema\.fields\[2\]\.constraints\.pattern: "\(\?=x\)" uses .*lookaround/,
      ),
    ],
  ],
  [
    'a pattern with needless backslashes',
    { from: 'cardinality: zero_or_more', to: "constraints: { pattern: 'a\\-\\_[\\-]' }" },
    [
      expect.stringMatching(
        /^10:\d+ .*pattern: .* holds \\-, \\_, which are not escapes: the backslash can go$/,
      ),
    ],
  ],
  [
    'a second document',
    { from: 'files:', to: '---\nfiles:' },
    ['11:1: a second document starts here; a file holds one convention'],
  ],
  ['another YAML', { from: 'slug:', to: '%YAML 1.1\n---\nslug:' }, ['1:1: is YAML 1.1; only 1.2 is read']],
];

describe('a convention that breaks a rule', () => {
  test.each(refused)('is refused: %s', (_, { from, to }, lines) => {
    const error = failure(changed(from, to));
    expect(error.code).toBe('usage');
    const prefix = 'convention.yaml:';
    expect(error.message.split('\n').map((line) => line.replace(prefix, ''))).toEqual(lines);
  });

  test('is refused as a whole: empty, a list, text', () => {
    const empty =
      'convention.yaml:1:1: the file is empty; a convention has a title, a description and a schema';
    expect(failure('').message).toBe(empty);
    expect(failure('# only a comment\n').message).toBe(empty);
    expect(failure('- a').message).toBe('convention.yaml:1:1: a list is not a mapping');
    expect(failure('hello').message).toBe('convention.yaml:1:1: "hello" (text) is not a mapping');
  });

  test.each([
    ['slug: a-b\ntitle Bird strikes\ndescription: x\n', '2:1: is not valid YAML: a line without a colon'],
    ['slug: a-b\ntitle: [a, b\ndescription: x\n', '3:1: is not valid YAML: a bracket is not closed'],
    ['slug: a-b\ntitle: {a: 1, b: 2\ndescription: x\n', '3:1: is not valid YAML: a bracket is not closed'],
    ['slug: a-b\ntitle: "abc\ndescription: x\n', '4:1: is not valid YAML: a quote is not closed'],
    [
      'docs:\n    purpose: x\n  other: y\n',
      '3:1: is not valid YAML: this line is not indented as the others',
    ],
  ])('%j is refused in plain words', (text, said) => {
    expect(failure(text).message).toContain(`convention.yaml:${said}`);
  });

  test('is refused when it is too large, too deep or expands too far', () => {
    expect(failure(`title: ${'x'.repeat(1024 * 1024)}`).message).toBe(
      'convention.yaml:1:1: the file has 1048583 bytes, at most 1048576 are read',
    );
    expect(failure(`title: ${'['.repeat(5_000)}`).message).toContain('nested too deep');
    const unindented = `schema: {\n${'{ name: a },\n'.repeat(5_000)}`;
    expect(failure(unindented).message).toContain('is not valid YAML');
    expect(failure(`hooks: [${'{},'.repeat(29_000)}]`).message).toContain(
      'hooks: has 29000 elements, at most 100 are allowed',
    );
    const columns = `{ feature: { columns: [${'{},'.repeat(290)}] } },`;
    expect(failure(`hooks: [${columns.repeat(99)}]`).details.problems).toHaveLength(200);
    expect(failure(`hooks: [${'{},'.repeat(300_000)}]`).message).toBe(
      'convention.yaml:1:90003 hooks[29998]: is one value too many, at most 30000 are read (aliases count as what they stand for)',
    );
    const wide = `a: &a [${'1,'.repeat(1_000)}]\n${Array.from({ length: 50 }, (_, n) => `b${n}: *a`).join('\n')}`;
    expect(failure(wide).message).toContain('b28[940]: is one value too many, at most 30000 are read');
    const bomb = Array.from({ length: 8 }, (_, n) => {
      const inner = n === 0 ? '1' : `*l${n - 1}`;
      return `l${n}: &l${n} [${Array(10).fill(inner).join(', ')}]`;
    });
    expect(failure(bomb.join('\n')).message).toContain('is one alias too many, at most 100 are followed');
  });

  test('tells every problem at once, in the order of the text, with facts for programs', () => {
    const text = good
      .replace('type: text', 'type: txt')
      .replace('title: USGS earthquakes\n', '')
      .replace('name: at,', 'name: energy_j,')
      .replace('json_type: number, required', 'json_type: nmber, required');
    const { details, field } = failure(text);
    expect(details.problems).toMatchObject([
      { file: 'convention.yaml', line: 1, column: 1, path: 'title' },
      { line: 9, column: 28, path: 'schema.fields[2].type' },
      { line: 16, column: 40, path: 'hooks[0].feature.columns[0].json_type' },
      { line: 17, column: 19, path: 'hooks[0].feature.columns[1].name' },
    ]);
    expect(field).toBe('title');
  });

  test('shows at most 200 problems and counts the rest', () => {
    const lines = failure(Array.from({ length: 300 }, (_, n) => `key${n}: 1`).join('\n')).message.split('\n');
    expect(lines).toHaveLength(201);
    expect(lines.at(-1)).toBe('and 103 more problems');
  });
});
