import type { AdminConfig } from "#src/config/config.ts";

/** The admin section as a config without one has it, on a free port; `more` wins. */
export function adminConfig(more: Partial<AdminConfig> = {}): AdminConfig {
  const plain = { token: undefined, tokens: [], tls: undefined, insecure: false };
  return { enabled: true, host: "127.0.0.1", port: 0, ...plain, ...more };
}
