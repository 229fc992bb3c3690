import { asOsaError } from '@osa/core/error';
import { readOptions } from '@osa/daemon/config/options';
import { changeRoles } from '@osa/daemon/roles';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database/database.ts';

/** `osad roles`: which people have which role. */

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const user = '0198C0DE-3333-4333-8333-333333333333';

/** The output of `osad roles …`. */
async function roles(...argv: string[]): Promise<string> {
  const options = readOptions(['roles', ...argv]);
  if (options.command !== 'roles') throw new Error(`it is ${options.command}`);
  return changeRoles({ url: database.ownerUrl, change: options.change });
}

test('are given once, listed, and taken away', async () => {
  expect(await roles('list')).toBe('');
  expect(await roles('grant', user, 'admin')).toContain('has the role ADMIN\n');
  expect(await roles('grant', user, 'ADMIN')).toContain('as before');
  await roles('grant', user, 'CURATOR');
  const listed = (await roles('list')).split('\n').map((line) => line.split('  ').slice(0, 2));
  expect(listed).toEqual([[user.toLowerCase(), 'ADMIN'], [user.toLowerCase(), 'CURATOR'], ['']]);
  expect(await roles('revoke', user, 'ADMIN')).toContain('no longer has the role ADMIN\n');
  expect(await roles('list')).not.toContain('ADMIN');
});

test.each([
  [[]],
  [['grant']],
  [['grant', 'somebody', 'ADMIN']],
  [['grant', user, 'OWNER']],
  [['grant', user, 'ADMIN', 'CURATOR']],
  [['list', user]],
])('%j is refused', (argv) => {
  let code: string | undefined;
  try {
    readOptions(['roles', ...argv]);
  } catch (error) {
    code = asOsaError(error)?.code;
  }
  expect(code).toBe('usage');
});
