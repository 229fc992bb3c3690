/** As `engines` of the packages say, which who starts the files of a build is never asked about. */
const oldest = 24;

/** What is wrong with the Node that runs this, before anything is used that it lacks. */
export function nodeFlaw(): string | undefined {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) >= oldest) return undefined;
  return `needs Node ${oldest} or later, and ${process.execPath} is ${node}`;
}
