import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const run = join(import.meta.dir, "../../run");
const scratch = mkdtempSync(join(tmpdir(), "dbus run "));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A folder with every program of PATH but those named: a machine that lacks them. */
function pathWithout(...missing: readonly string[]): string {
  const dir = mkdtempSync(join(scratch, "bin-"));
  const seen = new Set(missing);
  for (const from of (process.env.PATH ?? "").split(":")) {
    for (const name of listing(from)) {
      if (seen.has(name)) continue;
      seen.add(name);
      symlinkSync(join(from, name), join(dir, name));
    }
  }
  return dir;
}

function listing(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    // PATH may name folders that are not there.
    return [];
  }
}

async function start(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([run, ...args], {
    cwd: scratch,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}

const withoutBun = pathWithout("bun", "bunx");

test("a machine without Bun gets it by npm, once, and says so", async () => {
  const env = { PATH: withoutBun, DBUS_CACHE: join(scratch, "cache of npm") };
  const first = await start(["services", "--help"], env);
  if (Bun.which("npm") === null) {
    expect(first.err).toContain("nor npm is here");
    return;
  }
  expect([first.code, first.out]).toEqual([0, expect.stringContaining("services up")]);
  expect(first.err).toContain("getting Bun");
  const second = await start(["services", "--help"], env);
  expect([second.code, second.err]).toEqual([0, ""]);
}, 300_000);

test("a machine without Bun and npm is told what to install", async () => {
  const PATH = pathWithout("bun", "bunx", "npm");
  const { code, err } = await start(["test", "unit"], { PATH, DBUS_CACHE: join(scratch, "none") });
  expect(code).toBe(1);
  expect(err).toContain("apt-get install npm");
});

test("a Bun that is too old is passed over for the one in the cache", async () => {
  const PATH = pathWithout("bun");
  const old = join(PATH, "bun");
  await Bun.write(old, "#!/bin/sh\necho 1.3.99\n");
  chmodSync(old, 0o755);
  const cache = join(scratch, "cache");
  const version = /^bun_version=(\S+)$/m.exec(await Bun.file(run).text())?.[1];
  mkdirSync(join(cache, `bun-${version}`), { recursive: true });
  symlinkSync(process.execPath, join(cache, `bun-${version}/bun`));
  const { code, out } = await start(["services", "--help"], { PATH, DBUS_CACHE: cache });
  expect([code, out]).toEqual([0, expect.stringContaining("services up")]);
});

test("a command that is not there is refused with a way to find the right one", async () => {
  for (const name of ["dbusdd", "a/b", "--verbose"]) {
    const { code, out, err } = await start([name], {});
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(`there is no command ${name}`);
    expect(err).toContain("./run --help");
  }
});

test("without a command it says what there is", async () => {
  const { code, out } = await start([], {});
  expect(code).toBe(0);
  expect(out).toContain("./run dbusd");
  expect(out).toMatch(/all commands: .*\bdbc\b.*\bcheck\b/);
});
