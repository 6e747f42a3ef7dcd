import { execFile } from 'node:child_process';

/** Shows a page in the person's browser. Best effort: its address stands in the terminal too. */
export function openBrowser(page: string): void {
  const programs: Readonly<Record<string, string>> = { darwin: 'open', win32: 'explorer.exe' };
  execFile(programs[process.platform] ?? 'xdg-open', [page], () => undefined);
}
