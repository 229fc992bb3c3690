import { isIPv4, isIPv6 } from 'node:net';

/** The network of what is not an address; a connection that has ended has none. */
export const noNetwork = 'unknown';

/**
 * The network by which an address is counted: an IPv4 address itself; for IPv6 its /64, since the owner of one address
 * has the whole /64. A proxy may send any text.
 */
export function networkOf(address: string | undefined): string {
  if (address === undefined) return noNetwork;
  if (isIPv4(address)) return address;
  const [plain = ''] = address.split('%');
  if (!isIPv6(plain)) return noNetwork;
  const groups = groupsOf(plain);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) {
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 0xff])
      .join('.');
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`;
}

/** Whether a text is an address, or a network in CIDR notation. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...others] = text.split('/');
  const most = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : undefined;
  if (most === undefined || others.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= most);
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  // A URL writes every address in one way, without dots.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const [first, last] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')));
  const given = [...(first ?? []), ...(last ?? [])].length;
  const zeros = tail === undefined ? 0 : 8 - given;
  return [...(first ?? []), ...Array<string>(zeros).fill('0'), ...(last ?? [])].map((group) =>
    Number.parseInt(group, 16),
  );
}
