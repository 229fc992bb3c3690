import { defineCommand } from '../../command.ts';
import { storedLogin, storeLogin, whileLocked } from '../../config/logins.ts';
import { line } from '../../terminal/paint.ts';

export const logout = defineCommand({
  description:
    'Ends your login at the server: its tokens open nothing from then on, on whatever machine they are. Then forgets it here.',
  examples: [['osa logout', 'log out of the server of this directory']],
  json: '{"server", "ended"}',
  async run({ client, output, sources }) {
    const archive = client();
    const { server } = archive;
    const ended = await whileLocked(sources, async () => {
      const login = storedLogin(sources, server);
      if (!login) return false;
      await archive.call('logout', { body: { refresh_token: login.refreshToken } });
      await storeLogin(sources, server, undefined);
      return true;
    });
    output.result({ server: server.url, ended }, [
      ended ? line`logged out of ${server.url}` : line`you are not logged in at ${server.url}`,
    ]);
    return undefined;
  },
});
