import { Controller, Get, Header, Inject } from '@nestjs/common';
import { Settings, VERSION } from '../../platform/index.js';
import { escapeHtml } from '../http/html.js';

/** For a person who opens the address in a browser. */
@Controller()
export class RootController {
  constructor(@Inject(Settings) private readonly settings: Settings) {}

  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  page(): string {
    const url = escapeHtml(this.settings.externalUrl);
    return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Weir</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1rem; color: #222; background: #fff }
  pre { background: #f3f3f3; padding: .75rem 1rem; overflow-x: auto }
  @media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } pre { background: #262626 } a { color: #8bf } }
</style>
<h1>Weir ${escapeHtml(VERSION)}</h1>
<p>A resource-driven continuous scheduler runs here. It answers on the command line and over its API:</p>
<pre>weir login ${url}
weir pipelines
weir watch -j PIPELINE/JOB</pre>
<p>The API is at <a href="api/v1/info">/api/v1</a>; whether all is well stands at <a href="api/v1/health">/api/v1/health</a>.
It speaks Concourse's language, so <code>fly</code> works as well.</p>
</html>
`;
  }
}
