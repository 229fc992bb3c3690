import { serveOutputThread } from './thread.ts';

serveOutputThread();
