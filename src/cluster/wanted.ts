import type { ResourceRecord } from "./records.ts";

/** What the configuration wants to be read, which may become another. */
export type WantedResources = {
  readonly resources: () => readonly ResourceRecord[];
  /** Calls back when it is another; answers how to end it. */
  readonly onResources: (changed: () => void) => () => void;
  readonly set: (next: readonly ResourceRecord[]) => void;
};

export function createWanted(first: readonly ResourceRecord[]): WantedResources {
  let resources = first;
  const listeners = new Set<() => void>();
  return {
    resources: () => resources,
    onResources(changed) {
      listeners.add(changed);
      return () => void listeners.delete(changed);
    },
    set(next) {
      resources = next;
      for (const changed of [...listeners]) changed();
    },
  };
}
