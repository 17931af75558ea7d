import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { refusal } from "#src/config/load.ts";
import { hasErrors } from "#src/config/problem.ts";
import { DbusError, type Problem } from "#src/errors.ts";
import {
  type ConfigDocument,
  type ConfigVersion,
  configVersions,
  currentConfig,
  pushConfig,
  readConfig,
} from "../config-store.ts";

/** What is to be known of a text before it may count. */
export type ConfigCheck = {
  readonly problems: readonly Problem[];
  /** Keys that differ from what runs and are read at a start only. */
  readonly restart: readonly string[];
};

export type PushRequest = {
  readonly text: string;
  /** Refused unless this version counts; 0 is none. */
  readonly base?: number | undefined;
  readonly dryRun: boolean;
};

export type PushReport = Pick<ConfigCheck, "restart"> & {
  readonly outcome: "pushed" | "unchanged" | "dry-run";
  /** The version that counts now. */
  readonly n: number;
  /** What is odd about it, but no error. */
  readonly warnings: readonly Problem[];
};

/** The configuration that participants take from the cluster. Every method throws `DbusError`. */
export type SharedConfig = {
  versions(): Promise<readonly ConfigVersion[]>;
  /** null: the one that counts. Throws NOT_FOUND. */
  read(n: number | null): Promise<ConfigDocument>;
  /** Refused whole, with all its `problems`, when it is not right: then nothing changes. */
  push(request: PushRequest, by: string): Promise<PushReport>;
  /** Lets an older text count again, as a new version; null: the one before. */
  rollback(to: number | null, dryRun: boolean, by: string): Promise<PushReport>;
};

export type SharedConfigDeps = {
  readonly session: () => ZkSession;
  readonly check: (text: string) => Promise<ConfigCheck>;
  /** Unix milliseconds. */
  readonly wall: () => number;
};

export function createSharedConfig({ session, check, wall }: SharedConfigDeps): SharedConfig {
  async function read(n: number | null): Promise<ConfigDocument> {
    if (n === null) {
      const current = await currentConfig(session());
      if (current) return current;
      const remedy = "dbc config push FILE makes the first version";
      throw new DbusError("NOT_FOUND", "no configuration was pushed yet", { remedy });
    }
    const found = await readConfig(session(), n);
    if (found) return found;
    const remedy = "dbc config history tells which there are; the newest hundred are kept";
    throw new DbusError("NOT_FOUND", `there is no version ${n}`, { remedy });
  }

  async function push(
    { text, base, dryRun }: PushRequest,
    by: string,
    of: number | null,
  ): Promise<PushReport> {
    const { problems, restart } = await check(text);
    if (hasErrors(problems)) throw refusal(problems);
    const report = { restart, warnings: problems };
    if (dryRun) {
      const n = (await currentConfig(session()))?.n ?? 0;
      return { ...report, n, outcome: "dry-run" };
    }
    const { n, changed } = await pushConfig(session(), { text, by, at: wall(), base, of });
    return { ...report, n, outcome: changed ? "pushed" : "unchanged" };
  }

  return {
    versions: () => configVersions(session()),
    read,
    push: (request, by) => push(request, by, null),
    async rollback(to, dryRun, by) {
      const current = await read(null);
      const { n, text } = to === null ? await before(current.n) : await read(to);
      return push({ text, base: current.n, dryRun }, by, n);
    },
  };

  async function before(current: number): Promise<ConfigDocument> {
    const [last] = (await configVersions(session())).filter(({ n }) => n < current);
    if (last) return read(last.n);
    throw new DbusError("NOT_FOUND", `there is no version before ${current}`);
  }
}
