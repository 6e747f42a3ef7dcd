/**
 * Which part of a list, by ids. Neither bound: the newest `limit` rows. `to`: that row and older ones. `from`: that row and
 * the next newer ones. Lists are newest first.
 */
export interface PageRequest {
  readonly from?: number;
  readonly to?: number;
  /** @default 100 */
  readonly limit?: number;
}

export interface Page<Item> {
  /** Newest first. */
  readonly items: readonly Item[];
  /** `to` of the next older page; absent when there is none. */
  readonly older?: number;
  /** `from` of the next newer page; absent when there is none. */
  readonly newer?: number;
}
