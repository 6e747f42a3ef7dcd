#!/usr/bin/env node
import { processIo } from './io.js';
import { run } from './run.js';

const interruption = new AbortController();
const argv = process.argv.slice(2);
// `serve` drains on a signal by itself.
if (argv[0] !== 'serve') process.once('SIGINT', () => interruption.abort());
// A reader that went away (`weir builds | head`) is no reason to complain.
process.stdout.on('error', () => process.exit(0));

process.exitCode = await run(argv, processIo(interruption.signal));
