import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";

/** What a node holds, with its version; null when it is not there. */
export async function optional<T>(
  session: ZkSession,
  path: string,
  read: (data: Uint8Array) => T,
): Promise<{ readonly record: T; readonly version: number } | null> {
  try {
    const { data, stat } = await session.get(path);
    return { record: read(data), version: stat.version };
  } catch (thrown) {
    if (isZk(thrown, "no_node")) return null;
    throw thrown;
  }
}
