import { escapeHtml } from '../http/html.js';
import type { OpenApiDocument, OpenApiOperation, OpenApiParameter } from './types.js';
import type { Json } from './schemas.js';

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
  details { border-top: 1px solid #8884; padding: .35rem 0 } details details { margin-left: 1rem }
  summary { cursor: pointer } summary code { font-weight: 600 } h2 { margin: 2.5rem 0 .25rem }
  pre { background: #8881; padding: .75rem 1rem; overflow: auto; max-height: 30rem } td, th { text-align: left; vertical-align: top; padding: .1rem 1rem .1rem 0 }
  a { color: #145 } small { opacity: .75 }
  @media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } a { color: #8bf } }`;

/** The document for people, as one page that loads nothing and runs nothing. */
export function documentPage(document: OpenApiDocument): string {
  const { info, tags, components } = document;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const groups = (tags as readonly { readonly name: string; readonly description: string }[]).map(
    ({ name, description }) => {
      const shown = operations.filter(({ operation }) => operation.tags.includes(name));
      return `<h2 id="${name}">${marked(description)}</h2>\n${shown.map((each) => operationPart(each)).join('\n')}`;
    },
  );
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `<details id="${name}"><summary><code>${name}</code></summary>${json(schema)}</details>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(info.title)} API</title>
<style>${STYLE}
</style>
<h1>${escapeHtml(`${info.title} ${info.version}`)}: API</h1>
${info.description
  .split('\n\n')
  .map((part) => `<p>${marked(part)}</p>`)
  .join('\n')}
<p>For programs: <a href="openapi.json">openapi.json</a>.</p>
${groups.join('\n')}
<h2>Shapes</h2>
${schemas.join('\n')}
</html>
`;
}

function operationPart(of: { path: string; method: string; operation: OpenApiOperation }): string {
  const { path, method, operation } = of;
  const { operationId, summary, description, parameters, requestBody, responses } = operation;
  const bodies = Object.entries(requestBody?.content ?? {}).map(
    ([type, content]) => `<p>Body: <code>${escapeHtml(type)}</code></p>${sample(content)}`,
  );
  return `<details id="${operationId}"><summary><code>${method.toUpperCase()} ${escapeHtml(path)}</code> ${marked(summary)}</summary>
<p>${marked(description)} <small>Action ${operationId}${operation['x-weir-extension'] ? '; Concourse has no such route' : ''}.</small></p>
${parameters.length > 0 ? `<table>${parameters.map(parameterRow).join('')}</table>` : ''}
${typeof requestBody?.['description'] === 'string' ? `<p>${marked(requestBody['description'])}</p>` : ''}${bodies.join('')}
<table>${Object.entries(responses).map(responseRow).join('')}</table></details>`;
}

function parameterRow({ name, in: place, description }: OpenApiParameter): string {
  const says = typeof description === 'string' ? marked(description) : '';
  return `<tr><td><code>${escapeHtml(name)}</code><td>${place}<td>${says}`;
}

function responseRow([status, { description, content, $ref }]: [string, Json]): string {
  const refusal = typeof $ref === 'string' ? $ref.split('/').at(-1) : undefined;
  const types = Object.entries((content ?? {}) as Readonly<Record<string, Json>>).map(([type, { schema }]) => {
    const text = JSON.stringify(schema ?? {});
    const shape = /"#\/components\/schemas\/(\w+)"/.exec(text)?.[1];
    const list = text.startsWith('{"type":"array"') ? 'a list of ' : '';
    return shape === undefined ? `<code>${escapeHtml(type)}</code>` : `${list}<a href="#${shape}">${shape}</a>`;
  });
  const says = typeof description === 'string' ? description : (refusal ?? '').replace(/(?!^)([A-Z])/g, ' $1');
  return `<tr><td>${status}<td>${marked(says)}<td>${refusal === undefined ? types.join(', ') : '<a href="#Error">Error</a>'}`;
}

function sample({ example }: Json): string {
  return example === undefined ? '' : json(example);
}

function json(value: unknown): string {
  return `<pre>${escapeHtml(JSON.stringify(value, null, 2))}</pre>`;
}

/** The little markdown that our words hold. */
function marked(text: string): string {
  return escapeHtml(text)
    .replace(/`([^`]*)`/g, '<code>$1</code>')
    .replace(/\*\*([^*]*)\*\*/g, '<strong>$1</strong>');
}
