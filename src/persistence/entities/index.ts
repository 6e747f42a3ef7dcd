/** Every entity, for TypeORM. */
export const entities: (new () => object)[] = [];
