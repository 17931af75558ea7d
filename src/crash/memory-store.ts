import type { Crash, CrashKey, CrashStore } from "./store.ts";

/** Crashes that are forgotten with the process. */
export function createMemoryCrashStore(): CrashStore {
  const crashes = new Map<string, Crash>();
  const idOf = ({ node, input, resource, partition, position }: CrashKey) =>
    JSON.stringify([node, input, resource, partition, position]);
  return {
    list: (node) => [...crashes.values()].filter((crash) => crash.node === node),
    put(added) {
      for (const crash of added) crashes.set(idOf(crash), crash);
    },
    remove(keys) {
      for (const key of keys) crashes.delete(idOf(key));
    },
    clear(node) {
      for (const [id, crash] of crashes) if (crash.node === node) crashes.delete(id);
    },
  };
}
