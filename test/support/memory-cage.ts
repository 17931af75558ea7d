import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { waitFor } from "./wait-for.ts";

/** A limit of memory, with what happens above it: the process is killed. */
export type MemoryCage = {
  /** Whether it is the kernel that kills. */
  readonly byKernel: boolean;
  /** What stands before a command line so that the process is in it. */
  readonly prefix: readonly string[];
  /** Watches a process where the kernel does not. */
  watch(pid: number): void;
  remove(): Promise<void>;
};

let cages = 0;

/**
 * A cgroup where one can be made, which takes root. Else the process is watched from here and
 * killed without a word above the limit, as the kernel does it.
 */
export function memoryCage(bytes: number): MemoryCage {
  const name = `dbus-${process.pid}-${++cages}`;
  const group = cgroup(name, bytes);
  const timers: ReturnType<typeof setInterval>[] = [];
  return {
    byKernel: group !== undefined,
    prefix: group ? ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', group] : [],
    watch(pid) {
      if (group) return;
      const look = () => {
        if (residentBytes(pid) > bytes) process.kill(pid, "SIGKILL");
      };
      timers.push(setInterval(look, 5));
    },
    async remove() {
      for (const timer of timers) clearInterval(timer);
      // A group goes when the last of its processes is gone for good.
      if (group) await waitFor(() => isGone(group), { what: `${group} to be empty` });
    },
  };
}

function cgroup(name: string, bytes: number): string | undefined {
  const first = ["/sys/fs/cgroup/memory", "memory.limit_in_bytes"] as const;
  const second = ["/sys/fs/cgroup", "memory.max"] as const;
  for (const [parent, file] of [first, second]) {
    const group = `${parent}/${name}`;
    if (!existsSync(parent)) continue;
    try {
      mkdirSync(group);
      writeFileSync(`${group}/${file}`, String(bytes));
      return group;
    } catch {
      if (existsSync(group)) rmdirSync(group);
    }
  }
  return undefined;
}

/** Resident memory of a process; 0 once it is gone. */
export function residentBytes(pid: number): number {
  try {
    const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return Number(found?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function isGone(group: string): boolean {
  rmdirSync(group);
  return true;
}
