import { join } from "node:path";
import type { Config, OutputEntry } from "../config/config.ts";
import { printable } from "./text.ts";

/**
 * What a person wants to know at the start: what moves where, where to look, what to type next.
 * `dbc` is the command as this machine knows it.
 */
export function bannerText(config: Config, adminUrl: string | null, dbc: string): string {
  const name = (one: { readonly name: string; readonly plugin: { readonly name: string } }) =>
    `${one.name} (${one.plugin.name})`;
  const chain = [config.inputs, config.filters, config.outputs]
    .filter((group) => group.length > 0)
    .map((group) => group.map(name).join(", "))
    .join(" -> ");
  const { writes, next } = whereToLook(config, adminUrl, dbc);
  const lines = [
    `dbus is running: ${chain}`,
    ...writes.map((path) => `  writes    ${path}`),
    `  state     ${config.state.dir}`,
    ...(adminUrl === null ? [] : [`  admin     ${adminUrl}/api/v1/stat`]),
    ...(next === null ? [] : [`  try       ${next}`]),
    ...(writes[0] === undefined ? [] : [`  or        tail -f ${writes[0]}`]),
    "  stop      Ctrl-C",
  ];
  return `\n${lines.map((line) => `${printable(line)}\n`).join("")}\n`;
}

/** The files that are written, and the command to try next. */
export function whereToLook(
  config: Config,
  adminUrl: string | null,
  dbc: string,
): { readonly writes: readonly string[]; readonly next: string | null } {
  const writes = config.outputs.flatMap((output) => {
    const path = fileOf(output, config.state.dir);
    return path === null ? [] : [path];
  });
  if (adminUrl === null) return { writes, next: null };
  const { host, protocol } = new URL(adminUrl);
  const tls = protocol === "https:";
  const local = host === "127.0.0.1:9876" && !tls;
  const option = local ? "" : ` --admin ${tls ? `https://${host} --ca FILE` : host}`;
  return { writes, next: `${dbc} status --watch${option}` };
}

/** The file that an output appends to, or all of its files, when it is one that does. */
function fileOf(output: OutputEntry, stateDir: string): string | null {
  const config = (output.config ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof config.file === "string") return config.file;
  if (typeof config.folder === "string") return join(config.folder, "*.ndjson");
  if (output.plugin.name !== "StreamOutput" || config.stdout || config.connect) return null;
  return join(stateDir, output.name, `${output.name}.ndjson`);
}
