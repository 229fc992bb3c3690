import { BlockList, isIP } from 'node:net';
import { OsaError } from '@osa/core/error';

/** A proxy that the environment wants between us and a server. */
export interface ForwardProxy {
  /** The variable that names it. */
  readonly from: string;
  readonly url: URL;
}

/**
 * The proxy for `target`: `HTTP_PROXY` for http, `HTTPS_PROXY` for https, in capitals or not, unless `NO_PROXY` has
 * its host. Undefined where there is none.
 *
 * @throws OsaError `usage` for one that cannot be used; its value, which may hold a password, is not in the message
 */
export function proxyFor(target: URL, environment: NodeJS.ProcessEnv): ForwardProxy | undefined {
  const upper = target.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const from = [upper.toLowerCase(), upper].find((name) => environment[name]);
  const given = from === undefined ? undefined : environment[from]?.trim();
  if (from === undefined || !given) return undefined;
  if (isExempt(target, environment.no_proxy || environment.NO_PROXY || '')) return undefined;
  const text = given.includes('://') ? given : `http://${given}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.hostname && (url.protocol === 'http:' || url.protocol === 'https:')) return { from, url };
  throw new OsaError(
    'usage',
    `${from} is not the URL of an HTTP proxy, such as http://proxy.example.org:3128; correct it, or name the server's ` +
      'host in NO_PROXY',
    { field: from },
  );
}

/** The proxy in a message, without its password. */
export function proxyText({ from, url }: ForwardProxy): string {
  return `the proxy ${url.protocol}//${url.host} (from ${from})`;
}

/**
 * Whether `list` has the host: `*`; a domain with its subdomains; an address or a range of them
 * (`10.0.0.0/8`); each with a port or without.
 */
function isExempt(target: URL, list: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const port = target.port || (target.protocol === 'https:' ? '443' : '80');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      const [, bracketed, plain, wantedPort] =
        /^(?:\[([^\]]*)\]|([^:]*|.*:.*:.*?))(?::(\d+))?$/.exec(entry) ?? [];
      const wanted = bracketed ?? plain ?? entry;
      if (wantedPort !== undefined && wantedPort !== port) return false;
      return wanted === '*' || isInRange(host, wanted) || isUnder(host, wanted.replace(/^\*?\./, ''));
    });
}

function isUnder(host: string, domain: string): boolean {
  return domain !== '' && (host === domain || (isIP(host) === 0 && host.endsWith(`.${domain}`)));
}

function isInRange(host: string, range: string): boolean {
  const [network = '', bits] = range.split('/');
  const family = isIP(host);
  if (bits === undefined || family === 0 || isIP(network) !== family) return false;
  const prefix = Number(bits);
  if (!/^\d{1,3}$/.test(bits) || prefix > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const block = new BlockList();
  block.addSubnet(network, prefix, type);
  return block.check(host, type);
}
