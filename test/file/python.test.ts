import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { uploadFile } from '@osa/core/file/upload';
import { filesystemFiles } from '@osa/core/storage/resumable-files';
import { execa } from 'execa';
import { expect, test, vi } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { describeContainers } from '../support/containers/container-support.ts';
import { buildImage, podmanRunner, removeImages } from '../support/containers/images.ts';
import {
  type CoreArchiveOptions,
  convention,
  coreArchive,
  type HookSource,
} from '../support/core-archive.ts';
import { admin, scratch } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 120_000 });

const python = '/usr/bin/python3';

/**
 * A hook that does what the runtime of the archive's Python SDK does: it is chosen by OSA_HOOK_NAME, takes the files of a
 * record from the directory with the record's id as it is spelled, only regular ones and sorted by name, or else an empty
 * directory below /tmp, and writes three files of lines whose ends it leaves to the system.
 */
const hook = `
import hashlib, json, os, sys, tempfile
from pathlib import Path

class Reject(Exception): pass

def seen(record_id, metadata, files):
    if metadata["value"] < 0: raise Reject("value is below zero")
    return [{"name": f.name, "bytes": f.stat().st_size, "sha256": hashlib.sha256(f.read_bytes()).hexdigest(),
             "place": f.parent.name} for f in files] or [{"name": "", "bytes": 0, "sha256": "", "place": ""}]

hooks = {"seen": seen}
chosen = hooks[os.environ["OSA_HOOK_NAME"]]
given, out, files_root = (Path(os.environ[name]) for name in ("OSA_IN", "OSA_OUT", "OSA_FILES"))
with (given / "records.jsonl").open() as lines, (out / "features.jsonl").open("w") as features, \\
     (out / "rejections.jsonl").open("w") as rejections, (out / "errors.jsonl").open("w") as errors:
    for line in lines:
        record = json.loads(line)
        unknown = set(record["metadata"]) - {"value"}
        if unknown: errors.write(json.dumps({"id": record["id"], "error": f"metadata validation: {unknown}", "retryable": False}) + "\\n"); continue
        place = files_root / record["id"]
        if not place.is_dir(): place = Path(tempfile.mkdtemp(dir="/tmp"))
        files = sorted((f for f in place.iterdir() if f.is_file()), key=lambda f: f.name)
        try: features.write(json.dumps({"id": record["id"], "features": chosen(record["id"], record["metadata"], files)}) + "\\n")
        except Reject as reason: rejections.write(json.dumps({"id": record["id"], "reason": str(reason)}) + "\\n")
        except Exception as error: errors.write(json.dumps({"id": record["id"], "error": str(error), "retryable": False}) + "\\n")
`;

const columns = [
  { name: 'name', json_type: 'string', required: true },
  { name: 'bytes', json_type: 'integer', required: true },
  { name: 'sha256', json_type: 'string', required: true },
  { name: 'place', json_type: 'string', required: true },
];
const binary = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) % 256));
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** The rows of the hook, as text: by record, in the order of the hook. */
async function rowsWith(source: HookSource, options: CoreArchiveOptions): Promise<string[]> {
  await using stack = new AsyncDisposableStack();
  const place = await scratch();
  stack.defer(() => place.dispose());
  const files = filesystemFiles(join(place.path, 'files'));
  const archive = await coreArchive({ ...options, files });
  stack.defer(() => archive.dispose());
  const file_requirements = { accepted_types: [], min_count: 0, max_count: 5, max_file_size: 0 };
  await archive.deploy({ seen: { ...source, columns, cardinality: 'many' } }, { file_requirements });
  const store = async (name: string, bytes: Buffer) => {
    const part = { slug: convention, sha256: digest(bytes), offset: 0, size: bytes.length };
    const parts = { store: archive.store, files, fileBytes: 10_000_000, uploadBytesPerDay: 2 ** 40 };
    await uploadFile(parts, { principal: admin }, part, async function* () {
      yield bytes;
    });
    return { name, sha256: part.sha256, size: bytes.length };
  };
  const [z, a] = [await store('z é.bin', binary), await store('A.csv', Buffer.from('a,1\n'))];
  const record = (source_id: string, value: number, ...given: object[]) => ({
    source_id,
    metadata: { value },
    files: given,
  });
  await archive.ingest([
    record('urn:x:1@2', 1, z, a),
    record('plain', 1, a),
    record('none', 1),
    record('low', -1, a),
  ]);
  await archive.drain();
  for (const runner of options.runners ?? []) await runner.settle?.();
  const page = { limit: 100, history: false, release: undefined };
  const { rows } = await readRows(archive.store, 'bench-record', 'seen', page);
  return rows.map(({ name, bytes, sha256, place: of }) => JSON.stringify([of, name, bytes, sha256])).sort();
}

const expected = [
  ['', '', 0, ''],
  ['plain', 'A.csv', 4, digest(Buffer.from('a,1\n'))],
  ['urn:x:1@2', 'A.csv', 4, digest(Buffer.from('a,1\n'))],
  ['urn:x:1@2', 'z é.bin', binary.length, digest(binary)],
].map((row) => JSON.stringify(row));

/** The python of this machine, its libraries and its modules, in an image of their own. */
async function pythonImage() {
  const { stdout } = await execa('ldd', [python]);
  const libraries = [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path = '']) => path);
  const zip = `
import sys, zipfile, pathlib
root = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(sys.argv[2], 'w') as archive:
    for path in root.rglob('*.py'):
        if not {'test', 'tests', 'idlelib', 'lib2to3'} & set(path.parts): archive.write(path, path.relative_to(root))
print('%d%d' % sys.version_info[:2], end='')
`;
  await using place = await scratchPlace();
  const modules = join(place.path, 'modules.zip');
  const { stdout: root } = await execa(python, ['-c', 'import os; print(os.path.dirname(os.__file__))']);
  const { stdout: version } = await execa(python, ['-c', zip, root, modules]);
  const files: Record<string, Uint8Array> = {
    '/app/hook.py': Buffer.from(hook),
    [python]: await readFile(python),
  };
  files[`/usr/lib/python${version}.zip`] = await readFile(modules);
  for (const path of libraries) files[path] = await readFile(path);
  const modes = Object.fromEntries([python, ...libraries].map((path) => [path, '755']));
  return buildImage({ files, modes, lines: [`ENTRYPOINT ["${python}", "/app/hook.py"]`] });
}

async function scratchPlace() {
  const place = await scratch();
  return { path: place.path, [Symbol.asyncDispose]: () => place.dispose() };
}

describeContainers('a Python hook that reads the files of records as the SDK does', () => {
  test.skipIf(!existsSync(python))('makes the same rows in a process and in a container', async () => {
    await using stack = new AsyncDisposableStack();
    stack.defer(removeImages);
    const inProcess = await rowsWith({ code: hook, command: [python, 'hook.mjs'] }, {});
    expect(inProcess).toEqual(expected);
    const runners = [podmanRunner()];
    const inContainer = await rowsWith({ image: await pythonImage() }, { runners });
    expect(inContainer.join('\n')).toBe(inProcess.join('\n'));
  });
});
