import { routeNamed } from '@osa/cli/http/route-named';
import { type RouteName, routes } from '@osa/core/api';
import { expect, test } from 'vitest';

test('each name leads to its route, wherever it is loaded from', async () => {
  const names = Object.keys(routes) as RouteName[];
  const found = await Promise.all(names.map(async (name) => [name, await routeNamed(name)] as const));
  expect(found.filter(([name, route]) => route !== routes[name]).map(([name]) => name)).toEqual([]);
});
