import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import type { Clock, Timer } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import type { Log } from "#src/log.ts";

/** So long a connection may be away before people are told: others of the servers are tried by then. */
const quietMs = 2_000;

/** Says in the log when ZooKeeper is not there, and when it is back; until `signal` aborts. */
export function tellConnection(
  session: Pick<ZkSession, "state" | "onState">,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
): void {
  let timer: Timer | undefined;
  let told = false;

  function wait(): void {
    timer?.cancel();
    timer = clock.after(quietMs, () => {
      told = true;
      const remedy =
        "check that it runs, and the addresses in cluster.connect; it is tried again for ever";
      const error = new DbusError("ZOOKEEPER_UNREACHABLE", "no server of it answers", { remedy });
      log.warn("ZooKeeper is away: no resource can be taken or given until it is back", { error });
    });
  }

  const off = session.onState((state) => {
    timer?.cancel();
    if (state === "suspended") wait();
    if (state !== "connected") return;
    if (told) log.info("ZooKeeper is there again");
    told = false;
  });
  if (session.state !== "connected") wait();
  signal.addEventListener(
    "abort",
    () => {
      timer?.cancel();
      off();
    },
    { once: true },
  );
}
