/** Roles of people, as the archive has them; each holds the rights of those before it. */
export const roles = ['PUBLIC', 'DEPOSITOR', 'CURATOR', 'ADMIN', 'SUPERADMIN'] as const;
export type Role = (typeof roles)[number];

const verbsOf: Readonly<Record<Role, readonly `depositions:${'write' | 'review'}`[]>> = {
  PUBLIC: [],
  DEPOSITOR: ['depositions:write'],
  CURATOR: ['depositions:write', 'depositions:review'],
  // These pass every gate.
  ADMIN: [],
  SUPERADMIN: [],
};

/** The scopes that roles give. A role that is not known gives none. */
export function scopesOfRoles(held: readonly string[]): ReadonlySet<string> {
  return new Set(roles.flatMap((role) => (held.includes(role) ? verbsOf[role] : [])));
}

/** The least role that gives a verb. */
export function roleFor(verb: string): Role {
  return roles.find((role) => verbsOf[role].some((given) => given === verb)) ?? 'ADMIN';
}

/** Whether it passes every gate. */
export function isAdminRole(role: string): boolean {
  return role === 'ADMIN' || role === 'SUPERADMIN';
}
