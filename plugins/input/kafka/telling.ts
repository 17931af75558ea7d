import type { DbusError, InputContext } from "#plugin";

/** What is said of commits to the group: one that fails is made up for by a later one. */
export type Telling = {
  failed(error: DbusError): void;
  done(): void;
};

const againMs = 60_000;

/** The first failure is told, one a minute after that with their number, and that it is over. */
export function createTelling({ log, clock }: Pick<InputContext, "log" | "clock">): Telling {
  let failures = 0;
  let saidAt = 0;
  return {
    failed({ code, message, remedy }) {
      const now = clock.now();
      if (failures++ > 0 && now - saidAt < againMs) return;
      saidAt = now;
      log.warn(`the group was not told where we are: ${message}`, { code, remedy, failures });
    },
    done() {
      if (failures > 0) log.info("the group is told again where we are", { failures });
      failures = 0;
    },
  };
}
