import { findRecordFile, listRecordFiles } from '@osa/core/file/read';
import { type FileParts, missingFiles, uploadFile } from '@osa/core/file/upload';
import type { Handlers } from '../mount.ts';
import { serveFile } from '../reads/serve-file.ts';

type Routes = Pick<Handlers, 'putFile' | 'missingFiles' | 'listRecordFiles' | 'recordFile'>;

export function fileRoutes(parts: FileParts): Routes {
  const { store, files, fileBytes } = parts;
  return {
    async putFile(call) {
      const { size, offset } = call.query;
      const chunks = () => call.upload(Math.min(fileBytes, Math.max(0, size - offset)));
      return await uploadFile(parts, call.writer(), { ...call.params, size, offset }, chunks);
    },
    missingFiles: (call) => missingFiles(parts, call.writer(), { ...call.params, ...call.body }),
    listRecordFiles: ({ params }) => listRecordFiles(store, params.id),
    async recordFile(call) {
      return serveFile(files, await findRecordFile(store, call.params), call);
    },
  };
}
