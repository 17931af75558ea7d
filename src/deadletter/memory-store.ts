import { type Clock, systemClock } from "../clock.ts";
import { pageLimit } from "./page.ts";
import type { DeadLetter, DeadLetterStore } from "./store.ts";

/** Dead letters that end with the process. */
export function createMemoryDeadLetterStore(clock: Clock = systemClock): DeadLetterStore {
  const letters = new Map<number, DeadLetter>();
  let lastId = 0;
  return {
    put(added) {
      const at = clock.wall();
      return added.map((letter) => {
        const id = ++lastId;
        letters.set(id, { ...letter, id, at, redrivenAt: null });
        return id;
      });
    },
    list(query = {}) {
      const { node, input, after = 0 } = query;
      const limit = pageLimit(query);
      const page: DeadLetter[] = [];
      for (const letter of letters.values()) {
        if (page.length === limit) break;
        const wanted =
          (node ?? letter.node) === letter.node && (input ?? letter.input) === letter.input;
        if (wanted && letter.id > after) page.push(letter);
      }
      return page;
    },
    get: (id) => letters.get(id) ?? null,
    count: () => letters.size,
    markRedriven(ids) {
      const redrivenAt = clock.wall();
      for (const id of ids) {
        const letter = letters.get(id);
        if (letter) letters.set(id, { ...letter, redrivenAt });
      }
    },
    remove(ids) {
      for (const id of ids) letters.delete(id);
    },
  };
}
