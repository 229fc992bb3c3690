/** The same as `engines` of the packages, which nobody checks when built files are started directly. */
const oldest = 24;

/** Why this Node is too old, checked before any newer feature is used; undefined if it is not. */
export function nodeFlaw(): string | undefined {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) >= oldest) return undefined;
  return `needs Node ${oldest} or later, and ${process.execPath} is ${node}`;
}
