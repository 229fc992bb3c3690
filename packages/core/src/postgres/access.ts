import type { Role } from '../auth/role.ts';
import type { Access } from '../store.ts';
import { rememberActor } from './actor.ts';
import type { Database } from './connection/connect.ts';

/** Who has which role, and who was refused what. */
export function access({ sql }: Pick<Database, 'sql'>): Access {
  return {
    async rolesOf(user) {
      const rows = await sql<{ role: Role }[]>`
        select role from role_assignments where user_id = ${user} order by role`;
      return rows.map((row) => row.role);
    },
    async denied(principal, request) {
      const actor = await rememberActor(sql, principal);
      const payload = { ...request, actor, jti: principal.tokenId ?? null, outcome: 'denied' };
      await sql`insert into events (type, payload) values ('request.denied', ${sql.json(payload)}::jsonb)`;
    },
  };
}

/** Roles as the owner of the database gives them. */
export interface RoleAssignment {
  readonly user_id: string;
  readonly role: Role;
  readonly assigned_at: string;
}

/** False when the person had it. */
export async function grantRole({ sql }: Pick<Database, 'sql'>, user: string, role: Role): Promise<boolean> {
  const rows = await sql`
    insert into role_assignments (user_id, role) values (${user}, ${role}) on conflict do nothing returning role`;
  return rows.length > 0;
}

/** False when the person did not have it. */
export async function revokeRole({ sql }: Pick<Database, 'sql'>, user: string, role: Role): Promise<boolean> {
  const rows = await sql`
    delete from role_assignments where user_id = ${user} and role = ${role} returning role`;
  return rows.length > 0;
}

export async function listRoles({ sql }: Pick<Database, 'sql'>): Promise<readonly RoleAssignment[]> {
  return sql<RoleAssignment[]>`
    select user_id, role, assigned_at from role_assignments order by user_id, role limit 10000`;
}
