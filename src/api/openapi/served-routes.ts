import 'reflect-metadata';
import { RequestMethod, type Type } from '@nestjs/common';
import {
  HEADERS_METADATA,
  HTTP_CODE_METADATA,
  METHOD_METADATA,
  PATH_METADATA,
  ROUTE_ARGS_METADATA,
} from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import type { z } from 'zod';
import { BuildPipe } from '../http/params.js';
import { IdPipe, Valid } from '../http/validate.js';

/** A route as the code has it: what its controller says, and what its handler reads. */
export interface ServedRoute {
  readonly controller: string;
  readonly method: string;
  /** With parameters as `:name`. */
  readonly path: string;
  /** Of a good answer. */
  readonly status: number;
  /** Media type of a good answer, if the code names one. */
  readonly type: string | undefined;
  /** Parameters of the path that are whole numbers. */
  readonly ids: readonly string[];
  readonly headers: readonly string[];
  /** Parameters of the query that are read by name, without a schema. */
  readonly query: readonly string[];
  readonly querySchema: z.ZodType | undefined;
  readonly bodySchema: z.ZodType | undefined;
}

interface Argument {
  readonly kind: RouteParamtypes;
  readonly name: string | undefined;
  readonly pipes: readonly unknown[];
}

/** Every route of the controllers, out of the decorators that make Nest serve it. */
export function servedRoutes(controllers: readonly Type[]): ServedRoute[] {
  return controllers.flatMap((controller) =>
    handlersOf(controller).flatMap(({ name, handler }) => {
      const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod];
      return pathsOf(controller).flatMap((base) =>
        pathsOf(handler).map((path) => ({
          controller: controller.name,
          method,
          path: `/${[base, path].filter((part) => part !== '').join('/')}`,
          ...answerOf(handler, method),
          ...requestOf(argumentsOf(controller, name)),
        })),
      );
    }),
  );
}

function handlersOf(controller: Type): { readonly name: string; readonly handler: object }[] {
  const prototype = controller.prototype as Readonly<Record<string, unknown>>;
  return Object.getOwnPropertyNames(prototype).flatMap((name) => {
    // Getters are not asked: they may need an object.
    const handler: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
    return typeof handler === 'function' && Reflect.hasMetadata(METHOD_METADATA, handler) ? [{ name, handler }] : [];
  });
}

function pathsOf(decorated: object): string[] {
  const paths = [Reflect.getMetadata(PATH_METADATA, decorated) as string | string[]].flat();
  return paths.map((path) => path.replace(/^\/|\/$/g, ''));
}

function answerOf(handler: object, method: string): Pick<ServedRoute, 'status' | 'type'> {
  const status = Reflect.getMetadata(HTTP_CODE_METADATA, handler) as number | undefined;
  const headers = (Reflect.getMetadata(HEADERS_METADATA, handler) ?? []) as { name: string; value: unknown }[];
  const type = headers.find(({ name }) => name === 'content-type')?.value;
  return {
    status: status ?? (method === 'POST' ? 201 : 200),
    type: typeof type === 'string' ? type.split(';')[0] : undefined,
  };
}

function argumentsOf(controller: Type, handler: string): Argument[] {
  const found = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, handler) ?? {}) as Readonly<
    Record<string, { readonly data?: unknown; readonly pipes: readonly unknown[] }>
  >;
  return Object.entries(found).map(([key, { data, pipes }]) => ({
    kind: Number(key.split(':')[0]), // NaN for decorators of our own
    name: typeof data === 'string' ? data : undefined,
    pipes,
  }));
}

function requestOf(all: readonly Argument[]): Omit<ServedRoute, 'controller' | 'method' | 'path' | 'status' | 'type'> {
  const of = (kind: RouteParamtypes): Argument[] => all.filter((argument) => argument.kind === kind);
  const names = (some: readonly Argument[]): string[] => some.flatMap(({ name }) => name ?? []);
  const schemaOf = (kind: RouteParamtypes): z.ZodType | undefined =>
    of(kind).flatMap(({ pipes }) => pipes.filter((pipe) => pipe instanceof Valid))[0]?.schema;
  return {
    ids: names(of(RouteParamtypes.PARAM).filter(({ pipes }) => pipes.some(isOfIds))),
    headers: names(of(RouteParamtypes.HEADERS)),
    query: names(of(RouteParamtypes.QUERY)),
    querySchema: schemaOf(RouteParamtypes.QUERY),
    bodySchema: schemaOf(RouteParamtypes.BODY),
  };
}

function isOfIds(pipe: unknown): boolean {
  return pipe instanceof IdPipe || pipe === IdPipe || pipe === BuildPipe;
}
