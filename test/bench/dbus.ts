import { join } from "node:path";
import { type Measured, startMeasured } from "./measure.ts";
import type { Mover, MoverOptions } from "./mover.ts";

const repo = join(import.meta.dir, "../..");

/** dbusd as users start it, with its defaults: a process of its own, SQLite state, the admin API. */
export const dbus = dbusWith("dbus", {});

/** The same, but what is there is sent at once instead of waiting for a fuller batch. */
export const dbusAtOnce = dbusWith("dbus-at-once", { lingerMs: 0 });

function dbusWith(name: string, batch: { readonly lingerMs?: number }): Mover {
  return {
    name,
    topicOf: (table) => `dbus.bench.${table}`,
    start: (options) => startDbusd(configOf(options, batch), options.dir),
    column(value, column) {
      const { dml, cols, rows } = JSON.parse(value.toString()) as RowEvent;
      if (dml !== "I") throw new Error(`a record of dbus's with dml ${dml}`);
      return rows[0]?.[cols.indexOf(column)];
    },
  };
}

/** Starts dbusd by its command line on a config, which is written to `dir`. */
export async function startDbusd(config: unknown, dir: string): Promise<Measured> {
  const file = join(dir, "dbus.yaml");
  // JSON is YAML.
  await Bun.write(file, JSON.stringify(config, null, 2));
  return startMeasured([process.execPath, "src/cli/dbusd.ts", file], {
    logFile: join(dir, "dbusd.log"),
    cwd: repo,
  });
}

type RowEvent = {
  readonly dml: string;
  readonly cols: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
};

function configOf(options: MoverOptions, batch: { readonly lingerMs?: number }): unknown {
  const { mysqlPort, bootstrap, table, dir } = options;
  return {
    state: { dir: join(dir, "state") },
    admin: { port: 0 },
    inputs: [
      {
        name: "bench",
        plugin: "MysqlbinlogInput",
        ...{ host: "127.0.0.1", port: mysqlPort, user: "root", password: "" },
        tables: [`bench.${table}`],
        start: "earliest",
      },
    ],
    outputs: [
      {
        name: "kafka",
        plugin: "KafkaOutput",
        match: "bench",
        brokers: bootstrap.split(","),
        topic: "dbus.${db}.${tbl}",
        format: "row",
        batch,
      },
    ],
  };
}
