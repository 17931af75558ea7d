let dir: string | undefined;
const pids: number[] = [];

/**
 * Called by `services up` before it starts something: the servers then outlive this process, and
 * `parent` is where they keep their data.
 */
export function detachServers(parent: string): void {
  dir = parent;
}

/** Where servers of the background keep their data; undefined when servers end with us. */
export function detachedDir(): string | undefined {
  return dir;
}

/** Remembers a process that was started to go on in the background. */
export function noteDetached(pid: number): void {
  pids.push(pid);
}

/** The processes started since the last call. */
export function takeDetached(): readonly number[] {
  return pids.splice(0);
}
