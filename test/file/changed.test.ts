import { appendFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { showConvention } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, problem, startFakeServer } from '../support/fixtures/cli-world.ts';

/** A file that changes between its hashing and the end of its upload, and what osa says then. */

const rules = { accepted_types: [], min_count: 0, max_count: 9, max_file_size: 0 };
const tooLarge = 'the upload is larger than the 4 bytes that it says';

test.each([
  ['grows', (path: string) => appendFile(path, 'more'), true],
  ['gets other bytes', (path: string) => writeFile(path, 'else'), true],
  ['is as it was', async () => undefined, false],
])(
  'of a file that %s the command says what the server refused only if it was that',
  async (_what, change, isOurs) => {
    await using world = await createCliWorld();
    const path = join(world.cwd, 'model.cif');
    await writeFile(path, 'text');
    await utimes(path, 1, 1);
    await using server = await startFakeServer(async ({ method, path: asked, body }) => {
      if (method === 'GET') return { body: { ...showConvention, id: 'numbers', file_requirements: rules } };
      if (method === 'PUT') return problem(413, 'too_large', tooLarge, { field: 'size' });
      expect(asked).toMatch(/files\/missing$/);
      await change(path);
      const [sha256] = JSON.parse(body).sha256;
      return { body: { missing: [{ sha256, received: 0 }] } };
    });
    const environment = { OSA_SERVER: server.url, OSA_TOKEN: 'a.b.c' };
    const { code, stderr } = await world.osa(['deposit', 'numbers', '--file', 'model.cif'], { environment });
    const said = `${path} changed while it was sent; run the command again when nothing writes to it`;
    expect([code, stderr]).toEqual([isOurs ? 2 : 1, expect.stringContaining(isOurs ? said : tooLarge)]);
  },
);
