import type { Config } from "../config/config.ts";
import { memoryBound } from "../config/memory-bound.ts";
import { hasErrors, type Problem } from "../config/problem.ts";
import { checkServers, checksText, firstError } from "./check-servers.ts";
import { exitCodeOf, exitCodeOfProblems, exitCodes } from "./exit-code.ts";
import { memoryText } from "./memory-text.ts";

type Checked = {
  readonly file: string;
  /** Null where it could not be made out. */
  readonly config: Config | null;
  readonly problems: readonly Problem[];
};

type How = {
  readonly json: boolean;
  /** No server is asked. */
  readonly offline: boolean;
  readonly out: (text: string) => void;
};

/** What `dbusd --check` says of a configuration whose problems were told; answers the exit code. */
export async function checkConfig(
  { file, config, problems }: Checked,
  { json, offline, out }: How,
): Promise<number> {
  if (config === null || hasErrors(problems)) {
    if (json) out(`${JSON.stringify({ file, ok: false, problems, servers: [] }, null, 2)}\n`);
    return exitCodeOfProblems(problems);
  }
  const bound = memoryBound(config);
  const servers = offline ? [] : await checkServers(config);
  const error = firstError(servers);
  const ok = error === undefined;
  if (json) {
    const memoryBoundBytes = bound.bytes;
    out(`${JSON.stringify({ file, ok, problems, servers, memoryBoundBytes }, null, 2)}\n`);
  } else {
    const verdict = ok
      ? "it can be used"
      : "it is well formed, but its servers are not ready for it";
    out(`${file}: ${verdict}\n${checksText(servers)}${memoryText(bound)}`);
  }
  return error === undefined ? exitCodes.clean : exitCodeOf(error);
}
