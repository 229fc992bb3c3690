import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { send, type Way } from '@osa/cli/http/request';
import { Agent } from 'undici';
import { expect, test } from 'vitest';

test('an upload waits for its answer longer than other requests do', async () => {
  const waiting: ServerResponse[] = [];
  const server = createServer((request, response) => {
    if (request.method === 'POST') request.resume().on('end', () => waiting.push(response));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new Agent({ headersTimeout: 300 });
  const way: Way = { proxy: undefined, dispatcher: async () => agent };
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const { signal } = new AbortController();
  const common = { url, headers: {}, repeatable: false, way, signal };
  const body = { open: () => Readable.from(['{}\n']), replayable: true };
  const upload = send({ ...common, method: 'POST', body });
  // The limit is over for this one, and was for the upload.
  await expect(send({ ...common, method: 'GET' })).rejects.toMatchObject({ code: 'unreachable' });
  await expect(send({ ...common, method: 'GET' })).rejects.toMatchObject({ code: 'unreachable' });
  for (const response of waiting) response.end('stored');
  expect((await upload).text).toBe('stored');
  await agent.close();
  server.closeAllConnections();
  server.close();
});
