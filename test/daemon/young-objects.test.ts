import { execa } from 'execa';
import { expect, test } from 'vitest';

/** Makes garbage of which some survives, as tables that are written as files do, and prints the room of young objects. */
const work = `
  import { setImmediate } from 'node:timers/promises';
  import { getHeapSpaceStatistics } from 'node:v8';
  if (process.argv[1] === 'bounded') (await import('@osa/daemon/young-objects')).boundYoungObjects();
  const kept = [];
  let most = 0;
  for (let round = 0; round < 12_000; round++) {
    kept[round % 160] = Array.from({ length: 500 }, (_, n) => ({ n, text: 'row ' + n }));
    const { space_size } = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    most = Math.max(most, space_size);
    await setImmediate();
  }
  console.log(most / 2 ** 20);
`;

async function mostRoom(mode: 'bounded' | 'free'): Promise<number> {
  // Without this, the most that V8 gives depends on the memory of the machine.
  const limit = '--max-semi-space-size=32';
  const { stdout } = await execa(
    process.execPath,
    [limit, '--input-type=module', '--eval', work, '--', mode],
    {
      cwd: new URL('../..', import.meta.url),
    },
  );
  return Number(stdout);
}

test('young objects get a bounded room, which V8 would make larger', async () => {
  expect(await mostRoom('bounded')).toBeLessThan(40);
  expect(await mostRoom('free')).toBeGreaterThan(45);
});
