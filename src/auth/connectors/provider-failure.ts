import { UserError } from '../../platform/index.js';

/** The provider did not let somebody in: they said no there, or may not. */
export class ProviderRefused extends UserError {
  constructor(provider: string, why: string) {
    // What came by way of the browser is cut to what codes of OAuth are made of.
    super('provider-refused', `${provider} did not let you in: ${why.replace(/[^\w .-]/g, '').slice(0, 100)}`, 401);
  }
}

/** The provider does not answer, or not as it should; its operator finds the reason in the cause, which goes to the log. */
export class ProviderUnavailable extends UserError {
  constructor(provider: string, cause: unknown) {
    super(
      'provider-unavailable',
      `${provider} does not answer as it should now; try again, or log in another way`,
      502,
    );
    this.cause = cause;
  }
}

/** The provider shows a certificate that is not trusted: nothing was sent to it. */
export class ProviderUntrusted extends UserError {
  constructor(provider: string, fault: string, flag: string) {
    super(
      'provider-untrusted',
      `${provider} shows a certificate that this server does not trust: ${fault}; its operator names who signs it with ${flag}`,
      502,
    );
  }
}

/** How long a provider may take for one answer. */
export const PROVIDER_TIMEOUT_MS = 10_000;
