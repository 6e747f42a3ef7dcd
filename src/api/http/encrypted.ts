import type { FastifyRequest } from 'fastify';

/** Did it come by https, at least as far as the first proxy that we trust? Then cookies must never go another way. */
export function isEncrypted(request: FastifyRequest, { externalUrl }: { readonly externalUrl: string }): boolean {
  return externalUrl.startsWith('https:') || request.protocol === 'https';
}
