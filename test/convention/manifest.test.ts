import { globSync, readFileSync } from 'node:fs';
import { DeployRequest } from '@osa/core/convention/convention';
import { deployRequest, parseManifest } from '@osa/core/convention/manifest/read';
import { manifestJsonSchema } from '@osa/core/convention/manifest/shape';
import { asOsaError } from '@osa/core/error';
import { suggest } from '@osa/core/suggest';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { changed, digest, good, parseText } from '../support/manifest-fixture.ts';

describe('a convention that keeps the rules', () => {
  test('is read with its defaults filled in', () => {
    const manifest = parseText(good);
    expect(manifest).toMatchObject({
      slug: 'usgs-earthquakes',
      files: { accepted_types: [], min_count: 0, max_count: 0, max_file_size: 0 },
      ingester: undefined,
      docs: { purpose: 'Find strong earthquakes', examples: [] },
    });
    expect(manifest.schema.fields).toMatchObject([
      { name: 'magnitude', required: true, cardinality: 'exactly_one' },
      { name: 'depth', required: false, constraints: { type: 'number', min_value: -10, unit: 'km' } },
      { name: 'place', cardinality: 'zero_or_more', examples: ['Alaska'] },
    ]);
    expect(manifest.hooks).toMatchObject([
      {
        feature: { kind: 'table', columns: [{ name: 'energy_j', unit: 'J' }, { required: false }] },
        config: { relation: 'gutenberg-richter' },
        limits: { memory: '256m', cpu: '0.5', timeout_seconds: 60 },
        release: { kind: 'directory', directory: './hooks/seismic_energy', command: ['node', 'hook.mjs'] },
      },
      {
        config: {},
        limits: { memory: '1g', cpu: '0.5', timeout_seconds: 300 },
        release: {
          kind: 'image',
          image: 'ghcr.io/org/felt:1.2',
          digest,
          sourceRef: 'git+https://host/repo@abc',
        },
      },
    ]);
  });

  test('is any of the examples', () => {
    const files = globSync('examples/*/convention*.yaml', { cwd: new URL('../..', import.meta.url) });
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
      // A release that the file leaves out is given by --release.
      const open = parse(text).hooks.filter((hook: { release?: object }) => !hook.release);
      const images = new Map<string, { name: string; digest: string }>(
        open.map(({ name }: { name: string }) => [name, { name, digest: `sha256:${'0'.repeat(64)}` }]),
      );
      expect(parseManifest(text, { file, images }).hooks.length).toBeGreaterThan(0);
    }
  });

  test('derives the slug, and needs neither files, hooks nor docs', () => {
    const text = good.slice(0, good.indexOf('files:')).replace('slug: usgs-earthquakes\n', '');
    expect(parseText(text)).toMatchObject({
      slug: 'usgs-earthquakes',
      files: { accepted_types: [], max_count: 0 },
      hooks: [],
      docs: undefined,
    });
  });

  test('reads an empty optional key as left out', () => {
    expect(parseText(`${good.slice(0, good.indexOf('hooks:'))}hooks:\ndocs:\n`)).toMatchObject({ hooks: [] });
  });

  test('takes cpu as a number, and the digest in the name of the image', () => {
    expect(parseText(changed('cpu: "0.5"', 'cpu: 2')).hooks[0]?.limits.cpu).toBe('2');
    const text = changed(`felt:1.2, digest: ${digest}`, `"felt:1.2@${digest}"`.slice(1, -1));
    expect(parseText(text).hooks[1]?.release).toMatchObject({ image: 'ghcr.io/org/felt:1.2', digest });
  });

  test('follows anchors and aliases', () => {
    const text = changed('limits: { memory', 'limits: &small { memory').replace(
      'release: { image',
      'limits: *small\n    release: { image',
    );
    expect(parseText(text).hooks[1]?.limits).toEqual({ memory: '256m', cpu: '0.5', timeout_seconds: 60 });
  });

  test('reads an ingester', () => {
    const text = `${good}ingester: { name: feed, schedule: { cron: "0 * * * *" }, release: { image: "feed@${digest}" } }\n`;
    expect(parseText(text).ingester).toMatchObject({ name: 'feed', release: { image: 'feed', digest } });
  });

  test('becomes the body of a deploy', () => {
    const body = deployRequest(
      parseText(good),
      new Map([
        ['seismic_energy', { digest, sourceRef: 'git:abc' }],
        ['felt_radius', { digest, sourceRef: 'git+https://host/repo@abc' }],
      ]),
    );
    expect(DeployRequest.parse(JSON.parse(JSON.stringify(body)))).toEqual(body);
    expect(body.hooks.map((hook) => hook.release)).toEqual([
      { runtime: 'directory', command: ['node', 'hook.mjs'], digest, source_ref: 'git:abc' },
      {
        runtime: 'image',
        image: 'ghcr.io/org/felt:1.2',
        digest,
        source_ref: 'git+https://host/repo@abc',
      },
    ]);
    expect(() => deployRequest(parseText(good), new Map())).toThrow(
      'convention.yaml:21:14 hooks[0].release: has no digest and source_ref',
    );
  });

  test('can tell of later problems in the same form', () => {
    const error = parseText(good).problem('hooks[0].release.directory', 'there is no such directory');
    expect(error.code).toBe('usage');
    expect(error.message).toBe(
      'convention.yaml:21:27 hooks[0].release.directory: there is no such directory',
    );
    expect(parseText(good).problem('hooks[1].limits.cpu', 'is too much').message).toBe(
      'convention.yaml:22:5 hooks[1].limits.cpu: is too much',
    );
  });
});

