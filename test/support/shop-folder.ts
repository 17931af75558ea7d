import { expect } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Stat } from "#src/api/port.ts";
import { adminOf, type Command, dbcCommand, dbusdCommand, startCommand } from "./command.ts";
import { tempDir } from "./temp-dir.ts";
import { waitFor } from "./wait-for.ts";

const scratch = tempDir("shop");
const shop = join(import.meta.dir, "../../etc/quickstart/shop.binlog");
export const rowsOfShop = 216;

/** A line of an output: where the row stands in the binlog, and the row after its change. */
export type Line = {
  readonly pos: number;
  readonly tbl: string;
  readonly rows: readonly unknown[][];
};
export type Letter = {
  readonly id: number;
  readonly node: string;
  readonly input: string;
  readonly code: string;
  readonly reason: string;
  readonly position: string;
  readonly crashes: number;
};
type Place = { readonly file: string; readonly pos: number; readonly rows: number };

/** A folder with the shop's binlog, and what a person does in it: a config, dbusd, dbc. */
export function shopFolder(name: string) {
  const folder = join(scratch, name);
  mkdirSync(folder);
  copyFileSync(shop, join(folder, "binlog.000001"));
  const config = join(folder, "bus.yaml");
  return {
    folder,
    write(parts: string): void {
      const input = "{name: shop, plugin: BinlogFileInput, files: [binlog.000001]}";
      const bus = "bus: {checkpointIntervalMs: 50, stopDeadlineMs: 500}";
      writeFileSync(config, `inputs: [${input}]\n${parts}\n${bus}\n`);
    },
    /** The lines of an output's file; those of one row each, as the shop's are. */
    lines(output: string): Line[] {
      const file = join(folder, "data", output, `${output}.ndjson`);
      const text = existsSync(file) ? readFileSync(file, "utf8") : "";
      return text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line);
    },
    /** One that is blocked from the beginning may never be ready. */
    async start({ ready = true } = {}) {
      const argv = [...dbusdCommand, "bus.yaml", "--admin", "127.0.0.1:0"];
      const dbusd = startCommand(argv, { cwd: folder });
      return running(folder, dbusd, await adminOf(dbusd, { ready }));
    },
    async check() {
      const argv = [...dbusdCommand, "--check", "--offline", "bus.yaml"];
      const dbusd = startCommand(argv, { cwd: folder });
      return { code: await dbusd.ended(), said: dbusd.out() + dbusd.err() };
    },
  };
}

function running(folder: string, dbusd: Command, url: string) {
  const dbc = async (...args: readonly string[]) => {
    const command = startCommand([...dbcCommand, ...args, "--admin", url], { cwd: folder });
    expect([await command.ended(), command.err()]).toEqual([0, ""]);
    return command.out();
  };
  const stat = async () => (await (await fetch(`${url}/api/v1/stat`)).json()) as Stat;
  return {
    dbusd,
    dbc,
    stat,
    letters: async () => {
      const listed = await dbc("deadletters", "list", "--limit", "1000", "--json");
      return JSON.parse(listed) as Letter[];
    },
    /** Everything that was read is settled. */
    through: () =>
      waitFor(
        async () => {
          const [input] = (await stat()).inputs;
          return input?.state === "finished" && input.inFlight === 0;
        },
        { what: "the end of the binlog", timeoutMs: 30_000 },
      ),
    async stop() {
      dbusd.kill("SIGTERM");
      expect(await dbusd.ended()).toBe(0);
    },
  };
}

export const placeOf = ({ position }: Letter) => JSON.parse(position) as Place;
/** What tells rows apart: those of one event stand at one position. */
export const rowKeys = (lines: readonly Line[]) =>
  lines.map(({ pos, rows }) => JSON.stringify([pos, rows]));
/** Those of the rows whose id is that one. */
export const withId = (lines: readonly Line[], id: number) =>
  lines.filter(({ rows }) => rows[0]?.[0] === id);
