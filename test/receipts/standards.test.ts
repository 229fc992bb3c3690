import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, test } from 'vitest';
import { standardsDirectory } from '../support/vectors.ts';
import { type StoryArchive, storyArchive } from '../trace/story-archive.ts';
import { brokenRules } from './crate-rules.ts';

/** The trace of a row in the forms of standards. Published schemas are used where OSA_TEST_STANDARDS names them. */

let archive: StoryArchive;
beforeAll(async () => {
  archive = await storyArchive();
  // So that the documents name a notice, too.
  const open = ['recall', 'open', '--release', 'probe@1', '--reason', 'wrong units'];
  expect((await archive.osa(open, { scopes: ['recalls:write'] })).code).toBe(0);
  return () => archive.close();
});

// biome-ignore lint/suspicious/noExplicitAny: documents of several shapes
async function exported(format: string): Promise<any> {
  const { code, stdout, stderr } = await archive.osa(['trace', 'probe/1', '--format', format]);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

const standards = standardsDirectory ?? '';
const hasSchemas = standards !== '' && existsSync(`${standards}/openlineage`);

describe('OpenLineage', () => {
  test('a run is its START and its COMPLETE, with the same names', async () => {
    const events = await exported('openlineage');
    expect(events).toMatchObject([
      { eventType: 'START', job: { namespace: 'osa://localhost', name: 'tests.probe' } },
      {
        eventType: 'COMPLETE',
        outputs: [{ name: 'features.probe', outputFacets: { outputStatistics: { rowCount: 3 } } }],
      },
    ]);
    expect(new Set(events.map(({ run }: { run: { runId: string } }) => run.runId)).size).toBe(1);
    expect(events[0].job.facets.sourceCodeLocation).toMatchObject({
      type: 'git',
      url: 'https://example.org/repo',
    });
  });

  test.skipIf(!hasSchemas)('events and facets keep to the schemas', async () => {
    const read = (path: string) => JSON.parse(readFileSync(`${standards}/openlineage/${path}`, 'utf8'));
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(read('OpenLineage.json'));
    for (const file of readdirSync(`${standards}/openlineage/facets`)) ajv.addSchema(read(`facets/${file}`));
    const events = await exported('openlineage');
    const valid = (schema: string, value: unknown) => {
      const check = ajv.compile({ $ref: schema });
      expect([check(value), check.errors ?? []]).toEqual([true, []]);
    };
    for (const event of events) {
      valid(event.schemaURL, event);
      const holders = [event.job, event.run, ...event.inputs, ...event.outputs];
      const facets = holders.flatMap((holder) => [
        ...Object.values(holder.facets ?? {}),
        ...Object.values(holder.outputFacets ?? {}),
      ]) as { _schemaURL: string }[];
      for (const facet of facets) valid(facet._schemaURL, facet);
    }
    expect(() => valid(events[0].schemaURL, { ...events[0], run: {} })).toThrow();
  });
});

describe('PROV-JSONLD', () => {
  test('every statement has a type, and names only what the document has', async () => {
    const document = await exported('prov-jsonld');
    expect(document['@context'].at(-1)).toBe('https://openprovenance.org/prov-jsonld/context.jsonld');
    const ids = document['@graph']
      .map((statement: Record<string, unknown>) => statement['@id'])
      .filter(Boolean);
    expect(new Set(ids).size).toBe(ids.length);
    const roles = ['entity', 'activity', 'agent', 'plan', 'generatedEntity', 'usedEntity'];
    const relations = document['@graph'].filter((statement: Record<string, unknown>) => !statement['@id']);
    expect(relations.map((relation: Record<string, unknown>) => relation['@type'])).toEqual([
      'prov:Generation',
      'prov:Usage',
      'prov:Association',
      'prov:Derivation',
      'prov:Attribution',
    ]);
    const typeOf = new Map(
      document['@graph'].map((statement: Record<string, unknown>) => [statement['@id'], statement['@type']]),
    );
    // The members that PROV-JSONLD requires of each relation, and the kinds that it relates.
    const required = {
      'prov:Generation': ['entity', 'activity'],
      'prov:Usage': ['activity', 'entity'],
      'prov:Association': ['activity', 'agent'],
      'prov:Derivation': ['generatedEntity', 'usedEntity'],
      'prov:Attribution': ['entity', 'agent'],
    } as Readonly<Record<string, readonly string[]>>;
    const types = { activity: 'prov:Activity', agent: 'prov:Agent' } as Readonly<Record<string, string>>;
    for (const relation of relations) {
      for (const role of required[relation['@type']] ?? ['a type that is not known']) {
        expect(typeOf.get(relation[role])).toBe(types[role] ?? 'prov:Entity');
      }
      for (const role of roles) if (relation[role] !== undefined) expect(ids).toContain(relation[role]);
    }
  });
});

describe('RO-Crate', () => {
  test('the crate has its descriptor, its profile, and an action that names what it has', async () => {
    const crate = await exported('ro-crate');
    const graph: Record<string, unknown>[] = crate['@graph'];
    const byId = new Map(graph.map((entity) => [entity['@id'], entity]));
    expect(byId.get('ro-crate-metadata.json')).toMatchObject({ about: { '@id': './' } });
    expect(byId.get('./')).toMatchObject({ '@type': 'Dataset' });
    const action = graph.find((entity) => entity['@type'] === 'CreateAction');
    expect(action).toMatchObject({ actionStatus: 'http://schema.org/CompletedActionStatus' });
    const referred = JSON.stringify(graph).matchAll(/\{"@id":"([^"]+)"\}/g);
    for (const [, id] of referred) expect(byId.has(id)).toBe(true);
    expect(action?.endTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/);
  });

  test('the crate keeps the rules of RO-Crate and of Process Run Crate, and one that does not is found', async () => {
    const crate = await exported('ro-crate');
    expect(brokenRules(crate)).toEqual([]);
    const without = (id: string, property: string) => ({
      '@graph': crate['@graph'].map((entity: Record<string, unknown>) =>
        entity['@id'] === id || entity['@type'] === id ? { ...entity, [property]: undefined } : entity,
      ),
    });
    for (const [id, property, rule] of [
      ['./', 'license', 'Root Data Entity: `license` property'],
      ['./', 'conformsTo', 'Root Data Entity conformsTo'],
      ['ro-crate-metadata.json', 'about', 'Metadata File Descriptor entity: `about` property'],
      ['CreateAction', 'instrument', 'Action instrument'],
      ['CreateAction', 'endTime', 'Action endTime'],
    ] as const) {
      expect(brokenRules(without(id, property)).map((broken) => broken.split(':')[0])).toContain(
        rule.split(':')[0],
      );
    }
  });
});

test('a standard of what is not a row is refused, and configs do not show', async () => {
  expect((await archive.osa(['trace', 'probe@1', '--format', 'ro-crate'])).code).toBe(2);
  for (const format of ['prov-jsonld', 'ro-crate', 'openlineage', 'nothing']) {
    const { status } = await archive.daemon.send('GET', `/api/v1/trace/rows/probe/99/${format}`);
    expect(status).toBe(format === 'nothing' ? 422 : 404);
  }
});
