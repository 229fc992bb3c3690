/**
 * Whether anyone but `user` may use a file. A file of root may be readable by a group, since Kubernetes volumes with an
 * fsGroup hand over secrets that way. `user` is undefined if the system has no file modes.
 */
export function isOpenToOthers(
  { mode, uid }: { readonly mode: number; readonly uid: number },
  user: number | undefined,
): boolean {
  if (user === undefined) return false;
  const isHandedOver = uid === 0 && user !== 0;
  return (mode & (isHandedOver ? 0o037 : 0o077)) !== 0;
}
