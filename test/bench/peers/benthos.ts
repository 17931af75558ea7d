import { join } from "node:path";
import { cached } from "../../services/cache.ts";
import { command } from "../../services/command.ts";
import { goTool } from "../../services/go-tool.ts";
import { runDir } from "../../services/run-dir.ts";
import { startMeasured, type Usage } from "../measure.ts";

const version = "4.60.0";
const module = "github.com/redpanda-data/benthos/v4";

/** The Benthos program, built once from its Go module. */
export async function benthosProgram(): Promise<string> {
  const { go, env } = await goTool();
  const dir = await cached(`benthos-${version}`, async (partial) => {
    await Bun.write(
      join(partial, "go.mod"),
      `module bench\n\ngo 1.22\n\nrequire ${module} v${version}\n`,
    );
    const build = [go, "build", "-mod=mod", "-o", "benthos", `${module}/cmd/benthos`];
    const what = `benthos ${version}: downloading and building, a minute or two`;
    await command(build, { cwd: partial, env, what, watch: partial });
  });
  return join(dir, "benthos");
}

export type BenthosCase = {
  readonly count: number;
  readonly batch: number;
  /** Processors between input and output. */
  readonly filters: number;
  /** Outputs that get every message. */
  readonly outputs: number;
};

/** Runs `generate` to `drop` to its end; resolves to the messages per second after its start. */
export async function runBenthos(at: BenthosCase): Promise<{ rate: number; usage: Usage }> {
  const dir = await runDir("benthos");
  const program = await benthosProgram();
  const empty = await timed(program, dir, { ...at, count: at.batch });
  const full = await timed(program, dir, at);
  return { rate: at.count / (full.seconds - empty.seconds), usage: full.usage };
}

async function timed(
  program: string,
  dir: string,
  at: BenthosCase,
): Promise<{ seconds: number; usage: Usage }> {
  const config = join(dir, "benthos.yaml");
  const logFile = join(dir, "benthos.log");
  await Bun.write(config, JSON.stringify(configOf(at)));
  const run = await startMeasured([program, "-c", config], { logFile });
  const code = await run.exited;
  const seconds = (performance.now() - run.startedAt) / 1000;
  if (code !== 0) throw new Error(`benthos ended with ${code}: ${await Bun.file(logFile).text()}`);
  return { seconds, usage: run.usage() };
}

/** JSON is YAML, so this is a Benthos config file. */
function configOf({ count, batch, filters, outputs }: BenthosCase): unknown {
  const drops = Array.from({ length: outputs }, () => ({ drop: {} }));
  return {
    http: { enabled: false },
    logger: { level: "ERROR" },
    input: {
      generate: { count, interval: "", batch_size: batch, mapping: `root = "${"x".repeat(64)}"` },
    },
    pipeline: {
      processors: Array.from({ length: filters }, () => ({ noop: {} })),
    },
    output: outputs === 1 ? drops[0] : { broker: { pattern: "fan_out", outputs: drops } },
  };
}
