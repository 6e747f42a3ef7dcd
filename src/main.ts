import { messageOf, parseSettings, settingsHelp, UserError } from './platform/index.js';
import type { Server } from './server.js';

/** A drain that takes longer has hung; what it leaves is recovered at the next start. */
const LONGEST_DRAIN_MS = 30_000;
/** The terminal and npm both hand on one Ctrl-C: two signals so close are one. */
const SAME_SIGNAL_MS = 500;

process.title = 'weir';
process.setSourceMapsEnabled(true);
// A reader that went away (`npm start | head`) is no reason to die.
process.stdout.on('error', () => undefined);

const say = (line: string): void => console.log(`weir: ${line}`);

await serve(process.argv.slice(2));

async function serve(argv: readonly string[]): Promise<void> {
  try {
    const request = parseSettings(argv, process.env);
    if (request.help) return console.log(settingsHelp());
    const stopping = stopOnSignal();
    // Loaded only now, so that help and mistakes in flags are answered at once.
    const { startServer, exampleIsGreen } = await import('./server.js');
    const server = await startServer(request.settings, (progress) => say(`${progress} ...`));
    greet(server);
    stopping.ready(server);
    if (server.exampleDir === undefined) return;
    showExample(server.exampleDir);
    if (await exampleIsGreen(server.app, stopping.signal))
      say('the example is green: its commit went through test and deploy');
  } catch (error) {
    fail('cannot start', error);
  }
}

function greet({ url, firstLogin }: Server): void {
  say(`ready on ${url}`);
  if (firstLogin) {
    say(`first user  ${firstLogin.name}`);
    say(`password    ${firstLogin.password}   (shown this once, kept only as a hash)`);
  }
}

function showExample(dir: string): void {
  say(`example     job test checks each commit of ${dir}/app, job deploy hands it on to ${dir}/production`);
  say('try it:');
  console.log(`  cd ${dir}/app && echo "Good morning" > message.txt && git commit -am "say good morning"`);
  console.log(`  sleep 15; git -C ${dir}/production log --oneline`);
}

/** Ctrl-C drains, also while starting; a second one leaves at once. */
function stopOnSignal(): { readonly signal: AbortSignal; ready(server: Server): void } {
  const stopping = new AbortController();
  let server: Server | undefined;
  let signalledAt: number | undefined;
  const drain = (running: Server): void => {
    setTimeout(
      () => fail('stopping takes too long', new Error(`gave up after ${LONGEST_DRAIN_MS / 1000} s`)),
      LONGEST_DRAIN_MS,
    ).unref();
    running.stop().then(
      () => {
        say('stopped');
        process.exit(0);
      },
      (error: unknown) => fail('could not stop cleanly', error),
    );
  };
  const onSignal = (): void => {
    const now = performance.now();
    if (signalledAt !== undefined) {
      if (now - signalledAt > SAME_SIGNAL_MS) process.exit(130);
      return;
    }
    signalledAt = now;
    stopping.abort();
    say('stopping (Ctrl-C again: at once) ...');
    if (server) drain(server);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  return {
    signal: stopping.signal,
    ready: (running) => {
      server = running;
      if (signalledAt !== undefined) drain(running);
    },
  };
}

// A fault of ours outside every guard: stop rather than go on in an unknown state. Builds continue after the next start.
process.on('uncaughtException', (error) => fail('broken', error));

/** One line for what people can mend; the stack, too, for what only we can. */
function fail(what: string, error: unknown): never {
  console.error(`weir: ${what}: ${messageOf(error)}`);
  if (!(error instanceof UserError) && error instanceof Error) console.error(error.stack);
  process.exit(1);
}
