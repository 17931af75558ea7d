import type { DeadLetterQuery } from "./store.ts";

/** A page holds so many letters unless told, and never more than so many, or than so many bytes. */
const LIMIT = 100;
const LIMIT_MAX = 1000;
export const PAGE_BYTES_MAX = 8 << 20;

/** How many letters a page holds: at least 1. */
export function pageLimit(query: DeadLetterQuery): number {
  return Math.max(1, Math.min(Math.floor(query.limit ?? LIMIT), LIMIT_MAX));
}
