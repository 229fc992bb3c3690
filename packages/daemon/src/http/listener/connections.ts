import { BlockList, isIPv4, isIPv6, type Socket } from 'node:net';
import { networkOf } from '../network.ts';

/** Counts the open connections of each network. */
export interface Connections {
  /** Cuts the connection at once if its network has too many. Proxies that are trusted may have any number. */
  admit(socket: Socket): boolean;
}

export function countConnections(options: {
  readonly mostPerNetwork: number;
  readonly trustedProxies: readonly string[];
}): Connections {
  const proxies = blockListOf(options.trustedProxies);
  const counts = new Map<string, number>();
  return {
    admit(socket) {
      const { remoteAddress = '' } = socket;
      const network = networkOf(remoteAddress);
      const count = counts.get(network) ?? 0;
      if (count >= options.mostPerNetwork && !isListed(proxies, network, remoteAddress)) {
        socket.destroy();
        return false;
      }
      counts.set(network, count + 1);
      socket.once('close', () => {
        const left = (counts.get(network) ?? 1) - 1;
        if (left === 0) counts.delete(network);
        else counts.set(network, left);
      });
      return true;
    },
  };
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of networks) {
    const [address = '', bits] = text.split('/');
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** The network of an IPv4 address is itself, also where IPv6 wraps it. */
function isListed(list: BlockList, network: string, address: string): boolean {
  if (isIPv4(network)) return list.check(network, 'ipv4');
  return isIPv6(address) && list.check(address, 'ipv6');
}
