import type { Stories } from '../../trace/tracer.ts';
import type { Database } from '../connection/connect.ts';
import { finds } from './find.ts';
import { newestRecord, versions } from './history.ts';
import { deployed, release, run } from './runs.ts';

export function stories({ sql }: Pick<Database, 'sql'>): Stories {
  return {
    finds: finds(sql),
    run: (id) => run(sql, id),
    release: (hook, version) => release(sql, hook, version),
    deployed: (hooks) => deployed(sql, hooks),
    newestRecord: (source) => newestRecord(sql, source),
    versions: (source, page) => versions(sql, source, page),
  };
}
