import { attributionMutants } from './attribution.ts';
import { comparisonMutants } from './comparison.ts';
import { containerMutants } from './containers.ts';
import { depositionMutants } from './depositions.ts';
import { fileMutants } from './files.ts';
import { historyMutants } from './history.ts';
import { type Mutant, mutants } from './mutants.ts';
import { queueMutants } from './queue.ts';
import { recomputeMutants } from './recompute.ts';
import { replayMutants } from './replay.ts';

export const allMutants: readonly Mutant[] = [
  ...mutants,
  ...historyMutants,
  ...attributionMutants,
  ...queueMutants,
  ...recomputeMutants,
  ...replayMutants,
  ...comparisonMutants,
  ...fileMutants,
  ...depositionMutants,
  ...containerMutants,
];
