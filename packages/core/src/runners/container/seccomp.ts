import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { OsaError } from '../../error.ts';
import { readAnswer } from './answer.ts';
import type { Engine } from './engine.ts';

/**
 * Docker's default profile refuses these without privileges. Podman's allows them, since they are harmless by
 * themselves. In a user namespace of its own, however, the code could mount a file system without a bound, and execute
 * its own files there. A profile refuses everything that it does not name.
 */
const refused = new Set([
  ...['unshare', 'setns', 'clone', 'clone3', 'ptrace', 'process_vm_readv', 'process_vm_writev'],
  ...['mount', 'mount_setattr', 'umount', 'umount2', 'pivot_root', 'move_mount', 'open_tree'],
  ...['fsopen', 'fsconfig', 'fsmount', 'fspick', 'chroot', 'name_to_handle_at', 'open_by_handle_at'],
  ...['keyctl', 'add_key', 'request_key', 'bpf', 'perf_event_open', 'userfaultfd'],
  ...['io_uring_setup', 'io_uring_enter', 'io_uring_register'],
]);

/** Threads and processes, but no namespaces: none of the CLONE_NEW* flags (clone(2), namespaces(7)). */
const cloneWithoutNamespaces = {
  names: ['clone'],
  action: 'SCMP_ACT_ALLOW',
  args: [{ index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
};

/**
 * The kinds of sockets that programs use without a network: AF_UNIX, AF_INET, AF_INET6, and AF_NETLINK, whose answers
 * say which addresses there are. The others reach the kernel's rarely used corners or, as AF_VSOCK, the host of a
 * virtual machine, which no network namespace holds back.
 */
const sockets = [1, 2, 10, 16].map((family) => ({
  names: ['socket'],
  action: 'SCMP_ACT_ALLOW',
  args: [
    { index: 0, value: family, valueTwo: 0, op: 'SCMP_CMP_EQ' },
    // NETLINK_AUDIT writes into the host's log.
    ...(family === 16 ? [{ index: 2, value: 9, valueTwo: 0, op: 'SCMP_CMP_NE' }] : []),
  ],
}));

const profileShape = z.looseObject({
  syscalls: z.array(z.looseObject({ names: z.array(z.string()), action: z.string() })),
});

/**
 * The engine's default profile made narrower, as the text of a file; undefined for docker, whose own is narrow.
 *
 * @throws OsaError `unavailable` when podman has none that can be read: hostile code is not started without it
 */
export async function seccompProfile(engine: Engine): Promise<string | undefined> {
  if (engine.name === 'docker') return undefined;
  const format = '{{.Host.Security.SECCOMPEnabled}} {{.Host.Security.SECCOMPProfilePath}}';
  const [enabled, path = ''] = (await engine.require(['info', '--format', format])).split(' ');
  if (enabled !== 'true' || path === '') {
    throw new OsaError(
      'unavailable',
      'podman has no seccomp profile (podman info), and code is not started without',
    );
  }
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new OsaError('unavailable', `podman's seccomp profile ${path} cannot be read`, { cause });
  });
  return narrow(readAnswer(text, profileShape, `the seccomp profile ${path}`));
}

function narrow(profile: z.output<typeof profileShape>): string {
  const syscalls = profile.syscalls
    .map((rule) => ({ ...rule, names: rule.names.filter((name) => !isLeftToUs(name, rule.action)) }))
    .filter(({ names }) => names.length > 0);
  return JSON.stringify({ ...profile, syscalls: [...syscalls, cloneWithoutNamespaces, ...sockets] });
}

/** Whether our own rules decide about it: socketcall's arguments are in memory, where no filter can see the family. */
function isLeftToUs(name: string, action: string): boolean {
  return name === 'socket' || name === 'socketcall' || (action === 'SCMP_ACT_ALLOW' && refused.has(name));
}
