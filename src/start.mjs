// `npm start`: makes the checkout ready and becomes the server. Plain JavaScript, as it runs before anything is installed.
import fs from 'node:fs';
import { prepare } from './prepare.mjs';

if (process.argv.some((word) => word === '--help' || word === '-h')) {
  // The same text as the server's own (a test compares them), without installing and building one.
  process.stdout.write(fs.readFileSync(new URL('../docs/reference/flags.txt', import.meta.url)));
} else {
  await prepare({ forTests: false });
  await import('../dist/src/main.js');
}
