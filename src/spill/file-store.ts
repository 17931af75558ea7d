import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { openFileLog } from "./file-log.ts";
import type { SpillLog, SpillStore } from "./spill-log.ts";

/** No output can be called so: names begin with a letter or digit. */
const folder = ".spill";

/** The logs below a data folder, `<dir>/.spill/<output>/`. */
export function createFileSpillStore(dir: string): SpillStore {
  /** Two of one name would write into each other's files: the next waits until the last is closed. */
  const closing = new Map<string, Promise<void>>();

  async function open(name: string, options: Parameters<SpillStore["open"]>[1]): Promise<SpillLog> {
    const former = closing.get(name);
    const closed = Promise.withResolvers<void>();
    closing.set(name, closed.promise);
    await former;
    try {
      const log = await openFileLog({
        dir: join(dir, folder, name),
        onLoss: options.onLoss,
        segmentBytes: Math.min(16 * 2 ** 20, Math.ceil(options.bytesMax / 4)),
      });
      return {
        get packets() {
          return log.packets;
        },
        get bytes() {
          return log.bytes;
        },
        get acked() {
          return log.acked;
        },
        append: log.append,
        read: log.read,
        ack: log.ack,
        close: () => log.close().finally(closed.resolve),
      };
    } catch (error) {
      closed.resolve();
      throw error;
    }
  }

  return {
    open,
    async left() {
      const found: { name: string; packets: number }[] = [];
      for (const name of await namesIn(join(dir, folder))) {
        const log = await open(name, { bytesMax: 2 ** 30, onLoss() {} });
        if (log.packets > 0) found.push({ name, packets: log.packets });
        await log.close();
      }
      return found;
    },
  };
}

async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
