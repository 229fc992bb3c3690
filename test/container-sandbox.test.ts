import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import {
  type ContainerBench,
  containerBench,
  describeContainers,
  logOf,
  type TaskOptions,
} from './container-support.ts';
import { systemCall, threadBomb } from './elf.ts';
import { until } from './harness.ts';
import { buildImage, podman, podmanRunner, removeImages } from './images.ts';

vi.setConfig({ testTimeout: 60_000 });

describeContainers('hostile code in a container', () => {
  let bench: ContainerBench;
  beforeAll(async () => {
    bench = await containerBench();
  });
  afterAll(async () => {
    expect(await bench.containers()).toEqual([]);
    await bench.dispose();
    await removeImages();
  });

  /** Runs a script that must end well, and gives what it printed. */
  async function printed(script: string, options: TaskOptions = {}): Promise<string> {
    const ending = await bench.runScript(script, options);
    const log = logOf(ending);
    expect(ending, log).toMatchObject({ outcome: 'exited', exitCode: 0 });
    await ending.dispose();
    return log;
  }

  it('sandbox-01: has no network but a loopback of its own', async () => {
    const server = createServer((socket) => socket.end('secret'));
    await new Promise<void>((listening) => server.listen(0, '0.0.0.0', listening));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const hosts = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const targets = hosts.filter(({ family }) => family === 'IPv4').map((host) => host.address);
    const log = await printed(`
      ls /sys/class/net
      for target in ${targets.join(' ')}; do nc -w 1 $target ${port} < /dev/null && echo IS-OPEN; done
      nslookup example.org && echo IS-KNOWN; true`);
    server.close();
    expect(log.split('\n')[0]).toBe('lo');
    expect(log).not.toMatch(/IS-OPEN|IS-KNOWN|secret/);
  });

  it('sandbox-02: cannot be reached by other hooks', async () => {
    const server = bench.runScript('echo hello | timeout 3 nc -l -p 7777 -s 127.0.0.1; exit 0');
    await until('the listening hook', async () => (await bench.containers()).length > 0);
    expect(await printed('nc -w 1 127.0.0.1 7777 < /dev/null || echo refused')).toContain('refused');
    expect(logOf(await server)).not.toContain('hello');
  });

  it('writes nowhere but to its output and /tmp', async () => {
    const places = ['/', '/etc', '/osa', '/osa/in', '/osa/files', '/dev/shm', '/dev', '/var', '/run', '/bin'];
    const ending = await bench.runScript(
      `for place in ${places.join(' ')}; do touch $place/x 2> /dev/null && echo "wrote to $place"; done
      echo x >> /osa/in/records.jsonl && echo changed; rm /osa/in/records.jsonl && echo removed
      chmod 777 /osa/in/records.jsonl && echo unlocked
      touch /tmp/x $OSA_OUT/x && echo fine`,
      { records: [{ id: 'a', metadata: '{}' }] },
    );
    expect(logOf(ending)).not.toMatch(/wrote|changed|removed|unlocked/);
    expect(logOf(ending)).toContain('fine');
    expect(await readFile(join(ending.outputDirectory, '../in/records.jsonl'), 'utf8')).toBe(
      '{"id":"a","metadata":{},"size_hint_mb":0}\n',
    );
    await ending.dispose();
  });

  it('sandbox-04: executes nothing that it has written', async () => {
    const log = await printed(
      `for place in /tmp $OSA_OUT; do cp /bin/busybox $place/echo; chmod 755 $place/echo; $place/echo ran; echo "code $?"; done`,
    );
    expect(log).not.toMatch(/^ran/m);
    expect(log.match(/code 126/g)).toHaveLength(2);
  });

  it('sandbox-05, -06, -07: stays an unprivileged user, whatever the image says', async () => {
    const image = await buildImage({
      script:
        'id -u; id -g; id -G; grep -E "^(Uid|Cap|NoNewPrivs|Seccomp:)" /proc/self/status; /setuid/id -u',
      files: { '/setuid/id': readFileSync('/bin/busybox') },
      modes: { '/setuid/id': '4755' },
      lines: ['USER 0:0'],
    });
    const ending = await bench.run(image);
    const [uid, gid, groups, ...status] = logOf(ending).trim().split('\n');
    expect([uid, gid, groups]).toEqual(['65534', '65534', '65534']);
    const values = Object.fromEntries(status.map((line) => line.split(':\t')));
    expect(values).toMatchObject({ Uid: '65534\t65534\t65534\t65534', NoNewPrivs: '1', Seccomp: '2' });
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(values[set]).toMatch(/^0+$/);
    // The setuid bit of a file that root owns changed nothing.
    expect(status.at(-1)).toBe('65534');
  });

  it.runIf(process.arch === 'x64')('sandbox-08: is refused the system calls that break out', async () => {
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
      script: `for call in ${names}; do /$call; echo $call $?; done`,
      files,
      modes,
    });
    const log = logOf(await bench.run(image));
    const errors = new Map(
      log
        .trim()
        .split('\n')
        .map((line) => line.split(' ') as [string, string]),
    );
    expect([...errors.keys()]).toEqual(Object.keys(calls));
    // EPERM or ENOSYS, and never EINVAL or EFAULT, which would come from behind the filter.
    for (const [name, error] of errors) expect(['1', '38'], `${name}: ${error}`).toContain(error);
  });

  it('sandbox-09: cannot fork without end', async () => {
    const mark = `MARK=${randomUUID()}`;
    const image = await buildImage({
      script: 'bomb() { bomb | bomb & }; bomb; sleep 1; bomb; exit 3',
      lines: [`ENV ${mark}`],
    });
    const ending = await bench.run(image, { timeoutSeconds: 3 });
    expect(['exited', 'timeout', 'out_of_memory']).toContain(ending.outcome);
    expect(await bench.containers()).toEqual([]);
    expect(await processesWith(mark)).toBe(0);
  });

  it.runIf(process.arch === 'x64')('has the sockets that programs need and no others', async () => {
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
    // EAFNOSUPPORT is the kernel's own answer, so a machine without IPv6 is no failure; ENOSYS is the filter's.
    for (const kind of Object.keys(needed)) expect(['0', '97'], kind).toContain(errors[kind]);
    for (const kind of Object.keys(others)) expect(errors, kind).toMatchObject({ [kind]: '38' });
  });

  it.runIf(process.arch === 'x64')('sandbox-10: cannot start threads without end', async () => {
    const image = await buildImage({
      script: '/bomb; exit $?',
      files: { '/bomb': threadBomb() },
      modes: { '/bomb': '755' },
    });
    // EAGAIN
    expect(await bench.run(image)).toMatchObject({ outcome: 'exited', exitCode: 11 });
  });

  it('sandbox-14: has no swap beside its memory', async () => {
    const ending = await bench.runScript('dd if=/dev/zero of=/dev/null bs=128M count=1', { memoryMiB: 64 });
    expect(ending).toMatchObject({ outcome: 'out_of_memory' });
  });

  it('sandbox-15: fills /tmp to its bound, which counts as memory', async () => {
    const fill = 'dd if=/dev/zero of=/tmp/x bs=1M count=200; ls -l /tmp/x';
    const log = await printed(fill, { memoryMiB: 512 });
    expect(log).toContain('No space left on device');
    expect(log).toContain(` ${100 * 2 ** 20} `);
    expect(await bench.runScript(`${fill}; exit 1`, { memoryMiB: 32 })).toMatchObject({
      outcome: 'out_of_memory',
    });
  });

  it('sandbox-16: that burns the processor is stopped after its time', async () => {
    const started = Date.now();
    const burn = 'for n in 1 2 3 4; do (while :; do :; done) & done; wait';
    const ending = await bench.runScript(burn, { timeoutSeconds: 1 });
    expect(ending.outcome).toBe('timeout');
    expect(Date.now() - started).toBeLessThan(15_000);
    expect(await bench.containers()).toEqual([]);
  });

  it('sandbox-25: is refused files, watches and terminals without end', async () => {
    const log = await printed(`
      i=0; (while [ $i -lt 2000 ]; do i=$((i+1)); eval "exec $i< /dev/null" 2> /dev/null || break; done; echo "opened $i")
      ls /dev/ptmx > /dev/null && exec 9<> /dev/ptmx && echo terminal; true`);
    const opened = Number(/opened (\d+)/.exec(log)?.[1] ?? 0);
    expect(opened).toBeLessThanOrEqual(1_024);
  });

  it('sandbox-19: finds no way to the host', async () => {
    const paths = [
      '/var/run/docker.sock',
      '/run/podman/podman.sock',
      '/run/docker.sock',
      '/dev/mem',
      '/dev/kmsg',
      '/dev/sda',
      '/dev/vda',
      '/dev/loop0',
      '/dev/fuse',
    ];
    const log = await printed(`
      for path in ${paths.join(' ')}; do test -e $path && echo "there is $path"; done
      echo b > /proc/sysrq-trigger && echo triggered
      head -c 1 /proc/kcore > /tmp/kcore && test -s /tmp/kcore && echo read the kernel
      find /sys/fs/cgroup -writable 2> /dev/null | head -n 1
      mknod /tmp/device b 8 0 && echo made a device
      find /dev -type b; true`);
    expect(log).not.toMatch(/there is|triggered|read the kernel|made a device|^\/sys|^\/dev/m);
  });

  it('sandbox-22: sees nothing of the daemon’s environment', async () => {
    vi.stubEnv('DATABASE_URL', 'postgres://secret');
    vi.stubEnv('https_proxy', 'http://user:secret@proxy.example.org');
    const image = await buildImage({
      script: 'env; cat /proc/*/environ | tr "\\0" "\\n"',
      lines: ['ENV IMAGES=own'],
    });
    const ending = await bench.run(image, { runner: podmanRunner() });
    vi.unstubAllEnvs();
    const log = logOf(ending);
    expect(log).not.toMatch(/secret|proxy/i);
    const names = new Set(
      log
        .split('\n')
        .filter((line) => line.includes('='))
        .map((line) => line.split('=')[0]),
    );
    const own = ['OSA_IN', 'OSA_OUT', 'OSA_FILES', 'OSA_HOOK_NAME'];
    // What the image and its shell have, and what the engine gives every container.
    const usual = ['IMAGES', 'PATH', 'PWD', 'SHLVL', '_', 'HOME', 'HOSTNAME', 'TERM'];
    expect([...names].filter((name) => !usual.includes(name ?? '')).sort()).toEqual(own.sort());
  });

  it('sandbox-23: sees of the host no more than where its places are mounted from', async () => {
    const log = await printed('hostname; cat /proc/self/mountinfo');
    const [name, ...mounts] = log.trim().split('\n');
    expect(name).toMatch(/^[0-9a-f]{12}$/);
    const ours = mounts.filter((line) => line.includes(bench.workspace)).map((line) => line.split(' ')[4]);
    // The output is a file system of its own, whose place on the host is not said.
    expect(ours.sort()).toEqual(['/osa/files', '/osa/in']);
  });

  it('sandbox-24: leaves nothing behind for the next run', async () => {
    const image = await buildImage({ script: 'ls /tmp/mark $OSA_OUT/mark; touch /tmp/mark $OSA_OUT/mark' });
    for (let time = 0; time < 2; time += 1) {
      const ending = await bench.run(image);
      expect(logOf(ending).match(/No such file/g)).toHaveLength(2);
    }
  });

  it('sandbox-25: has few files to open', async () => {
    expect(await printed('ulimit -n; ulimit -c')).toBe('1024\n0\n');
  });

  it('sandbox-26: can kill itself and no other', async () => {
    const image = await buildImage({ script: 'sleep 3; echo survived' });
    const survivor = bench.run(image);
    await until('the survivor', async () => (await bench.containers()).length > 0);
    await bench.runScript('kill -9 -1; kill -9 1; exit 0');
    expect(logOf(await survivor)).toBe('survived\n');
  });

  it('sandbox-27: is made with every flag that confines it', async () => {
    const image = await buildImage({
      script: 'sleep 60',
      lines: ['HEALTHCHECK CMD true', 'VOLUME /cache', 'STOPSIGNAL SIGUSR1'],
    });
    const abort = new AbortController();
    const running = bench.run(image, { signal: abort.signal, memoryMiB: 48, cpuMillicores: 250 });
    const id = await until('the container', async () => (await bench.containers())[0]);
    const [found] = JSON.parse(await podman('container', 'inspect', id));
    abort.abort();
    await running;
    const memory = 48 * 2 ** 20;
    expect(found.Config).toMatchObject({ User: '65534:65534' });
    expect(found.Config.Labels['osa.workspace']).toMatch(/^[0-9a-f]{32}$/);
    expect(found.Config.Labels['osa.attempt']).toMatch(/^task-\d+-\d+$/);
    expect(found.Config.Healthcheck?.Test ?? ['NONE']).toEqual(['NONE']);
    expect(found.EffectiveCaps ?? []).toEqual([]);
    expect(found.BoundingCaps ?? []).toEqual([]);
    expect(found.HostConfig).toMatchObject({
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      Privileged: false,
      Memory: memory,
      MemorySwap: memory,
      NanoCpus: 250_000_000,
      PidsLimit: 256,
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'none' },
      Tmpfs: { '/tmp': expect.stringMatching(/noexec.*nosuid.*nodev/) },
    });
    expect(found.HostConfig.SecurityOpt).toEqual([
      'no-new-privileges',
      expect.stringMatching(/^seccomp=.*seccomp\.json$/),
    ]);
    expect(found.HostConfig.Devices).toEqual([]);
    const mounts = found.Mounts as { Destination: string; RW: boolean; Options: string[]; Type: string }[];
    expect(mounts.map(({ Destination, RW, Type }) => [Type, Destination, RW]).sort()).toEqual([
      ['bind', '/osa/files', false],
      ['bind', '/osa/in', false],
      ['bind', '/osa/out', true],
    ]);
    for (const { Options } of mounts)
      expect(Options).toEqual(expect.arrayContaining(['noexec', 'nosuid', 'nodev']));
  });
});

/** Living processes, on the whole machine, that have an entry in their environment. */
async function processesWith(entry: string): Promise<number> {
  let count = 0;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(entry)) count += 1;
  }
  return count;
}
