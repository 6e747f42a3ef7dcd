/** What each key of a var source's config means, for editors and docs/reference: see meanings.ts. */
type Meanings = Readonly<Record<string, string>>;

export const VAULT: Meanings = {
  url: 'Where Vault is: `https://vault.example.com:8200`.',
  path_prefix: 'Stands before every path; its first part is mostly the mount. Default: `/concourse`.',
  lookup_templates:
    'Where a var is looked for, after the prefix. Default: `/{{.Team}}/{{.Pipeline}}/{{.Secret}}`, then `/{{.Team}}/{{.Secret}}`.',
  shared_path: 'Looked in after those, by every team: `PREFIX/SHARED_PATH/NAME`.',
  namespace: 'Namespace of Vault Enterprise, for logins and reads.',
  ca_cert: 'Certificates (PEM) to trust instead of the usual ones.',
  client_cert: 'Certificate (PEM) of the client; with `client_key`.',
  client_key: 'Its private key (PEM).',
  server_name: 'Name that the certificate of Vault must have. Default: the host of `url`.',
  insecure_skip_verify: 'Trust whoever answers.',
  client_token: 'Token to read with; renewed while it may be.',
  auth_backend: 'Path of the auth method to log in by, such as `approle`, `cert`, `userpass`, `ldap`, `kubernetes`.',
  auth_params: 'What to send when logging in: `{role_id: …, secret_id: …}`, `{username: …, password: …}`.',
  auth_max_ttl:
    'Log in again after this time, however often the token was renewed. Default: when it cannot be renewed.',
  auth_retry_max: 'Longest wait after logins that were refused. Default: `5m`.',
  auth_retry_initial: 'Wait after the first refused login; doubled by each. Default: `1s`.',
};

export const AWS: Meanings = {
  region: 'Region of AWS, such as `eu-west-1`.',
  access_key: 'Id of the access key.',
  secret_key: 'The secret access key.',
  session_token: 'For temporary keys.',
  pipeline_secret_template:
    'Where a var is looked for first. Default: `/concourse/{{.Team}}/{{.Pipeline}}/{{.Secret}}`.',
  team_secret_template: 'Where it is looked for then. Default: `/concourse/{{.Team}}/{{.Secret}}`.',
};

export const SSM: Meanings = { shared_path: 'Looked in after those, by every team: `SHARED_PATH/NAME`.' };

export const SECRETS_MANAGER: Meanings = {
  shared_secret_template: 'Where it is looked for last, by every team. Default: `/concourse/{{.Secret}}`.',
};

export const ID_TOKEN: Meanings = {
  audience: 'Whom the token is for: its `aud`.',
  subject_scope:
    'What `sub` names: `team`, `pipeline` (`TEAM/PIPELINE`), `instance` (and the instance vars), `job` (and the job). Default: `pipeline`.',
  expires_in: 'How long the token is good, from 1s to 24h. Default: `1h`.',
  algorithm: '`RS256` or `ES256`. Default: `RS256`.',
};
