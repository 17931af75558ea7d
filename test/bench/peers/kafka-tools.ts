import { join } from "node:path";
import { kafkaLibs } from "../../services/kafka.ts";
import { mavenLibs } from "../../services/maven.ts";
import { systemTool } from "../../services/system-tools.ts";
import { type Measured, startMeasured } from "../measure.ts";

/** MirrorMaker 2 of the same version as the broker, in its own process, from Maven. */
export function mirrorMakerLibs(): Promise<string> {
  return mavenLibs("connect-mirror-4.1.0", ["org.apache.kafka:connect-mirror:4.1.0"]);
}

/** Starts it so that it copies one topic of a cluster to `a.TOPIC` there, with its heap's default. */
export async function startMirrorMaker(
  bootstrap: string,
  topic: string,
  dir: string,
): Promise<Measured> {
  const java = await systemTool("java");
  const libs = await mirrorMakerLibs();
  const file = join(dir, "mm2.properties");
  const one = (name: string) => `${name}=1\n`;
  const text = [
    "clusters=a,b\n",
    `a.bootstrap.servers=${bootstrap}\nb.bootstrap.servers=${bootstrap}\n`,
    `a->b.enabled=true\na->b.topics=${topic}\nb->a.enabled=false\ntasks.max=1\n`,
    "emit.heartbeats.enabled=false\nemit.checkpoints.enabled=false\nsync.topic.acls.enabled=false\n",
    ...["replication.factor", "offset-syncs.topic.replication.factor"].map(one),
    ...["checkpoints", "heartbeats"].map((name) => one(`${name}.topic.replication.factor`)),
    ...["offset", "status", "config"].map((name) => one(`${name}.storage.replication.factor`)),
  ];
  await Bun.write(file, text.join(""));
  const main = "org.apache.kafka.connect.mirror.MirrorMaker";
  const argv = [java, "-Xms256m", "-Xmx2g", "-cp", join(libs, "*"), main, file];
  return startMeasured(argv, { logFile: join(dir, "mm2.log"), cwd: dir });
}

/** Java's own load tool: so many records of so many bytes, with the given producer settings. */
export async function startJavaProducer(
  bootstrap: string,
  topic: string,
  load: { readonly rows: number; readonly bytes: number },
  dir: string,
  settings: readonly string[] = [],
): Promise<Measured> {
  const java = await systemTool("java");
  const main = "org.apache.kafka.tools.ProducerPerformance";
  const argv = [
    ...[java, "-Xmx512m", "-cp", join(await kafkaLibs(), "*"), main],
    ...["--topic", topic, "--num-records", String(load.rows)],
    ...["--record-size", String(load.bytes), "--throughput", "-1"],
    ...["--producer-props", `bootstrap.servers=${bootstrap}`, "acks=all", ...settings],
  ];
  return startMeasured(argv, { logFile: join(dir, "producer.log"), cwd: dir });
}
