import { mkdirSync } from "node:fs";
import { join } from "node:path";
import binlogFile from "../../etc/quickstart/shop.binlog" with { type: "file" };
import text from "../../etc/quickstart.yaml" with { type: "text" };

export type Quickstart = {
  readonly text: string;
  /** Tells the config where its binlog is; a setting of the same name in the environment wins. */
  readonly env: Readonly<Record<string, string>>;
};

const variable = "DBUS_QUICKSTART";

/**
 * The example that needs nothing: `etc/quickstart.yaml`, and the binlog that it replays. Out of the
 * sources it reads the binlog where it lies; a binary has it inside, where a plugin cannot seek in
 * it, and writes it into the data folder first, if it is to `run`.
 */
export async function quickstart(stateDir = "./data", run = true): Promise<Quickstart> {
  const inBinary = binlogFile.startsWith("/$bunfs/");
  if (!inBinary || !run) return { text, env: inBinary ? {} : { [variable]: binlogFile } };
  const path = join(stateDir, "quickstart", "shop.binlog");
  mkdirSync(join(stateDir, "quickstart"), { recursive: true, mode: 0o700 });
  await Bun.write(path, Bun.file(binlogFile));
  return { text, env: { [variable]: path } };
}
