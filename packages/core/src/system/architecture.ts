import { arch } from 'node:os';

/** This machine's, as images name it. */
export const hostArchitecture: string =
  { x64: 'amd64', ia32: '386', loong64: 'loong64' }[arch() as string] ?? arch();
