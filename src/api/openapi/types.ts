import type { Json } from './schemas.js';

/** An OpenAPI 3.1 document. */
export interface OpenApiDocument extends Json {
  readonly info: Json & { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: Json & { readonly schemas: Readonly<Record<string, Json>> };
}

export interface OpenApiParameter extends Json {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly schema?: Json;
  readonly example?: unknown;
}

export interface OpenApiOperation extends Json {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly parameters: readonly OpenApiParameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Json>> } & Json;
  readonly responses: Readonly<Record<string, Json>>;
}
