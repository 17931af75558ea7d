import { join } from "node:path";
import { command } from "./command.ts";
import { debianRoot } from "./debian.ts";

/** A Go that can build modules which ask for Go 1.22, and the environment that it needs. */
export type GoTool = { readonly go: string; readonly env: Record<string, string> };

/**
 * The machine's Go if it is 1.21 or newer, as that one gets a newer toolchain by itself when a
 * module asks for it; else Debian sid's, unpacked into the cache.
 */
export async function goTool(): Promise<GoTool> {
  // Go's own installer puts it where PATH often does not look.
  const found = Bun.which("go") ?? Bun.which("go", { PATH: "/usr/local/go/bin" });
  if (found !== null && (await minorOf(found)) >= 21) return { go: found, env: {} };
  const { root } = await debianRoot("go-sid", "sid", ["golang-go"]);
  const goroot = await command(["sh", "-c", `ls -d '${root}'/usr/lib/go-1.* | tail -n 1`]);
  const GOROOT = goroot.trim();
  return { go: join(GOROOT, "bin/go"), env: { GOROOT } };
}

async function minorOf(go: string): Promise<number> {
  const text = await command([go, "version"]).catch(() => "");
  return Number(/go1\.(\d+)/.exec(text)?.[1] ?? 0);
}
