import { rm } from "node:fs/promises";
import { join } from "node:path";
import { cached } from "./cache.ts";
import { command } from "./command.ts";
import { systemTool } from "./system-tools.ts";

/**
 * The folder of the cache with the jars of some artifacts (`group:artifact:version`) and of all
 * that they need at run time. Maven gets them, with the settings that its user has.
 */
export async function mavenLibs(name: string, artifacts: readonly string[]): Promise<string> {
  await systemTool("java");
  return cached(name, async (dir) => {
    const mvn = await systemTool("mvn");
    const pom = join(dir, "pom.xml");
    await Bun.write(pom, pomOf(artifacts));
    const goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"];
    await command([mvn, "-B", "-ntp", "-q", "-f", pom, ...goal, `-DoutputDirectory=${dir}`], {
      what: `${name}: downloading ${artifacts.join(" ")}`,
    });
    await rm(pom);
  });
}

function pomOf(artifacts: readonly string[]): string {
  const dependencies = artifacts.map((artifact) => {
    const [group, id, version] = artifact.split(":");
    return (
      `<dependency><groupId>${group}</groupId><artifactId>${id}</artifactId>` +
      `<version>${version}</version></dependency>`
    );
  });
  return (
    "<project><modelVersion>4.0.0</modelVersion><groupId>dbus</groupId>" +
    "<artifactId>libs</artifactId><version>1</version>" +
    `<dependencies>${dependencies.join("")}</dependencies></project>\n`
  );
}
