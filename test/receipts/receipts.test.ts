import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseExactJson } from '@osa/core/json/exact';
import { payloadType, preAuthentication, receiptOf } from '@osa/core/trace/export/receipt';
import { type DigestedRow, rowDigest } from '@osa/core/trace/export/row-digest';
import { verifyReceipt } from '@osa/core/trace/export/verify';
import { attestationFile, fileAttestation, makeAttestationKey } from '@osa/daemon/attestation';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { scratch } from '../support/database/database.ts';
import { type StoryArchive, storyArchive } from '../trace/story-archive.ts';

/** Receipts: what the archive signs verifies offline, and nothing else does. */

let archive: StoryArchive;
let directory: string;
let receipt: string;
let keys: string;
beforeAll(async () => {
  archive = await storyArchive();
  const place = await scratch();
  directory = place.path;
  receipt = (await archive.osa(['trace', 'probe/1', '--format', 'in-toto'])).stdout;
  keys = (await archive.daemon.send('GET', '/.well-known/osa-keys.json')).text;
  await writeFile(join(directory, 'receipt.json'), receipt);
  await writeFile(join(directory, 'keys.json'), keys);
  return async () => {
    await archive.close();
    await place.dispose();
  };
});

const statementOf = (text: string) =>
  JSON.parse(Buffer.from(JSON.parse(text).payload, 'base64').toString('utf8'));

test('a receipt verifies offline, and says what it is about', async () => {
  const argv = ['verify', 'receipt.json', '--key', 'keys.json'];
  const { code, stdout } = await archive.osa(argv, { cwd: directory });
  expect(code).toBe(0);
  expect(stdout).toContain('the receipt holds: probe/1');
  expect(stdout).toContain('git+https://example.org/repo@1');
  const { receipt: statement } = await verifyReceipt(receipt, keys);
  expect(statement).toMatchObject({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'probe/1' }],
    predicate: { row: { hook: 'probe', ordinal: 0, values: { value: 2 } }, run: { release: 1 } },
  });
  expect((await archive.osa(['verify', '-'], { stdin: receipt })).code).toBe(0);
});

test('a receipt with any byte changed, added or left out does not hold', async () => {
  const bytes = Buffer.from(receipt);
  const fails = async (changed: Buffer) => {
    await expect(verifyReceipt(changed.toString('latin1'), keys)).rejects.toMatchObject({ code: 'invalid' });
  };
  // Each place once; which byte it becomes differs from run to run.
  for (let place = 0; place < bytes.length; place++) {
    const changed = Buffer.from(bytes);
    changed[place] = ((bytes[place] ?? 0) + 1 + Math.floor(Math.random() * 127)) % 128;
    await fails(changed);
  }
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(127), async (place, byte) => {
      await fails(Buffer.concat([bytes.subarray(0, place), Buffer.from([byte]), bytes.subarray(place)]));
      await fails(Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1)]));
    }),
    { numRuns: 200 },
  );
}, 120_000);

test('what another key signs does not hold, nor a chain that does not fit', async () => {
  const place = await scratch();
  const other = fileAttestation(attestationFile(place.path), { makes: true });
  const key = await other.current();
  const theirs = JSON.stringify({ keys: await other.published() });
  if (!key) throw new Error('there is a key');
  const signed = (change: (statement: ReturnType<typeof statementOf>) => void) => {
    const statement = statementOf(receipt);
    change(statement);
    return receiptOf(statement, key);
  };
  await expect(
    verifyReceipt(
      signed(() => undefined),
      keys,
    ),
  ).rejects.toMatchObject({ code: 'invalid' });
  await verifyReceipt(
    signed(() => undefined),
    theirs,
  );
  const changes: ((statement: ReturnType<typeof statementOf>) => void)[] = [
    ({ predicate }) => Object.assign(predicate.row.values, { value: 3 }),
    ({ predicate }) => Object.assign(predicate.row, { ordinal: 1 }),
    ({ predicate }) => Object.assign(predicate.record, { srn: 'urn:osa:localhost:rec:other@1' }),
    ({ predicate }) => Object.assign(predicate.run, { hook: 'other' }),
    ({ predicate }) => Object.assign(predicate.run, { release: 2 }),
    ({ predicate }) => Object.assign(predicate.release, { digest: `sha256:${'0'.repeat(64)}` }),
    ({ predicate }) => Object.assign(predicate.run, { ran_digests: [] }),
    ({ subject }) => Object.assign(subject[0], { name: 'probe/2' }),
    (statement) => Object.assign(statement, { predicateType: 'https://slsa.dev/provenance/v1' }),
  ];
  for (const change of changes) {
    await expect(verifyReceipt(signed(change), theirs)).rejects.toMatchObject({ code: 'invalid' });
  }
  await place.dispose();
});

