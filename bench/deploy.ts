import { DeployRequest } from '@osa/core/convention/convention';
import { deploy } from '@osa/core/convention/deploy';
import { connect } from '@osa/core/postgres/connection/connect';
import { postgresStore } from '@osa/core/postgres/store';
import { benchDatabase } from './database.ts';
import { principal } from './dataset.ts';
import { inTurn, type Options, type Result } from './report.ts';

const hooks = 20;

/** A deploy that changes nothing, as CI repeats it, against one round trip to the database. */
export async function benchDeploy(options: Options): Promise<Result[]> {
  const place = await benchDatabase();
  const database = connect({ url: place.appUrl, max: 2, applicationName: 'osa bench' });
  try {
    const store = postgresStore(database, { domain: 'localhost' });
    const request = declaration();
    await deploy(store, { principal }, request);
    const measured = await inTurn(options.quick ? 30 : 200, options, {
      ours: () => deploy(store, { principal }, request),
      theirs: () => database.sql`select 1`,
    });
    return [
      {
        name: `deploy of ${hooks} hooks, nothing changed`,
        what: `${measured.ours.length} deploys of the same declaration of ${hooks} hooks`,
        limit: '`select 1` over the same connections',
        unit: 'ms',
        ...measured,
        target: { atMost: 10 },
        notes: [place.server],
      },
    ];
  } finally {
    await database.close();
    await place.close();
  }
}

function declaration(): DeployRequest {
  const columns = [{ name: 'value', json_type: 'number', required: true }];
  const digest = `sha256:${'0'.repeat(64)}`;
  return DeployRequest.parse({
    slug: 'bench-deploy',
    title: 'bench',
    description: 'A dataset for benchmarks',
    schema: {
      id: 'bench-deploy',
      version: '1.0.0',
      fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' }],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: Array.from({ length: hooks }, (_, index) => ({
      name: `hook_${index}`,
      feature: { cardinality: 'one', columns },
      config: { index },
      release: { image: 'bench', digest, source_ref: 'git+https://example.org@1' },
    })),
  });
}
