import { validateHeaderName, validateHeaderValue } from 'node:http';
import { z } from 'zod';
import { parseDurationMs } from '../../src/resources/contract.js';

const address = z.string().superRefine((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const refuse = (message: string) => context.addIssue({ code: 'custom', message });
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === '') refuse('is not an http(s) address');
  else if (url.username !== '' || url.password !== '') refuse('holds credentials: use username and password');
});

const headers = z.record(z.string(), z.string()).superRefine((given, context) => {
  for (const [name, value] of Object.entries(given)) {
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      context.addIssue({ code: 'custom', path: [name], message: 'is not a usable header' });
    }
    if (/^(?:host|content-length|transfer-encoding|connection)$/i.test(name)) {
      context.addIssue({ code: 'custom', path: [name], message: 'is set by the server' });
    }
  }
});

const status = z.int().min(100).max(599);

export const httpSource = z
  .strictObject({
    url: address.describe('http or https address.'),
    version_from: z
      .enum(['etag', 'last_modified', 'sha256'])
      .optional()
      .describe(
        'What makes a version. Default: the ETag if there is one, else Last-Modified, else the SHA-256 of the body.',
      ),
    json_pointer: z
      .string()
      .regex(/^(?:\/(?:[^~/]|~[01])*)*$/, 'is not a JSON pointer such as "/tag_name"')
      .optional()
      .describe('The version is this field of a JSON body (RFC 6901).'),
    headers: headers.optional().describe('Headers of every request; sent to the host of `url` only.'),
    username: z.string().optional().describe('User of HTTP basic authentication.'),
    password: z.string().optional().describe('Password of HTTP basic authentication.'),
    timeout: z
      .string()
      .refine((text) => (parseDurationMs(text) ?? 0) > 0, 'is not a duration such as "30s"')
      .optional()
      .describe('Longest time of one check, get or put. Default `5m`.'),
    max_bytes: z.int().min(1).optional().describe('A longer body is refused. Default 1 GiB.'),
    skip_ssl_verification: z.boolean().optional().describe('Certificates are not verified.'),
    ca_bundle: z.string().min(1).optional().describe('Certificates (PEM) to trust besides the usual ones.'),
    put_only: z.boolean().optional().describe('`url` is only for puts: check finds nothing and get fetches nothing.'),
  })
  .superRefine((source, context) => {
    const refuse = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if (source.version_from !== undefined && source.json_pointer !== undefined)
      refuse('json_pointer', 'cannot be combined with version_from');
    if (source.password !== undefined && source.username === undefined) refuse('username', 'is missing');
  });
export type HttpSource = z.output<typeof httpSource>;

export const httpGetParams = z.strictObject({
  filename: z
    .string()
    .regex(/^(?!\.)[^/\\\p{Cc}]+$/u, 'must be the name of a file')
    .optional()
    .describe('Name of the file with the body. Default `body`.'),
});
export type HttpGetParams = z.output<typeof httpGetParams>;

export const httpPutParams = z
  .strictObject({
    url: address.optional().describe('Where to send it. Default: the `url` of the source.'),
    method: z.enum(['POST', 'PUT', 'PATCH', 'DELETE', 'GET']).optional().describe('Default POST.'),
    headers: headers.optional().describe("Further headers; they win over the source's."),
    body: z.string().optional().describe('Text to send.'),
    file: z.string().min(1).optional().describe('File to send.'),
    expected_status: z
      .union([status, z.array(status).min(1)])
      .optional()
      .describe('Status of the answer that counts as success, or a list of them. Default: 200 to 299.'),
  })
  .superRefine((params, context) => {
    if (params.body === undefined || params.file === undefined) return;
    context.addIssue({ code: 'custom', path: ['file'], message: 'cannot be combined with body' });
  });
export type HttpPutParams = z.output<typeof httpPutParams>;
