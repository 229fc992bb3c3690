import type { AddressInfo } from 'node:net';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import type { FastifyInstance } from 'fastify';

/** Listens, and answers with the URL. @throws OsaError `conflict` when the port is taken */
export async function listen(
  app: FastifyInstance,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const code = systemCode(cause);
    if (code === undefined || !/^E[A-Z]+$/.test(code)) throw cause;
    const why = code === 'EADDRINUSE' ? 'another process listens there' : code;
    throw new OsaError(
      'conflict',
      `cannot listen on port ${port} of ${host} (${why}); set another with --port or OSA_PORT, or 0 for a free one`,
      { field: 'port', details: { port, code }, cause },
    );
  }
  const { address, family, port: actual } = app.server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`;
}
