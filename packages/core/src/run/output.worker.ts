import { serveOutputWorker } from './output-worker.ts';

serveOutputWorker();
