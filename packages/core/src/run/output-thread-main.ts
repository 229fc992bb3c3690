import { serveOutputThread } from './output-thread.ts';

serveOutputThread();