describe('any text', () => {
  const resolved = new Map(
    ['seismic_energy', 'felt_radius'].map((name) => [name, { digest, sourceRef: 'git:abc' }]),
  );

  /** Either accepted, and then by the server's rules too, or refused with places inside the text. */
  function check(text: string): void {
    let manifest: ReturnType<typeof parseText>;
    try {
      manifest = parseText(text);
    } catch (error) {
      const known = asOsaError(error);
      if (!known) throw error;
      expect(known.code).toBe('usage');
      const problems = known.details.problems as { line: number; column: number }[];
      expect(problems.length).toBeGreaterThan(0);
      const lines = text.split('\n').length;
      for (const { line, column } of problems) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lines);
        expect(column).toBeGreaterThanOrEqual(1);
      }
      return;
    }
    const releases = new Map(manifest.hooks.map(({ name }) => [name, { digest, sourceRef: 'git:abc' }]));
    deployRequest(manifest, new Map([...resolved, ...releases]));
  }

  const snippet = fc.oneof(
    fc.string({ maxLength: 5 }),
    fc.constantFrom(
      '',
      '\n',
      ' ',
      '  ',
      ':',
      ': ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '"',
      '&a ',
      '*a',
      '!t ',
      '#',
      '|\n',
    ),
    fc.constantFrom(
      'null',
      'true',
      '1',
      '1.5',
      '-1',
      '.inf',
      '__proto__: 1',
      '---',
      '\t',
      '\r',
      '\0',
      '\ud800',
    ),
  );

  test('with any part cut out and replaced is read or refused, never anything else', () => {
    const edit = fc.record({
      at: fc.nat(good.length),
      cut: fc.oneof(fc.nat(3), fc.nat(60)),
      put: snippet,
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        check(edits.reduce((text, { at, cut, put }) => text.slice(0, at) + put + text.slice(at + cut), good));
      }),
      { numRuns: 300 },
    );
  });

  test('with any value replaced by any other is read or refused, never anything else', () => {
    const base: unknown = parse(good);
    const paths = leaves(base);
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 3 }), (path, value) => {
        check(JSON.stringify(replaced(base, path, value)));
      }),
      { numRuns: 300 },
    );
  });
});

/** Every path in `value`, of mappings and lists too. */
function leaves(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]))];
}

function replaced(value: unknown, [key, ...rest]: readonly string[], next: unknown): unknown {
  if (key === undefined) return next;
  if (Array.isArray(value)) {
    return value.map((inner, index) => (String(index) === key ? replaced(inner, rest, next) : inner));
  }
  if (typeof value !== 'object' || value === null) return value;
  return { ...value, [key]: replaced(Reflect.get(value, key), rest, next) };
}

describe('the JSON Schema for editors', () => {
  const file = new URL('../../packages/core/convention.schema.json', import.meta.url);
  const committed = JSON.parse(readFileSync(file, 'utf8'));

  test('is the one that `node scripts/generate-schema.ts` writes', () => {
    expect(committed).toEqual(JSON.parse(JSON.stringify(manifestJsonSchema())));
  });

  const validate = new Ajv2020({ strict: false }).compile(committed);
  const problems = (text: string) => (validate(parse(text)) ? [] : (validate.errors ?? []));

  test('accepts what the parser accepts and refuses a typing error', () => {
    expect(problems(good)).toEqual([]);
    expect(problems(changed('cpu: "0.5"', 'cpu: 0.5'))).toEqual([]);
    expect(problems(changed('json_type: string', 'json_type: strin'))).not.toEqual([]);
    expect(problems(changed('max_count', 'max_cont'))).not.toEqual([]);
  });

  test('lets a hook leave its release to --release, and refuses half of one', () => {
    const [hook, ...others] = parse(good).hooks;
    const { release: _, ...without } = hook;
    const withHook = (one: object) => stringify({ ...parse(good), hooks: [one, ...others] });
    expect(problems(withHook(without))).toEqual([]);
    expect(problems(withHook({ ...without, release: {} }))).not.toEqual([]);
    expect(problems(withHook({ ...without, release: { command: ['node'] } }))).not.toEqual([]);
  });

  const root = new URL('../..', import.meta.url);
  test.each(globSync('examples/**/convention*.yaml', { cwd: root }))('accepts %s', (path) => {
    expect(problems(readFileSync(new URL(path, root), 'utf8'))).toEqual([]);
  });
});

describe('a suggestion', () => {
  test.each([
    ['numbr', ['string', 'number'], 'number'],
    ['nubmer', ['string', 'number'], 'number'],
    ['Boolean', ['boolean'], 'boolean'],
    ['float', ['string', 'number'], 'number'],
    ['constructor', ['string', 'number'], undefined],
    ['zzz', ['url', 'text'], undefined],
  ])('for %s among %j is %s', (word, candidates, expected) => {
    expect(suggest(word, candidates)).toBe(expected);
  });
});
