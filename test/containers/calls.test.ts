import { expect, test, vi } from 'vitest';
import {
  type ContainerBench,
  describeContainers,
  logOf,
  suiteBench,
} from '../support/containers/container-support.ts';
import { systemCall } from '../support/containers/elf.ts';
import { buildImage } from '../support/containers/images.ts';

vi.setConfig({ testTimeout: 60_000 });

describeContainers('the system calls of hostile code', () => {
  let bench: ContainerBench;
  suiteBench((made) => {
    bench = made;
  });

  test.runIf(process.arch === 'x64')('sandbox-08: are refused where they break out', async () => {
    const calls = {
      unshare: systemCall(272, 0x10000000),
      mount: systemCall(165),
      bpf: systemCall(321),
      keyctl: systemCall(250),
      add_key: systemCall(248),
      userfaultfd: systemCall(323),
      perf_event_open: systemCall(298),
      io_uring_setup: systemCall(425, 1),
      init_module: systemCall(175),
      reboot: systemCall(169),
      ptrace: systemCall(101, 16, 1),
      clone: systemCall(56, 0x10000000 + 17),
    };
    const files = Object.fromEntries(Object.entries(calls).map(([name, code]) => [`/${name}`, code]));
    const modes = Object.fromEntries(Object.keys(files).map((name) => [name, '755']));
    const names = Object.keys(calls).join(' ');
    const image = await buildImage({
      script: `for call in ${names}; do /$call; echo $call $?; done; grep Seccomp: /proc/self/status`,
      files,
      modes,
    });
    const log = logOf(await bench.run(image));
    const lines = log.trim().split('\n');
    expect(lines.pop()).toBe('Seccomp:\t2');
    const errors = new Map(lines.map((line) => line.split(' ') as [string, string]));
    expect([...errors.keys()]).toEqual(Object.keys(calls));
    // EPERM or ENOSYS, and never EINVAL or EFAULT, which would come from behind the filter.
    for (const [name, error] of errors) expect(['1', '38'], `${name}: ${error}`).toContain(error);
  });

  test.runIf(process.arch === 'x64')('make the sockets that programs need and no others', async () => {
    const [stream, datagram, raw] = [1, 2, 3];
    const needed = { unix: [1, stream], inet: [2, stream], inet6: [10, datagram], netlink: [16, raw] };
    const others = {
      vsock: [40, stream],
      alg: [38, 5],
      packet: [17, raw],
      xdp: [44, raw],
      audit: [16, raw, 9],
    };
    const sockets = Object.entries({ ...needed, ...others });
    const image = await buildImage({
      script: `for kind in ${sockets.map(([kind]) => kind).join(' ')}; do /$kind; echo $kind $?; done`,
      files: Object.fromEntries(sockets.map(([kind, args]) => [`/${kind}`, systemCall(41, ...args)])),
      modes: Object.fromEntries(sockets.map(([kind]) => [`/${kind}`, '755'])),
    });
    const lines = logOf(await bench.run(image))
      .trim()
      .split('\n');
    const errors = Object.fromEntries(lines.map((line) => line.split(' ')));
    // EAFNOSUPPORT is the kernel's own answer, so a machine without IPv6 passes; ENOSYS is the filter's.
    for (const kind of Object.keys(needed)) expect(['0', '97'], kind).toContain(errors[kind]);
    for (const kind of Object.keys(others)) expect(errors, kind).toMatchObject({ [kind]: '38' });
  });
});
