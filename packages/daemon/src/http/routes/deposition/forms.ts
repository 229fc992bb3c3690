import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { addFile } from '@osa/core/deposition/add-file';
import { depositionTemplate, fillDeposition, requireFillable } from '@osa/core/deposition/sheet';
import type { FileParts } from '@osa/core/file/upload';
import { bounds } from '@osa/core/limits';
import type { Call, Handlers } from '../../mount.ts';
import { semaphore } from '../../semaphore.ts';
import { spool } from '../../spool.ts';
import { fileOfForm, formOverhead } from './multipart.ts';
import { seen, tagged } from './revision.ts';

type Routes = Pick<Handlers, 'addDepositionFile' | 'depositionTemplate' | 'fillDeposition'>;

export interface DepositionFormParts extends FileParts {
  readonly spoolDirectory: string;
}

/** Files of forms that are stored or read at a time, once they have come: a slow sender holds up nobody. */
const formsAtATime = 4;
const workbook = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';

export function depositionFormRoutes(parts: DepositionFormParts): Routes {
  const { store, fileBytes, spoolDirectory: directory } = parts;
  const inTurn = semaphore(formsAtATime);
  /** The file of a form, once the caller has shown that there is a draft to take it. */
  const withFile = async <T>(
    call: Call<'addDepositionFile' | 'fillDeposition'>,
    maxBytes: number,
    work: (name: string, file: Awaited<ReturnType<typeof spool>>) => Promise<T>,
  ): Promise<T> => {
    await requireFillable(store, call.caller().principal, seen(call));
    const chunks = call.upload(maxBytes + formOverhead);
    const { name, kept } = await fileOfForm(call.request, chunks, (bytes) =>
      spool(bytes, { directory, maxBytes }),
    );
    await using file = kept;
    return await inTurn(() => work(name, file));
  };
  return {
    addDepositionFile: (call) =>
      withFile(call, Math.min(fileBytes, bounds.formFileBytes), async (name, { sha256, size, open }) => {
        const writer = call.writer(digestOf(name, sha256));
        const deposition = await addFile(parts, writer, { ...seen(call), name, sha256, size, open });
        tagged(call.reply, deposition);
        const uploaded_at = deposition.updated_at;
        return { file: { name, size, checksum: `sha256:${sha256}`, content_type: null, uploaded_at } };
      }),
    async depositionTemplate(call) {
      const bytes = await depositionTemplate(store, call.caller().principal, call.params);
      call.reply.type(workbook).headers({
        'content-length': bytes.length,
        'content-disposition': `attachment; filename="deposition-${call.params.id}.xlsx"`,
      });
      return Readable.from([bytes]);
    },
    fillDeposition: (call) =>
      withFile(call, bounds.sheetBytes, async (name, file) => {
        const edit = { ...seen(call), sheet: await file.bytes() };
        const writer = call.writer(digestOf(name, file.sha256));
        return { parse_result: await fillDeposition(store, writer, edit) };
      }),
  };
}

/** Two forms that say the same are one request, whatever their boundaries. */
function digestOf(name: string, sha256: string): string {
  return createHash('sha256').update(`${name}\n${sha256}`).digest('hex');
}
