import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { cacheDir, withLock } from "./cache.ts";
import { command } from "./command.ts";

/** The Debian packages that carry each tool; a later one is taken where the first is not known. */
const packages = {
  java: ["openjdk-17-jre-headless", "openjdk-21-jre-headless"],
  mvn: ["maven"],
  setpriv: ["util-linux"],
  "dpkg-deb": ["dpkg"],
  gcc: ["gcc"],
  openssl: ["openssl"],
} as const;

export type SystemTool = keyof typeof packages;

/**
 * Returns the path of a tool of the system. Root on a machine with apt-get gets what is missing
 * installed; everybody else gets told the command that does it.
 */
export async function systemTool(tool: SystemTool): Promise<string> {
  const found = findTool(tool);
  if (found !== null) return found;
  const names = packages[tool];
  const root = process.getuid?.() === 0;
  if (!root || Bun.which("apt-get") === null) {
    throw new Error(`\`${tool}\` is missing here. Install it: sudo apt-get install -y ${names[0]}`);
  }
  await mkdir(cacheDir(), { recursive: true });
  await withLock(join(cacheDir(), "apt-install.lock"), () => install(tool, names));
  const installed = findTool(tool);
  if (installed === null)
    throw new Error(`${names[0]} is installed but \`${tool}\` is not on PATH`);
  return installed;
}

async function install(tool: SystemTool, names: readonly string[]): Promise<void> {
  if (findTool(tool) !== null) return;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await command(["apt-get", "update"], { env, what: `apt-get update, for ${tool}` });
  let failure: unknown;
  for (const name of names) {
    try {
      const argv = ["apt-get", "install", "-y", "--no-install-recommends", name];
      await command(argv, { env, what: `apt-get install ${name}` });
      return;
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

function findTool(tool: SystemTool): string | null {
  return Bun.which(tool);
}
