import { DbusError } from "../../errors.ts";
import type { BulkAnswer, BulkItem } from "./port.ts";

type Item = {
  readonly status?: number;
  readonly error?: { readonly type?: string; readonly reason?: string };
};

const allWell = /^\{(?:"took":\d+,)?"errors":false\b/;

/** Throws ES_UNAVAILABLE for an answer that is none: what it says of the items is not known. */
export function parseBulk(text: string): BulkAnswer {
  if (allWell.test(text)) return "done";
  let items: unknown;
  try {
    ({ items } = JSON.parse(text) as { items?: unknown });
  } catch {
    throw new DbusError("ES_UNAVAILABLE", "the answer to a bulk is no JSON");
  }
  if (!Array.isArray(items)) throw new DbusError("ES_UNAVAILABLE", "a bulk was answered otherwise");
  return items.map(itemOf);
}

/** Of `{"index": {...}}` or `{"delete": {...}}` what counts. */
function itemOf(given: unknown): BulkItem {
  const [item = {}] = Object.values((given ?? {}) as Readonly<Record<string, Item>>);
  const { status = 0, error } = item;
  return { status, type: error?.type, reason: String(error?.reason ?? "") };
}
