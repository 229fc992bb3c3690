import { hookCode } from '../support/core-archive.ts';
import { deployHook, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { type CliResult, createCliWorld } from '../support/fixtures/cli-world.ts';

/** A real daemon with a corrected record: two releases of the hook `probe`, each of which computed a version of `a`. */
export interface StoryArchive {
  readonly daemon: TestDaemon;
  readonly deploys: readonly string[];
  /** Runs a command line without a token, or as somebody with these scopes. */
  osa(argv: readonly string[], options?: OsaOptions): Promise<CliResult>;
  /** Takes records in, and waits for their end. */
  ingest(lines: string): Promise<void>;
  close(): Promise<void>;
}

export interface OsaOptions {
  readonly stdin?: string;
  readonly scopes?: readonly string[];
  readonly columns?: number;
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export async function storyArchive(...changes: Parameters<typeof testDaemon>): Promise<StoryArchive> {
  const daemon = await testDaemon(...changes);
  const world = await createCliWorld();
  const ingest = async (body: string) => {
    const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body });
    await until('the ingestion to end', async () => {
      const shown = await daemon.call('showIngestion', { params: { id } });
      return shown.finished_at !== null;
    });
  };
  const code = (factor: number) => hookCode(`return { features: [{ value: metadata.value * ${factor} }] }`);
  const first = await deployHook(daemon, code(2));
  await ingest(`${line('a', 1)}${line('b:c', 2)}${line('d/1', 3)}`);
  const second = await deployHook(daemon, code(3));
  await ingest(line('a', 10));
  return {
    daemon,
    deploys: [first.deploy_id, second.deploy_id],
    ingest,
    async osa(argv, { scopes, environment: more, ...options } = {}) {
      const token = scopes && (await daemon.bearer(scopes)).replace('Bearer ', '');
      const environment = { OSA_SERVER: daemon.url, ...(token && { OSA_TOKEN: token }), ...more };
      return world.osa(argv, { ...options, environment });
    },
    async close() {
      await world[Symbol.asyncDispose]();
      await daemon.close();
    },
  };
}

export function line(sourceId: string, value: number): string {
  return `${JSON.stringify({ source_id: sourceId, metadata: { value } })}\n`;
}
