/**
 * Whether others than `user` may use a file. One of root's may be readable by a group: that is how secrets are handed to
 * a daemon that is not root, as volumes of Kubernetes with an fsGroup are. `user` is undefined where there are no modes.
 */
export function isOpenToOthers(
  { mode, uid }: { readonly mode: number; readonly uid: number },
  user: number | undefined,
): boolean {
  if (user === undefined) return false;
  const isHandedOver = uid === 0 && user !== 0;
  return (mode & (isHandedOver ? 0o037 : 0o077)) !== 0;
}