test('after a rotation old receipts hold, and the old key can sign no new ones', async () => {
  const place = await scratch();
  const path = attestationFile(place.path);
  const attestation = fileAttestation(path, { makes: true });
  const old = await attestation.current();
  if (!old) throw new Error('there is a key');
  const before = receiptOf({ ...statementOf(receipt) }, old);
  await makeAttestationKey(path, { rotate: true });
  const next = await attestation.current();
  expect(next?.kid).not.toBe(old.kid);
  const published = await attestation.published();
  expect(published.map(({ kid, retired_at }) => [kid, retired_at !== null])).toEqual([
    [next?.kid, false],
    [old.kid, true],
  ]);
  expect(JSON.stringify(published)).not.toContain('"d"');
  expect(JSON.parse(await readFile(path, 'utf8')).keys[1]).not.toHaveProperty('d');
  const set = JSON.stringify({ keys: published });
  await verifyReceipt(before, set);
  const statement = statementOf(receipt);
  statement.predicate.issued_at = new Date(Date.now() + 60_000).toISOString();
  await expect(verifyReceipt(receiptOf(statement, old), set)).rejects.toMatchObject({ code: 'invalid' });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await chmod(path, 0o644);
  await expect(attestation.current()).rejects.toMatchObject({ code: 'usage' });
  await place.dispose();
});

test('an archive without a key signs nothing, and says how to make one', async () => {
  const place = await scratch();
  const attestation = fileAttestation(attestationFile(place.path), { makes: false });
  expect([await attestation.current(), await attestation.published()]).toEqual([undefined, []]);
  await place.dispose();
});

test('what cannot be verified is refused by name', async () => {
  const run = (argv: string[], stdin?: string) =>
    archive.osa(['verify', ...argv], { cwd: directory, ...(stdin !== undefined && { stdin }) });
  expect((await run(['nowhere.json'])).code).toBe(2);
  expect((await run(['receipt.json', '--key', 'nowhere.json'])).code).toBe(2);
  for (const text of ['', '{}', 'null', '[]', 'not JSON', receipt.trimEnd(), `${receipt}\n`]) {
    const { code, stderr } = await run(['-', '--key', 'keys.json'], text);
    expect(code).toBe(1);
    expect(stderr).toContain('the receipt does not hold');
  }
});

test('the envelope is signed over its type and body', () => {
  expect(preAuthentication(Buffer.from('ab')).toString()).toBe(
    `DSSEv1 ${payloadType.length} ${payloadType} 2 ab`,
  );
});

test('the vectors of the documentation hold', async () => {
  const document = await readFile(fileURLToPath(new URL('../../docs/receipts.md', import.meta.url)), 'utf8');
  const vectors = [...document.matchAll(/^(\{"hook".*\})\n([0-9a-f]{64})$/gm)];
  expect(vectors.length).toBeGreaterThanOrEqual(3);
  for (const [, row = '', digest] of vectors) {
    expect(rowDigest(parseExactJson(row) as DigestedRow)).toBe(digest);
  }
});
