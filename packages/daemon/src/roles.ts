import type { Role } from '@osa/core/auth/role';
import { grantRole, listRoles, revokeRole } from '@osa/core/postgres/access';
import { connect } from '@osa/core/postgres/connection/connect';
import { requireMigrated } from '@osa/core/postgres/migrate';

export type RoleChange =
  | { readonly verb: 'grant' | 'revoke'; readonly user: string; readonly role: Role }
  | { readonly verb: 'list' };

/**
 * `osad roles`: grants, revokes or lists the roles of people. `url` connects as the owner of the database.
 *
 * @returns a message to print
 *
 * @throws OsaError `conflict` (not migrated), `unavailable`
 */
export async function changeRoles(work: {
  readonly url: string;
  readonly change: RoleChange;
}): Promise<string> {
  const { url, change } = work;
  const database = connect({ url, max: 1, applicationName: 'osad roles' });
  try {
    await requireMigrated(database);
    if (change.verb === 'list') {
      const found = await listRoles(database);
      return found.map(({ user_id, role, assigned_at }) => `${user_id}  ${role}  ${assigned_at}\n`).join('');
    }
    const { verb, user, role } = change;
    const changed = await (verb === 'grant' ? grantRole : revokeRole)(database, user, role);
    const has = verb === 'grant' ? 'has' : 'no longer has';
    return `osad: ${user} ${has} the role ${role}${changed ? '' : ', as before'}\n`;
  } finally {
    await database.close();
  }
}
