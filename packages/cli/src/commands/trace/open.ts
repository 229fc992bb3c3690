import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { chosenEnvironment } from '@osa/core/system/environment';
import { defineCommand } from '../../command.ts';
import { isCi, type Sources } from '../../config/config.ts';
import { graphOf } from './graph/graph.ts';
import { html } from './graph/html.ts';
import { sourceOf, type Target, traceNamed } from './target.ts';
import { kindOption } from './trace.ts';

export const openCommand = defineCommand({
  description:
    'Opens a page about a row, a record, a source, a release, a run or a deploy in your browser: what osa trace shows, drawn as a ' +
    'graph. In CI, without a screen, without a browser, and with --url, it prints the address of the thing on the server.',
  arguments: { what: { description: 'as osa trace takes it, such as seismic_energy/17' } },
  options: { as: kindOption, url: { description: 'only print the address; start nothing' } },
  examples: [
    ['osa open seismic_energy/17', 'the page of a row'],
    ['osa open seismic_energy@2 --url', 'the address of a release'],
  ],
  json: '{"kind", "name", "url", "page": the file that was opened, or null}',
  async run({ client, output, sources }, { arguments: { what }, options: { as, url: isUrlOnly } }) {
    const server = client();
    const traced = await traceNamed(server, what, as);
    const url = `${server.server.url}${pathOf(traced)}`;
    const opener = isUrlOnly || output.json ? undefined : openerOf(sources);
    const page = opener === undefined ? undefined : await pageOf(html(graphOf(traced)));
    const isOpen = opener !== undefined && page !== undefined && (await start(opener, page, sources));
    if (opener !== undefined && !isOpen) output.note(`${opener} does not open it; this is its address`);
    const { kind, name } = traced;
    output.result({ kind, name, url, page: isOpen ? page : null }, [isOpen ? `opened ${page}` : url]);
    return undefined;
  },
});

/** Where the server answers about the same. */
function pathOf({ kind, name }: Target): string {
  const part = encodeURIComponent;
  switch (kind) {
    case 'row':
      return `/api/v1/trace/rows/${name.split('/').map(part).join('/')}`;
    case 'record':
      return `/api/v1/trace/records/${part(name)}`;
    case 'source':
      return `/api/v1/trace/sources?${new URLSearchParams(sourceOf(name)).toString()}`;
    case 'release':
      return `/api/v1/trace/releases/${name.replace('@v', '@').split('@').map(part).join('/')}`;
    case 'run':
    case 'deploy':
      return `/api/v1/trace/${kind}s/${part(name)}`;
  }
}

/** The program that opens pages; undefined where nobody would see one. */
function openerOf({ environment }: Sources): string | undefined {
  if (isCi(environment)) return undefined;
  if (platform() === 'darwin') return 'open';
  return environment.DISPLAY || environment.WAYLAND_DISPLAY ? 'xdg-open' : undefined;
}

/** In a directory of its own, which only this user can read. */
async function pageOf(text: string): Promise<string> {
  const page = join(await mkdtemp(join(tmpdir(), 'osa-page-')), 'trace.html');
  await writeFile(page, text, { mode: 0o600 });
  return page;
}

const needed =
  /^(PATH|HOME|USER|LANG|LC_.*|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|XDG_.*|DBUS_SESSION_BUS_ADDRESS|BROWSER)$/;
/** An opener hands the page over and ends; one that is still there then has become the browser, and stays. */
const handedOverMs = 3_000;

async function start(opener: string, page: string, { environment }: Sources): Promise<boolean> {
  const env = chosenEnvironment(environment, needed);
  const opening = spawn(opener, [page], { env, stdio: 'ignore', detached: true });
  opening.unref();
  const late = AbortSignal.timeout(handedOverMs);
  try {
    const [code] = (await once(opening, 'exit', { signal: late })) as [number | null];
    return code === 0;
  } catch {
    return late.aborted;
  }
}
