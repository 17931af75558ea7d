import { type OpenZookeeperOptions, openZookeeper } from "../open-zookeeper.ts";
import type { ZkSession } from "../port.ts";
import { openThreadChannel } from "./open-thread-channel.ts";

/** The same as `openZookeeper`, for a process whose event loop may stand still. */
export function openZookeeperThread(options: OpenZookeeperOptions): ZkSession {
  return openZookeeper(options, openThreadChannel(options));
}
