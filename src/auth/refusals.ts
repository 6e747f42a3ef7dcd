import { UserError } from '../platform/index.js';

export class LoginRefused extends UserError {
  constructor() {
    super('login-refused', 'wrong user name or password', 401);
  }
}

export class TooManyLogins extends UserError {
  constructor(readonly retryAfterSeconds: number) {
    super('too-many-logins', `too many failed logins; try again in ${retryAfterSeconds} s`, 429, { retryAfterSeconds });
  }
}

/** More requests than the rate limit grants. */
export class TooManyRequests extends UserError {
  constructor(retryAfterSeconds: number) {
    super('too-many-requests', `too many requests; try again in ${retryAfterSeconds} s`, 429, { retryAfterSeconds });
  }
}

/** No token, or one that is unknown, expired or logged out. */
export class NotAuthorized extends UserError {
  constructor() {
    super('not-authorized', 'not authorized', 401);
  }
}

/** Known, but without the role that this takes. */
export class Forbidden extends UserError {
  constructor(message = 'forbidden') {
    super('forbidden', message, 403);
  }
}
