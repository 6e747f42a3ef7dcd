import { Injectable } from '@nestjs/common';
import { TooManyLogins } from './refusals.js';
import { matchesPassword } from './password.js';

/** Checked when the name is unknown, so that the answer takes as long as for a known one. No password has it. */
export const NOBODYS_HASH = ['scrypt', 2 ** 15, 8, 3, 'AA==', Buffer.alloc(32).toString('base64')].join('$');
const LONGEST_QUEUE = 20;

/** Checks passwords one at a time: each takes a core for 150 ms, and a flood of logins must not starve everything else. */
@Injectable()
export class PasswordQueue {
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  /** @throws TooManyLogins when too many wait. */
  async matches(password: string, hash: string): Promise<boolean> {
    if (this.waiting >= LONGEST_QUEUE) throw new TooManyLogins(1);
    this.waiting++;
    const mine = this.last.then(() => matchesPassword(password, hash));
    this.last = mine.catch(() => undefined);
    return mine.finally(() => this.waiting--);
  }
}
