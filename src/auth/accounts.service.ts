import { Inject, Injectable } from '@nestjs/common';
import {
  activeUsers,
  Db,
  findLocalUser,
  listTeams,
  retireLocalUsers,
  saveLocalUser,
  setAdminOwners,
  type Tx,
  type UserRow,
} from '../persistence/index.js';
import { LOGGER, mainTeamOwners, Settings, UserError, type Logger } from '../platform/index.js';
import { hashPassword, isPasswordHash, matchesPassword } from './password.js';

/** The accounts that an operator names in the settings, and who was here. */
@Injectable()
export class AccountsService {
  constructor(
    @Inject(Db) private readonly db: Db,
    @Inject(Settings) private readonly settings: Settings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /**
   * Makes local users and owners of the main team as the settings say. Users of earlier settings that these do not name can no
   * longer log in. Does nothing where it is so already.
   * @throws UserError when nobody could administer the server.
   */
  async applySettings(): Promise<void> {
    const { localUsers } = this.settings;
    for (const { name, password } of localUsers) await this.ensureLocalUser(name, password);
    const retired = await this.db.tx((tx) =>
      retireLocalUsers(
        tx,
        localUsers.map(({ name }) => name),
      ),
    );
    if (retired.length > 0)
      this.log.warn({ users: retired }, 'local users that the settings no longer name cannot log in');
    const owners = mainTeamOwners(this.settings);
    await this.db.tx(async (tx) => {
      if (owners.users.length + owners.groups.length > 0) await setAdminOwners(tx, owners);
      if (localUsers.length > 0) await demandAdministrator(tx);
    });
  }

  /** Users who logged in since then. */
  async listActiveUsers(since: Date): Promise<(UserRow & { readonly lastLoginAt: Date })[]> {
    return activeUsers(this.db, since);
  }

  private async ensureLocalUser(name: string, password: string): Promise<void> {
    const known = await findLocalUser(this.db, name);
    const isHash = isPasswordHash(password);
    const isSame =
      known?.passwordHash != null &&
      (isHash ? known.passwordHash === password : await matchesPassword(password, known.passwordHash));
    if (isSame) return;
    const hash = isHash ? password : await hashPassword(password);
    await this.db.tx((tx) => saveLocalUser(tx, name, hash));
  }
}

/** With users in the settings no first user is made, so one of them, or of an earlier start, must own an admin team. */
async function demandAdministrator(tx: Tx): Promise<void> {
  const holders = (await listTeams(tx)).flatMap(({ admin, auth }) => (admin && auth.owner ? [auth.owner] : []));
  for (const { users, groups } of holders) {
    if (groups.length > 0 || users.length === 0) return;
    for (const user of users) {
      const [, name] = /^local:(.*)$/is.exec(user) ?? [];
      if (name === undefined || (await findLocalUser(tx, name))?.passwordHash) return;
    }
  }
  throw new UserError(
    'no-administrator',
    'nobody could administer this server: name the owners of team main with --main-team-local-user (WEIR_MAIN_TEAM_LOCAL_USER), ' +
      'users that --add-local-user (WEIR_ADD_LOCAL_USER) makes',
  );
}
