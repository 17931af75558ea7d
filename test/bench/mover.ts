import type { Measured } from "./measure.ts";

/** A program that reads MySQL's binlog and writes to Kafka: dbus, or one of its peers. */
export type Mover = {
  readonly name: string;
  /** The topic to which the rows of `bench.TABLE` go. */
  topicOf(table: string): string;
  /** Starts it so that it reads the whole binlog. */
  start(at: MoverOptions): Promise<Measured>;
  /** A column of the row that a record says was inserted; throws when it is no such record. */
  column(value: Buffer, name: string): unknown;
};

export type MoverOptions = {
  readonly mysqlPort: number;
  readonly bootstrap: string;
  /** The tables of the database `bench` that it moves. */
  readonly table: string;
  /** A folder of this run for its config, state and log. */
  readonly dir: string;
};
