import type { Engine } from '@osa/core/runners/container/engine';
import { knownImages, resolveImage } from '@osa/core/runners/container/image';
import { expect, test } from 'vitest';

/** Each pull is reported, for the metric; an image that is there is not pulled. */

const digest = `sha256:${'a'.repeat(64)}`;
const image = { Id: digest, Digest: digest, Os: 'linux', Architecture: 'amd64', Config: { Cmd: ['x'] } };

async function resolve(answers: readonly (readonly [boolean, string])[]): Promise<boolean[]> {
  const told: boolean[] = [];
  const known = knownImages((ok, seconds) => {
    expect(seconds).toBeGreaterThanOrEqual(0);
    told.push(ok);
  });
  const left = [...answers];
  const engine = {
    name: 'podman',
    call: async () => {
      const [ok, text] = left.shift() ?? [false, 'nothing'];
      return { ok, stdout: text, stderr: text };
    },
  } as unknown as Engine;
  const { signal } = new AbortController();
  const request = { image: 'example.org/a', digest, pullTimeoutMs: 1_000, temporary: '/tmp', known, signal };
  await resolveImage(engine, request).catch(() => undefined);
  return told;
}

const there = [true, JSON.stringify([image])] as const;
const missing = [false, 'no such image'] as const;

test.each([
  ['an image that is there', [there], []],
  ['one that comes', [missing, missing, [true, ''], there], [true]],
  ['one that the registry does not have', [missing, missing, [false, 'manifest unknown']], [false]],
] as const)('%s', async (_what, answers, expected) => {
  expect(await resolve(answers)).toEqual(expected);
});
