/** Fields that are there only when they have a value: the contract leaves empty ones out. */
export function given<Fields extends Record<string, unknown>>(
  fields: Fields,
): { [Key in keyof Fields]?: NonNullable<Fields[Key]> } {
  const kept: Record<string, unknown> = {};
  for (const name in fields) {
    const value: unknown = fields[name];
    if (value !== undefined && value !== null && value !== '' && value !== false) kept[name] = value;
  }
  return kept as { [Key in keyof Fields]?: NonNullable<Fields[Key]> };
}

/** Whole unix seconds, as every time of the contract. */
export function seconds(at: Date | string | null | undefined): number | undefined {
  if (at === null || at === undefined) return undefined;
  return Math.floor(new Date(at).getTime() / 1000);
}

/** A list, or nothing when it is empty. */
export function some<Item>(items: readonly Item[] | undefined): readonly Item[] | undefined {
  return items && items.length > 0 ? items : undefined;
}
