import { Controller, Get, Header, Inject } from '@nestjs/common';
import { SIGNING_ALGORITHMS, SigningKeys } from '../../credentials/index.js';
import { Settings } from '../../platform/index.js';

/** Shorter than the hour for which a new key is told before it signs. */
const CACHING = 'public, max-age=900';

/** What others need to believe the ID tokens of `idtoken` var sources, as OpenID Connect Discovery has it. */
@Controller('.well-known')
export class WellKnownController {
  constructor(
    @Inject(SigningKeys) private readonly keys: SigningKeys,
    @Inject(Settings) private readonly settings: Settings,
  ) {}

  @Get('openid-configuration')
  @Header('cache-control', CACHING)
  configuration(): Record<string, unknown> {
    const { externalUrl: issuer } = this.settings;
    return {
      issuer,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: SIGNING_ALGORITHMS,
      claims_supported: ['iss', 'sub', 'aud', 'iat', 'nbf', 'exp', 'jti', 'team', 'pipeline', 'job', 'instance_vars'],
    };
  }

  @Get('jwks.json')
  @Header('cache-control', CACHING)
  keySet(): Promise<{ readonly keys: readonly object[] }> {
    return this.keys.published();
  }
}
