import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { expect, inject, test, vi } from 'vitest';
import {
  type ContainerBench,
  describeContainers,
  logOf,
  suiteBench,
} from '../support/containers/container-support.ts';
import { systemCall } from '../support/containers/elf.ts';
import { buildImage, podman, podmanRunner } from '../support/containers/images.ts';
import { until } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 60_000 });

describeContainers('hostile code in a container', () => {
  let bench: ContainerBench;
  suiteBench((made) => {
    bench = made;
  });

  test('sandbox-01: has no network but a loopback of its own', async () => {
    // In the place of a daemon and a database that everybody may reach.
    const server = createServer((socket) => socket.end('secret'));
    await new Promise<void>((listening) => server.listen(0, '0.0.0.0', listening));
    const { port } = server.address() as AddressInfo;
    const sockets = new URL(inject('cluster').ownerUrl).searchParams.get('host') ?? '/var/run/postgresql';
    const hosts = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const targets = hosts.filter(({ family }) => family === 'IPv4').map((host) => host.address);
    expect(targets).toContain('127.0.0.1');
    for (const host of targets) {
      const [said] = await once(connect({ port, host }), 'data');
      expect(String(said)).toBe('secret');
    }
    const log = await bench.printed(`
      ls /sys/class/net
      for target in ${targets.join(' ')}; do nc -w 1 $target ${port} < /dev/null && echo IS-OPEN || echo closed; done
      test -e '${sockets}' && echo IS-THERE
      nslookup example.org && echo IS-KNOWN; true`);
    server.close();
    expect(log.slice(0, 3 + log.indexOf('lo\n'))).toBe('lo\n');
    expect(log.match(/^closed$/gm)).toHaveLength(targets.length);
    expect(log).not.toMatch(/IS-OPEN|IS-THERE|IS-KNOWN|secret/);
  });

  test('sandbox-02: cannot be reached by other hooks', async () => {
    const serve = await buildImage({
      script: `nc -ll -p 7777 -e echo hello & until nc 127.0.0.1 7777 < /dev/null | grep hello; do :; done
      touch $OSA_OUT/listening; while :; do sleep 1; done`,
    });
    const server = bench.start(serve, { id: 'server' });
    await bench.marked('server', 'listening');
    const ask = 'nc -w 1 127.0.0.1 7777 < /dev/null || echo refused';
    const answer = await bench.printed(ask);
    expect(await server.end()).toMatchObject({ ending: 'cancelled' });
    expect(answer).toContain('refused');
    expect(answer).not.toContain('hello');
  });

  test('sandbox-03: writes nowhere but to its output and /tmp', async () => {
    const places = ['/', '/etc', '/osa', '/osa/in', '/osa/files', '/dev', '/var', '/run', '/bin'];
    const image = await buildImage({
      script: `exec 2>&1; for place in ${places.join(' ')}; do touch $place/x; done
      mkdir /dev/shm; echo x >> /osa/in/records.jsonl; rm -f /osa/in/records.jsonl; chmod 777 /osa/in/records.jsonl
      ln -s x /osa/in/more; mv /osa/in /osa/elsewhere; touch /tmp/x $OSA_OUT/x && echo fine`,
      // Whoever comes may write there, were it not for the file system.
      lines: ['RUN ["/bin/mkdir", "-m", "1777", "/var"]'],
    });
    const ending = await bench.run(image, { records: [{ id: 'a', metadata: '{}' }], config: { a: 1 } });
    const said = logOf(ending).trim().split('\n');
    expect(said.pop()).toBe('fine');
    expect(said).toHaveLength(places.length + 6);
    for (const line of said) expect(line).toMatch(/: (Read-only file system|Permission denied)$/);
    const input = join(ending.outputDirectory, '../in');
    expect((await readdir(input)).sort()).toEqual(['config.json', 'records.jsonl']);
    expect(await readFile(join(input, 'config.json'), 'utf8')).toBe('{"a":1}');
    expect(await readFile(join(input, 'records.jsonl'), 'utf8')).toBe(
      '{"id":"a","metadata":{},"size_hint_mb":0}\n',
    );
    await ending.dispose();
  });

  test('sandbox-04: executes nothing that it has written', async () => {
    const log = await bench.printed(
      `exec 2>&1; for place in /tmp $OSA_OUT; do cp /bin/busybox $place/echo; chmod 755 $place/echo; $place/echo ran; echo "code $?"; done`,
    );
    expect(log).not.toMatch(/^ran/m);
    expect(log.match(/Permission denied\ncode 126/g)).toHaveLength(2);
  });

  test('sandbox-06, sandbox-07: stays an unprivileged user, whatever the image says', async () => {
    const image = await buildImage({
      script: 'id -u; id -g; id -G; grep -E "^(Uid|Cap|NoNewPrivs|Seccomp:)" /proc/self/status',
      lines: ['USER 0:0'],
    });
    const [uid, gid, groups, ...status] = logOf(await bench.run(image))
      .trim()
      .split('\n');
    expect([uid, gid, groups]).toEqual(['65534', '65534', '65534']);
    const values = Object.fromEntries(status.map((line) => line.split(':\t')));
    expect(values).toMatchObject({ Uid: '65534\t65534\t65534\t65534', NoNewPrivs: '1', Seccomp: '2' });
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(values[set]).toMatch(/^0+$/);
  });

  test.runIf(process.arch === 'x64')('sandbox-05: gains nothing from a setuid program', async () => {
    // With the saved user id of root, setuid(0) would succeed; busybox would have dropped it by itself.
    const image = await buildImage({
      script: 'ls -ln /become-root; /become-root; exit $?',
      files: { '/become-root': systemCall(105, 0) },
      modes: { '/become-root': '4755' },
    });
    const ending = await bench.run(image);
    expect(logOf(ending)).toMatch(/^-rwsr-xr-x +1 0 +0 /);
    expect(ending).toMatchObject({ ending: 'exited', exitCode: 1 });
  });

  test('sandbox-19: finds no way to the host', async () => {
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
    // Files are opened and nothing is said to them: where this finds a way, the host must survive the test.
    const log = await bench.printed(`exec 2> /dev/null
      for path in ${paths.join(' ')}; do test -e $path && echo "there is $path"; done
      (: >> /proc/sysrq-trigger) && echo may trigger
      head -c 1 /proc/kcore > /tmp/kcore && test -s /tmp/kcore && echo read the kernel
      mknod /tmp/device b 8 0 && echo made a device
      find /sys -name release_agent
      settings=$(find /sys/fs/cgroup /proc/sys -type f)
      for file in $settings; do (: >> "$file") && echo "may write $file"; done
      echo $settings | wc -w
      echo $(find /dev -type b -o -type c | sort)`);
    const [files, ...found] = log.trim().split('\n');
    expect(Number(files)).toBeGreaterThan(100);
    const usual = ['full', 'null', 'pts/ptmx', 'random', 'tty', 'urandom', 'zero'];
    expect(found).toEqual([usual.map((name) => `/dev/${name}`).join(' ')]);
  });

  test('sandbox-22: sees nothing of the daemon’s environment', async () => {
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
    // Variables of the image and its shell, and those that the engine gives every container.
    const usual = ['IMAGES', 'PATH', 'PWD', 'SHLVL', '_', 'HOME', 'HOSTNAME', 'TERM'];
    expect([...names].filter((name) => !usual.includes(name ?? '')).sort()).toEqual(own.sort());
  });

  test('sandbox-23: sees of the host no more than where its places are mounted from', async () => {
    const log = await bench.printed('hostname; uname -n; cat /proc/self/mountinfo /proc/cmdline; env');
    const [name, node, ...lines] = log.trim().split('\n');
    expect(name).toMatch(/^[0-9a-f]{12}$/);
    expect(node).toBe(name);
    const ours = lines.filter((line) => line.includes(bench.workspace)).map((line) => line.split(' ')[4]);
    // The output is a file system of its own, whose place on the host is not said.
    expect(ours.sort()).toEqual(['/osa/files', '/osa/in']);
  });

  test('sandbox-24: leaves nothing behind for the next run', async () => {
    const places = "find / '(' -path /proc -o -path /sys ')' -prune -o -type d -print";
    const image = await buildImage({
      script: `for place in $(${places}); do
        test -e $place/mark && echo "left in $place"; touch $place/mark 2> /dev/null && echo "marked $place"
      done; exit 0`,
    });
    for (let time = 0; time < 2; time += 1) {
      const marked = logOf(await bench.run(image))
        .trim()
        .split('\n')
        .sort();
      // The message queues are those of the container's own namespace.
      expect(marked).toEqual(['marked /dev/mqueue', 'marked /osa/out', 'marked /tmp']);
    }
  });

  test('sandbox-26: can end itself and no other, and sets no clock', async () => {
    const image = await buildImage({ script: 'touch $OSA_OUT/started; while :; do sleep 1; done' });
    const survivor = bench.start(image, { id: 'survivor' });
    await bench.marked('survivor', 'started');
    const ending = await bench.runScript(
      'sleep 60 & kill -9 -1; kill -9 1; wait; date -s 2000-01-01; exit 7',
    );
    expect(ending).toMatchObject({ ending: 'exited', exitCode: 7 });
    expect(logOf(ending)).toContain('not permitted');
    // It would have ended before, and not for this.
    expect(await survivor.end()).toMatchObject({ ending: 'cancelled' });
  });

  test('sandbox-27: is made with every flag that confines it', async () => {
    const image = await buildImage({
      script: 'sleep 60',
      lines: ['HEALTHCHECK CMD true', 'VOLUME /cache', 'STOPSIGNAL SIGUSR1'],
    });
    const running = bench.start(image, { memoryMiB: 48, cpuMillicores: 250 });
    const id = await until('the container', async () => (await bench.containers())[0]);
    const [found] = JSON.parse(await podman('container', 'inspect', id));
    await running.end();
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
