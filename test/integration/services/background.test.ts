import { expect } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheDir } from "../../services/cache.ts";
import { startMysql, useStarted } from "../../services/index.ts";
import { ask } from "../../services/server-process.ts";

/** What `services status --json` prints, as far as this test looks at it. */
type Status = { services: { name: string; address: string; pids: number[]; dir: string }[] };

const services = await useStarted("mariadb", async () => {
  // Fills the cache; the servers of this test keep their records in a cache of their own.
  await (await startMysql({ flavor: "mariadb" })).stop();
  const cache = mkdtempSync(join(tmpdir(), "dbus-cache-"));
  for (const name of readdirSync(cacheDir())) {
    if (name.startsWith("mariadb") && !name.endsWith(".lock")) {
      symlinkSync(join(cacheDir(), name), join(cache, name));
    }
  }
  return { cache };
});

services.test(
  "up starts a server that stays, status names it, down removes it",
  async ({ cache }) => {
    const cli = async (...args: readonly string[]): Promise<Status> => {
      const script = join(import.meta.dir, "../../services/cli.ts");
      const child = Bun.spawn([process.execPath, script, ...args, "--json"], {
        env: { ...process.env, DBUS_CACHE: cache },
        stdout: "pipe",
        stderr: "inherit",
      });
      return JSON.parse(await new Response(child.stdout).text()) as Status;
    };
    const up = (await cli("up", "mariadb")).services[0]!;
    const port = Number(up.address.split(":")[1]);
    try {
      expect((await ask(port, new Uint8Array(0), 5))[4]).toBe(10);
      const again = await cli("up", "mariadb");
      expect(again.services).toEqual([up]);
    } finally {
      expect(await cli("down")).toEqual({ services: [] });
    }
    await expect(ask(port, new Uint8Array(0), 5)).rejects.toThrow("ECONNREFUSED");
    expect(existsSync(up.dir)).toBe(false);
    rmSync(cache, { recursive: true });
  },
);
