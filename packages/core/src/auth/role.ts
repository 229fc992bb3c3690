/** Roles of people, as the archive has them; each holds the rights of those before it. */
export const roles = ['PUBLIC', 'DEPOSITOR', 'CURATOR', 'ADMIN', 'SUPERADMIN'] as const;
export type Role = (typeof roles)[number];

/** Whether it passes every gate. */
export function isAdminRole(role: string): boolean {
  return role === 'ADMIN' || role === 'SUPERADMIN';
}
