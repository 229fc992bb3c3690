import { deleteDeposition } from '@osa/core/deposition/delete';
import { createDeposition, editFiles, editMetadata, removeFile } from '@osa/core/deposition/edit';
import { endDeposition } from '@osa/core/deposition/end';
import { findDepositionFile, listDepositions, showDeposition } from '@osa/core/deposition/read';
import { approveDeposition, rejectDeposition } from '@osa/core/deposition/review';
import { submitDeposition, withdrawDeposition } from '@osa/core/deposition/submit';
import type { FileStore } from '@osa/core/storage/index';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../../mount.ts';
import { serveFile } from '../../reads/serve-file.ts';
import { seen, tagged } from './revision.ts';

type Routes = Pick<
  Handlers,
  | 'createDeposition'
  | 'listDepositions'
  | 'showDeposition'
  | 'editDepositionMetadata'
  | 'editDepositionFiles'
  | 'depositionFile'
  | 'removeDepositionFile'
  | 'deleteDeposition'
  | 'endDeposition'
  | 'submitDeposition'
  | 'withdrawDeposition'
  | 'approveDeposition'
  | 'rejectDeposition'
>;

export interface DepositionParts {
  readonly store: Store;
  /** The same store with connections that may take minutes: a review writes all rows of a record. */
  readonly bulk: Store;
  readonly files: FileStore;
}

export function depositionRoutes({ store, bulk, files }: DepositionParts): Routes {
  return {
    createDeposition: async (call) =>
      tagged(call.reply, await createDeposition(store, call.writer(), call.body)),
    listDepositions: (call) => listDepositions(store, call.caller().principal, call.query),
    showDeposition: async (call) =>
      tagged(call.reply, await showDeposition(store, call.caller().principal, call.params.id)),
    async editDepositionMetadata(call) {
      const edit = { ...seen(call), metadata: call.body };
      return tagged(call.reply, await editMetadata(store, call.writer(), edit));
    },
    async editDepositionFiles(call) {
      const edit = { ...seen(call), files: call.body.files };
      return tagged(call.reply, await editFiles(store, call.writer(), edit));
    },
    async depositionFile(call) {
      const file = await findDepositionFile(store, call.caller().principal, call.params);
      return serveFile(files, file, call);
    },
    async removeDepositionFile(call) {
      const edit = { ...seen(call), name: call.params.name };
      return tagged(call.reply, await removeFile(store, call.writer(), edit));
    },
    deleteDeposition: async (call) =>
      tagged(call.reply, await deleteDeposition(store, call.writer(), seen(call))),
    endDeposition: (call) => endDeposition(store, call.writer(), { id: call.params.id, ...call.body }),
    submitDeposition: async (call) =>
      tagged(call.reply, await submitDeposition(store, call.writer(), seen(call))),
    withdrawDeposition: async (call) =>
      tagged(call.reply, await withdrawDeposition(store, call.writer(), seen(call))),
    async approveDeposition(call) {
      const edit = { ...seen(call), reason: call.body.reason ?? null };
      return tagged(call.reply, await approveDeposition(bulk, call.writer(), edit));
    },
    async rejectDeposition(call) {
      const edit = { ...seen(call), reason: call.body.reason };
      return tagged(call.reply, await rejectDeposition(store, call.writer(), edit));
    },
  };
}
