import { traceFindRoutes } from './finds.ts';
import { impactRoutes } from './impact.ts';
import { receiptRoutes } from './receipts.ts';
import { traceRowRoutes } from './rows.ts';
import { traceRunRoutes } from './runs.ts';
import { traceSourceRoutes } from './sources.ts';

/** Where something came from, by what it is; everybody may ask who may read data. */
export const traceRoutes = {
  ...traceFindRoutes,
  ...traceRowRoutes,
  ...traceSourceRoutes,
  ...traceRunRoutes,
  ...impactRoutes,
  ...receiptRoutes,
};
