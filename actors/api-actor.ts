import { defineActor } from "#src/actor/actor.ts";
import type { AdminPort } from "#src/api/port.ts";
import { serveAdmin } from "#src/api/serve.ts";
import type { AdminConfig } from "#src/config/config.ts";
import type { Log } from "#src/log.ts";

export type ApiDeps = {
  readonly config: AdminConfig;
  readonly admin: AdminPort;
  readonly log: Log;
  readonly onListening: (url: string) => void;
};

type State = { readonly stop: () => Promise<void> };

/** Runs the admin API; its handlers ask the actors through `AdminPort` and hold no state. */
export const apiActor = defineActor<ApiDeps, State, { readonly kind: "none" }>({
  name: "api",
  async init({ config, admin, log, onListening }) {
    if (!config.enabled) return { stop: async () => {} };
    const server = await serveAdmin(config, admin, log);
    onListening(server.url);
    return { stop: server.stop };
  },
  receive: () => undefined,
  stop: (state) => state.stop(),
  abandon: (state) => void state.stop(),
});
