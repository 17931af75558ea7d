import { z } from "zod";
import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { optional } from "./optional.ts";
import { paths } from "./paths.ts";
import { decode, encode } from "./records.ts";
import { createIfMissing } from "./register-resources.ts";

/** What a participant made of the configurations that were pushed; ephemeral. */
const reportSchema = z.strictObject({
  /** The version that it runs, 0 when it has another source. */
  n: z.int().min(0),
  /** The newest, when it was refused; null once one was taken. */
  refused: z
    .strictObject({ n: z.int(), code: z.string(), problems: z.array(z.string()), at: z.number() })
    .nullable(),
});
export type ConfigReport = z.output<typeof reportSchema>;

const reportPath = (pid: string): string => `${paths.configState}/${pid}`;
const problemsMax = 50;

/** Says what this participant runs, to everybody. */
export async function reportConfig(
  session: ZkSession,
  pid: string,
  report: ConfigReport,
): Promise<void> {
  await createIfMissing(session, paths.configState, new Uint8Array(0));
  const path = reportPath(pid);
  const { refused } = report;
  const problems = refused?.problems.slice(0, problemsMax) ?? [];
  const data = encode({ ...report, refused: refused && { ...refused, problems } });
  const there = await session.exists(path);
  if (there === null) await session.create(path, data, { mode: "ephemeral" });
  else if (there.ephemeralOwner === session.id) await session.set(path, data, there.version);
  else {
    // One of an older session of ours, for a process of the same name cannot join.
    await session.multi([
      { kind: "delete", path, version: there.version },
      { kind: "create", path, data, mode: "ephemeral" },
    ]);
  }
}

/** What all of them say, by participant. */
export async function configReports(
  session: ZkSession,
): Promise<ReadonlyMap<string, ConfigReport>> {
  if ((await session.exists(paths.configState)) === null) return new Map();
  const { names } = await session.children(paths.configState);
  const read = await Promise.all(
    names.map(async (pid) => {
      const path = reportPath(pid);
      const found = await optional(session, path, (data) => decode(reportSchema, data, path));
      return found ? ([[pid, found.record]] as const) : [];
    }),
  );
  return new Map(read.flat());
}
