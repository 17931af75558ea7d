import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { cached } from "./cache.ts";
import { command } from "./command.ts";
import { type DebianRoot, debianRoot } from "./debian.ts";
import { freePort } from "./port.ts";
import { progress } from "./progress.ts";
import { removeRunDir, runDir } from "./run-dir.ts";
import { ask, type Elsewhere, type ServerProcess, startServer, within } from "./server-process.ts";

export type MysqlFlavor = "mysql" | "mariadb";

/** Where a MySQL or MariaDB server listens and who may log in there. */
export type MysqlAddress = {
  readonly host: string;
  readonly port: number;
  readonly user: "root";
  readonly password: "";
  readonly flavor: MysqlFlavor;
};

/** A server of one's own. `dir` is its data folder: binlogs, certificates, everything. */
export type MysqlService = MysqlAddress & {
  readonly pid: number;
  readonly dir: string;
  /** Stops it (SIGTERM, then SIGKILL) and removes its data, unless `dir` was given. */
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Stops it if it still runs and starts it again on the same port and data. */
  restart(): Promise<void>;
};

export type MysqlOptions = {
  readonly flavor?: MysqlFlavor;
  /** More server arguments; they come last, so they win over the ones given here. */
  readonly args?: readonly string[];
  /** A data folder to use, made from the template if it is not there, and never removed. */
  readonly dir?: string;
  /** Where it runs, unless on loopback. */
  readonly elsewhere?: Elsewhere;
};

/** Starts MySQL 9.7 or MariaDB 10.11 with row binlogs and GTIDs on; root has no password. */
export async function startMysql(options: MysqlOptions = {}): Promise<MysqlService> {
  const flavor = options.flavor ?? "mysql";
  const build = await builds[flavor]();
  const template = await cached(`${build.name}-data-1`, (dir) => build.initialise(dir));
  const run = await runDir(flavor);
  const dir = options.dir ?? join(run, "data");
  if (!existsSync(dir)) await command(["cp", "-a", "--reflink=auto", template, dir]);
  const port = await freePort();
  const { elsewhere } = options;
  const host = elsewhere?.host ?? "127.0.0.1";
  const args = serverArgs(flavor, dir, run, { host, port });
  const server = await startServer({
    name: flavor,
    argv: [...within(elsewhere), ...build.argv, ...args, ...(options.args ?? [])],
    logFile: join(run, "server.log"),
    ready: () => greets(port, host),
  });
  return mysqlService(server, { flavor, host, port, dir, run });
}

type Build = {
  readonly name: string;
  /** The head of the command line: the loader, the program and where its files are. */
  readonly argv: readonly string[];
  initialise(dir: string): Promise<void>;
};

const builds: Record<MysqlFlavor, () => Promise<Build>> = {
  mysql: async () => {
    const name = "mysql-sid";
    const at = await debianRoot(name, "sid", ["mysql-server-core", "mysql-client-core"]);
    const argv = mysqldArgv(at, "mysqld");
    return { name, argv, initialise: (dir) => initialiseMysql(argv, dir) };
  },
  mariadb: async () => {
    const name = "mariadb-bookworm";
    const at = await debianRoot(name, "bookworm", ["mariadb-server-core", "mariadb-client-core"]);
    const argv = mysqldArgv(at, "mariadbd");
    return { name, argv, initialise: (dir) => initialiseMariadb(argv, at.root, dir) };
  },
};

function mysqldArgv(at: DebianRoot, program: "mysqld" | "mariadbd"): string[] {
  const share = `${at.root}/usr/share/mysql`;
  return [
    ...[...at.loader, `${at.root}/usr/sbin/${program}`, "--no-defaults", "--user=root"],
    ...[`--basedir=${at.root}/usr`, `--lc-messages-dir=${share}`],
    ...[`--character-sets-dir=${share}/charsets`, `--plugin-dir=${at.root}/usr/lib/mysql/plugin`],
    "--secure-file-priv=",
  ];
}

type At = { readonly host: string; readonly port: number };

/** Small buffers, and no fsync: a killed process loses nothing by that, only a lost machine. */
function serverArgs(flavor: MysqlFlavor, dir: string, run: string, at: At): string[] {
  const common = [
    ...[`--datadir=${dir}`, `--socket=${run}/sock`, `--pid-file=${run}/pid`, `--port=${at.port}`],
    // Of its own: a server that starts deletes the temporary tables of every other in a shared one.
    `--tmpdir=${run}`,
    ...[`--bind-address=${at.host}`, `--server-id=${at.port}`, "--log-bin=binlog"],
    ...["--binlog-format=ROW", "--performance-schema=OFF", "--max-connections=100"],
    ...["--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0"],
    "--max-allowed-packet=256M",
  ];
  if (flavor === "mariadb") return common;
  return [...common, "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--mysqlx=OFF"];
}

async function initialiseMysql(argv: readonly string[], dir: string): Promise<void> {
  progress("mysql: making the data folder that every server starts from");
  const init = `${dir}.sql`;
  await Bun.write(init, `${rootFromAnywhere}\n`);
  await rm(dir, { recursive: true, force: true });
  const log = ["--skip-log-bin", `--init-file=${init}`];
  await command([...argv, "--mysqlx=OFF", `--datadir=${dir}`, "--initialize-insecure", ...log]);
  // Without it each server makes a server_uuid of its own.
  await rm(join(dir, "auto.cnf"), { force: true });
  await rm(init);
}

/** What mariadb-install-db does, without its search for programs of the machine. */
async function initialiseMariadb(
  argv: readonly string[],
  root: string,
  dir: string,
): Promise<void> {
  progress("mariadb: making the data folder that every server starts from");
  const share = join(root, "usr/share/mysql");
  const parts = ["CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n"];
  for (const part of ["system_tables", "performance_tables", "system_tables_data"]) {
    parts.push(await Bun.file(join(share, `mysql_${part}.sql`)).text());
  }
  await mkdir(dir, { recursive: true });
  await command([...argv, `--datadir=${dir}`, "--bootstrap", "--skip-log-bin"], {
    stdin: new TextEncoder().encode(parts.join("\n")),
  });
}

const rootFromAnywhere =
  "CREATE USER root@'%' IDENTIFIED BY ''; GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;";

/** The server speaks first: its greeting holds protocol version 10 after the packet's header. */
async function greets(port: number, host: string): Promise<boolean> {
  return (await ask(port, new Uint8Array(0), 5, host))[4] === 10;
}

function mysqlService(
  server: ServerProcess,
  at: { flavor: MysqlFlavor; host: string; port: number; dir: string; run: string },
): MysqlService {
  return {
    ...{ host: at.host, port: at.port, user: "root", password: "" },
    ...{ flavor: at.flavor, dir: at.dir },
    get pid() {
      return server.pid;
    },
    stop: async () => {
      await server.stop();
      removeRunDir(at.run);
    },
    kill: (signal) => server.kill(signal),
    restart: async () => {
      await server.stop();
      await server.start();
    },
  };
}
