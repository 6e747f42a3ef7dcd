import { createHash } from 'node:crypto';
import { escapeHtml } from './html.js';

const COMMON_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
/** What the browser may do for the login page: nothing but send its form to us. */
export const PAGE_POLICY = `${COMMON_POLICY}; form-action 'self'`;

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 22rem; margin: 4rem auto; padding: 0 1rem; color: #222; background: #fff }
  label, input, button, a.provider { display: block; width: 100%; box-sizing: border-box; font: inherit }
  input, button, a.provider { padding: .5rem .75rem; margin: .25rem 0 1rem; border: 1px solid #888; border-radius: .25rem }
  button, a.provider { background: #145; color: #fff; text-align: center; text-decoration: none; cursor: pointer }
  [role=alert] { color: #a00; font-weight: 600 }
  code { overflow-wrap: anywhere }
  @media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } input { background: #222; color: #ddd } [role=alert] { color: #f88 } }`;

function page(title: string, head: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
${head}<title>${escapeHtml(title)}</title>
<style>${STYLE}
</style>
${body}
</html>
`;
}

/** The page to log in. `state` is also the browser's cookie. */
export function loginPage(facts: {
  readonly prefix: string;
  readonly path: string;
  readonly state: string;
  readonly message: string | undefined;
  readonly providers: readonly { readonly id: string; readonly title: string }[];
}): string {
  const { prefix, path, state, message, providers } = facts;
  const links = providers.map(({ id, title }) => {
    const href = `${prefix}/sky/login/${encodeURIComponent(id)}?redirect_uri=${encodeURIComponent(path)}`;
    return `<a class="provider" href="${escapeHtml(href)}">${escapeHtml(title)}</a>`;
  });
  const alert = message === undefined ? '' : `<p role="alert">${escapeHtml(message)}</p>\n`;
  return page(
    'Log in to Weir',
    '',
    `<h1>Log in</h1>
${alert}${links.join('\n')}
<form method="post" action="${escapeHtml(prefix)}/sky/login">
<input type="hidden" name="redirect_uri" value="${escapeHtml(path)}">
<input type="hidden" name="state" value="${escapeHtml(state)}">
<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Log in</button>
</form>`,
  );
}

/** Gives the token to whoever listens at the port; a link does so where scripts may not. */
const SCRIPT = `
const read = (name) => document.querySelector('meta[name=' + name + ']')?.content;
const url = 'http://127.0.0.1:' + read('fly-port') + '/?token=' + encodeURIComponent(read('auth-token'));
const say = (text) => { document.getElementById('status').textContent = text; };
if (read('fly-port')) fetch(url).then((answer) => say(answer.ok ? 'Done. You may close this window.' : 'That did not work. Use the link below.'), () => say('That did not work. Use the link below.'));
`;
const SCRIPT_HASH = createHash('sha256').update(SCRIPT).digest('base64');
export const TOKEN_PAGE_POLICY = `${COMMON_POLICY}; script-src 'sha256-${SCRIPT_HASH}'; connect-src http://127.0.0.1:*; form-action 'none'`;

/**
 * The page that hands a token over.
 * @param token undefined: it was handed over already.
 * @param port where a client listens; undefined: the token is only shown.
 */
export function tokenPage(token: string | undefined, port: number | undefined): string {
  if (token === undefined) return page('Logged in', '', '<h1>Logged in</h1>\n<p>You may close this window.</p>');
  const value = `bearer ${token}`;
  const head =
    `<meta name="auth-token" content="${escapeHtml(value)}">\n` +
    (port === undefined ? '' : `<meta name="fly-port" content="${port}">\n`);
  const link = `http://127.0.0.1:${port}/?token=${encodeURIComponent(value)}`;
  const handOver =
    port === undefined
      ? ''
      : `<p id="status" role="status">Giving the token to the command line ...</p>
<p><a href="${escapeHtml(link)}">Give it by this link</a></p>
`;
  return page(
    'Logged in',
    head,
    `<h1>Logged in</h1>
${handOver}<p>Or paste this token where you were asked for it:</p>
<p><code>${escapeHtml(value)}</code></p>${port === undefined ? '' : `\n<script>${SCRIPT}</script>`}`,
  );
}
