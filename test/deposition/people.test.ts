import { grantRole, type RoleAssignment } from '@osa/core/postgres/access';
import type { Database } from '@osa/core/postgres/connection/connect';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { good, person, trustedForTests } from '../support/auth-support.ts';
import { deployRequest, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** Rights of people's roles: a person's token has no scopes of its own. */

let daemon: TestDaemon;
let owner: Database;
beforeAll(async () => {
  daemon = await testDaemon({ trusted: await trustedForTests() });
  owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const machine = `Bearer ${good({ scope: 'conventions:write' })}`;
  await daemon.call('deploy', {
    json: { ...deployRequest([]), curation: 'manual' },
    headers: { authorization: machine },
  });
});
afterAll(() => daemon.close());

let people = 0;

/** Somebody who has logged in, with this role or none. */
async function somebody(role?: RoleAssignment['role']) {
  people += 1;
  const id = `0198c0de-4444-4444-8444-${String(people).padStart(12, '0')}`;
  if (role) await grantRole(owner, id, role);
  const headers = { authorization: `Bearer ${person(id)}`, 'content-type': 'application/json' };
  const ask = (method: string, path = '', body?: object) =>
    daemon.send(method, `/api/v1/depositions${path}`, {
      headers,
      ...(body && { body: JSON.stringify(body) }),
    });
  return { id, ask };
}

type Somebody = Awaited<ReturnType<typeof somebody>>;

const draft = { convention_id: 'tests', metadata: { value: 1 } };

/** A deposition of somebody that waits for its review. */
async function waiting({ ask }: Somebody): Promise<string> {
  const { id } = JSON.parse((await ask('POST', '', draft)).text);
  expect((await ask('POST', `/${id}/submit`, {})).status).toBe(200);
  await until('the review', async () => JSON.parse((await ask('GET', `/${id}`)).text).status === 'in_review');
  return id;
}

test('without a role nobody deposits', async () => {
  const { ask } = await somebody();
  const refused = await ask('POST', '', draft);
  expect([refused.status, refused.problem?.code]).toEqual([403, 'access_denied']);
});

test('a DEPOSITOR deposits, and decides nothing', async () => {
  const depositor = await somebody('DEPOSITOR');
  const id = await waiting(depositor);
  const other = await somebody('DEPOSITOR');
  for (const { ask } of [depositor, other]) {
    expect((await ask('POST', `/${id}/approve`, {})).status).toBe(403);
    expect((await ask('POST', `/${id}/reject`, { reason: 'no' })).status).toBe(403);
    expect(JSON.parse((await ask('GET', '?of=review')).text).items).toEqual([]);
  }
  expect((await other.ask('GET', `/${id}`)).status).toBe(404);
  expect((await depositor.ask('POST', `/${id}/withdraw`, {})).status).toBe(200);
});

test('a CURATOR decides what others have deposited, and deposits, too', async () => {
  const id = await waiting(await somebody('DEPOSITOR'));
  const curator = await somebody('CURATOR');
  const listed = JSON.parse((await curator.ask('GET', '?of=review')).text);
  expect(listed.items.map((item: { id: string }) => item.id)).toContain(id);
  expect((await curator.ask('POST', `/${id}/withdraw`, {})).status).toBe(404);
  const approved = JSON.parse((await curator.ask('POST', `/${id}/approve`, {})).text);
  expect(approved).toMatchObject({
    status: 'accepted',
    submissions: [{ review: { decision: 'approved', actor: { issuer: 'primary', subject: curator.id } } }],
  });
  const own = await waiting(curator);
  expect((await curator.ask('POST', `/${own}/approve`, {})).status).toBe(403);
});

test('an ADMIN decides, and still changes nothing that somebody else has deposited', async () => {
  const id = await waiting(await somebody('DEPOSITOR'));
  const admin = await somebody('ADMIN');
  for (const [method, path, body] of [
    ['PATCH', `/${id}/metadata`, { value: 2 }],
    ['PUT', `/${id}/files`, { files: [] }],
    ['POST', `/${id}/submit`, {}],
    ['POST', `/${id}/withdraw`, {}],
  ] as const) {
    expect((await admin.ask(method, path, body)).status, path).toBe(404);
  }
  expect((await admin.ask('POST', `/${id}/reject`, { reason: 'value: is not plausible' })).status).toBe(200);
});
