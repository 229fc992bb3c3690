import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asStorageFault } from '@osa/core/storage/fault';
import { problemOf } from '@osa/daemon/http/errors';
import { expect, test } from 'vitest';
import { deployRequest, testDaemon } from '../support/daemon-support.ts';
import { scratch } from '../support/database/database.ts';

/** A sender hears that the archive's storage is at fault, and how; never where it is. */

const systemError = (code: string) => Object.assign(new Error(`${code}: /srv/secret/place`), { code });

test.each([
  ['EROFS', /storage is read-only/],
  ['ENOSPC', /storage is full/],
  ['EDQUOT', /storage is full/],
  ['EACCES', /storage refuses access/],
  ['EIO', /storage fails/],
  ['ESTALE', /storage fails/],
  ['EMFILE', /cannot answer at the moment/],
])('%s is 503, and says %s', (code, said) => {
  const { status, body, headers, isOurs } = problemOf(asStorageFault(systemError(code), 'Storing a file'));
  expect([status, body.code, isOurs, headers['retry-after']]).toEqual([503, 'unavailable', true, '1']);
  expect(body.message).toMatch(said);
  expect(JSON.stringify(body)).not.toMatch(/secret|E[A-Z]{4}/);
});

test('an error of ours is not blamed on the storage', () => {
  expect(problemOf(asStorageFault(systemError('EINVAL'), 'Storing a file')).status).toBe(500);
});

async function canMount(): Promise<boolean> {
  const place = await scratch();
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', place.path], { stdio: 'ignore' });
    execFileSync('umount', [place.path]);
    return true;
  } catch {
    return false;
  } finally {
    await place.dispose();
  }
}

test.skipIf(!(await canMount())).each([
  ['read-only', 'ro', /storage is read-only/],
  ['full', 'size=64k', /storage is full/],
])('an upload to a data directory that is %s gets 503', async (_name, options, said) => {
  const daemon = await testDaemon();
  const place = join(daemon.directory, 'data/blobs');
  try {
    const rules = { accepted_types: [], min_count: 0, max_count: 1, max_file_size: 1_000_000 };
    await daemon.call('deploy', { json: { ...deployRequest(), file_requirements: rules } });
    await rm(place, { recursive: true });
    await mkdir(place);
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', place]);
    const body = Buffer.alloc(500_000, 'x');
    const sha256 = createHash('sha256').update(body).digest('hex');
    const headers = {
      authorization: await daemon.bearer(['ingestions:write:tests']),
      'content-type': 'application/octet-stream',
    };
    const url = `/api/v1/conventions/tests/files/${sha256}?size=${body.length}`;
    const { status, problem, text } = await daemon.send('PUT', url, { headers, body });
    expect([status, problem?.code]).toEqual([503, 'unavailable']);
    expect(problem?.message).toMatch(said);
    expect(text).not.toContain(daemon.directory);
  } finally {
    execFileSync('umount', [place]);
    await daemon.close();
  }
});
