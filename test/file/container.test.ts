import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { uploadFile } from '@osa/core/file/upload';
import { filesystemFiles } from '@osa/core/storage/resumable-files';
import { expect, test, vi } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { describeContainers } from '../support/containers/container-support.ts';
import { buildImage, podmanRunner, removeImages } from '../support/containers/images.ts';
import { convention, coreArchive } from '../support/core-archive.ts';
import { admin, scratch } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Says of each record which files it has, what they hold, and whether one can be changed, made or run. */
const script = `cd $OSA_FILES
for id in *; do
  seen=$(cd "$id"; for name in *; do printf '%s %s;' "$name" "$(sha256sum < "$name" | cut -d' ' -f1)"; done)
  broken=$( { echo x > "$id/new"; echo x >> "$id/one.csv"; rm "$id/one.csv"; chmod 777 "$id/one.csv"; sh -c "./$id/one.csv"; } 2>/dev/null && echo yes || echo no)
  printf '{"id":"%s","features":[{"seen":"%s","broken":"%s"}]}\\n' "$id" "$seen" "$broken" >> $OSA_OUT/features.jsonl
done`;

describeContainers('the files of records in a container', () => {
  test('are those of the record, byte for byte, and cannot be changed', async () => {
    await using stack = new AsyncDisposableStack();
    const place = await scratch();
    stack.defer(() => place.dispose());
    const files = filesystemFiles(join(place.path, 'files'));
    const runner = podmanRunner();
    const archive = await coreArchive({ files, runners: [runner] });
    stack.defer(() => archive.dispose());
    stack.defer(removeImages);
    const columns = ['seen', 'broken'].map((name) => ({ name, json_type: 'string', required: true }));
    const hooks = { seeing: { image: await buildImage({ script }), columns } };
    const file_requirements = { accepted_types: [], min_count: 1, max_count: 5, max_file_size: 0 };
    await archive.deploy(hooks, { file_requirements });
    const store = async (name: string, bytes: Buffer) => {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const parts = { store: archive.store, files, fileBytes: 10_000_000, uploadBytesPerDay: 2 ** 40 };
      const part = { slug: convention, sha256, offset: 0, size: bytes.length };
      await uploadFile(parts, { principal: admin }, part, async function* () {
        yield bytes;
      });
      return { name, sha256, size: bytes.length };
    };
    const one = await store('one.csv', Buffer.from('a,1\n'));
    const large = await store('large.bin', Buffer.alloc(3_000_000, 'xyz'));
    const record = (source_id: string, ...given: object[]) => ({
      source_id,
      metadata: { value: 1 },
      files: given,
    });
    await archive.ingest([record('a', one, large), record('urn:b@1', one)]);
    await archive.drain();
    await runner.settle?.();
    const page = { limit: 100, history: false, release: undefined };
    const { rows } = await readRows(archive.store, 'bench-record', 'seeing', page);
    expect(rows.map(({ seen, broken }) => [seen, broken]).sort()).toEqual([
      [`large.bin ${large.sha256};one.csv ${one.sha256};`, 'no'],
      [`one.csv ${one.sha256};`, 'no'],
    ]);
  });
});
