import { bounds } from '@osa/core/limits';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  declaration,
  deployRequest,
  everything,
  type TestDaemon,
  testDaemon,
} from '../support/daemon-support.ts';
import { longestTurn } from './flood.ts';

vi.setConfig({ testTimeout: 60_000 });

/** JSON bodies of the full size, of the smallest parts. */

let daemon: TestDaemon;
let authorization: string;
beforeAll(async () => {
  daemon = await testDaemon();
  authorization = await daemon.bearer(everything, { lifetimeSeconds: 600 });
});
afterAll(() => daemon.close());

const fill = (part: string, count = Math.floor((bounds.requestBytes - 2_000) / (part.length + 1))) =>
  Array.from({ length: count }, () => part).join(',');
const request = JSON.stringify(deployRequest());
const withHooks = (parts: string) => request.replace('"hooks":[]', `"hooks":[${parts}]`);
const config = (text: string) =>
  JSON.stringify(
    deployRequest([{ ...declaration('x', `sha256:${'0'.repeat(64)}`), config: { x: 'HERE' } }] as never),
  ).replace('"HERE"', text);

/** The status, and the longest pause of the event loop of the daemon, which is this one. */
async function sent(body: string): Promise<{ status: number; stalledMs: number; code: string | undefined }> {
  const bytes = Buffer.from(body);
  const { result, ms } = await longestTurn(() =>
    daemon.send('POST', '/api/v1/conventions', {
      headers: { authorization, 'content-type': 'application/json' },
      body: bytes,
    }),
  );
  return { status: result.status, code: result.problem?.code, stalledMs: ms };
}

describe('a body', () => {
  test.each<[string, string]>([
    ['a list of ones', withHooks(fill('1'))],
    ['empty objects', withHooks(fill('{}'))],
    ['empty lists in a config', config(`[${fill('[]')}]`)],
    ['members', `{${Array.from({ length: 300_000 }, (_, n) => `"k${n}":1`).join(',')}}`],
  ])('of too many values is refused without a stall: %s', async (_name, body) => {
    const { status, code, stalledMs } = await sent(body);
    expect([status, code]).toEqual([413, 'too_large']);
    expect(stalledMs).toBeLessThan(200);
  });

  test.each<[string, string]>([
    ['hooks without anything', withHooks(fill('{}', 49_000))],
    ['members that nobody knows', `{${Array.from({ length: 49_000 }, (_, n) => `"k${n}":1`).join(',')}}`],
    ['hooks that are numbers', withHooks(fill('1', 49_000))],
  ])('of almost too many values is checked without a stall: %s', async (_name, body) => {
    const { status, stalledMs } = await sent(body);
    expect(status).toBe(422);
    expect(stalledMs).toBeLessThan(200);
  });
});
