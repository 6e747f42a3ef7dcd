export * from './credentials.module.js';
export * from './credentials.service.js';
export { CredentialError } from './lookup.js';
export { SIGNING_ALGORITHMS, SigningKeys } from './signing-keys.js';
