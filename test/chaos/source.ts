import type { MysqlService } from "../services/index.ts";
import { createLedger } from "../support/ledger-writer.ts";
import { clientAt } from "../support/mysql-client.ts";
import type { SourcePlan } from "./round-plan.ts";

/** The ledger of one round: a database and an account of its own on a server that rounds share. */
export type Source = {
  readonly db: string;
  readonly user: string;
  readonly password: string;
  /** Where the input begins: before the first change of this ledger. */
  readonly start: { readonly file: string; readonly pos: number } | { readonly gtid: string };
  drop(): Promise<void>;
};

/** Long enough that no other text of a log is ever like it. */
function randomPassword(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(18))).toString("hex");
}

export async function openSource(
  server: MysqlService,
  plan: SourcePlan,
  name: string,
): Promise<Source> {
  const root = await clientAt(server);
  const query = (sql: string) => root.query(sql);
  const user = name;
  const password = randomPassword();
  try {
    await query(`SET GLOBAL binlog_row_metadata = ${plan.metadata}`);
    await query("FLUSH BINARY LOGS");
    const mariadb = server.flavor === "mariadb";
    const [status] = await query(mariadb ? "SHOW MASTER STATUS" : "SHOW BINARY LOG STATUS");
    const file = String(status?.File);
    // What earlier rounds wrote would fill the disk.
    await query(`PURGE BINARY LOGS TO '${file}'`);
    const set = mariadb ? "@@global.gtid_binlog_pos" : "@@global.gtid_executed";
    const [position] = await query(`SELECT ${set} AS gtid`);
    const gtid = String(position?.gtid).replace(/\s/g, "");
    const start = plan.startBy === "gtid" ? { gtid } : { file, pos: Number(status?.Position) };
    await query(`CREATE USER ${user} IDENTIFIED BY '${password}'`);
    await query(`GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT ON *.* TO ${user}`);
    await createLedger(server, name);
    return {
      ...{ db: name, user, password, start },
      drop: async () => {
        const last = await clientAt(server);
        try {
          await last.query(`DROP DATABASE ${name}`);
          await last.query(`DROP USER ${user}`);
        } finally {
          last.close();
        }
      },
    };
  } finally {
    root.close();
  }
}
