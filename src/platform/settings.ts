/** Everything an operator can set; see `weir serve --help`. Provided to every room by the platform module. */
export class Settings {
  readonly dataDir: string = '';
  readonly databaseUrl: string = '';
  readonly bindAddress: string = '127.0.0.1';
  readonly port: number = 8080;
  /** Where people reach this server, without a trailing slash. */
  readonly externalUrl: string = 'http://127.0.0.1:8080';
  readonly logLevel: string = 'warn';
  /** Names this server over restarts: the data folder's own id. */
  readonly instanceId: string = '';
  /** Grows with every start of this instance. */
  readonly epoch: number = 0;
  readonly checkIntervalMs: number = 60_000;
  readonly checkTimeoutMs: number = 3_600_000;
  /** At most this many checks at once towards one host. */
  readonly checksPerHost: number = 4;
  readonly maxConcurrentChecks: number = 32;

  constructor(values: Partial<Settings>) {
    Object.assign(this, values);
  }
}
