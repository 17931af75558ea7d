import { expect, test } from "bun:test";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { freePort } from "../../services/port.ts";
import { adminOf, dbusdCommand, startCommand } from "../../support/command.ts";
import { startDaemonProcess } from "../../support/daemon-process.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { waitFor } from "../../support/wait-for.ts";

/** Addresses and ports on which a process listens by TCP, and the UDP sockets that it has. */
function listening(pid: number): readonly string[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        // It was closed meanwhile.
        return [];
      }
    }),
  );
  return ["tcp", "tcp6", "udp", "udp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((cells) => sockets.has(cells[9] ?? "") && (table[0] === "u" || cells[3] === "0A"))
      .map((cells) => `${table} ${cells[1]}`),
  );
}

const loopback = (port: number) =>
  `tcp 0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;

test("S19: a default start listens on one port of loopback, and on nothing else", async () => {
  const cwd = tempDir("default-start");
  const port = await freePort();
  const dbusd = startCommand([...dbusdCommand, "--admin", `127.0.0.1:${port}`], { cwd });
  const url = await adminOf(dbusd);
  expect(listening(dbusd.pid)).toEqual([loopback(port)]);
  // The port that it takes unless told is that of the page.
  const page = readFileSync(join(import.meta.dir, "../../../docs/configuration.md"), "utf8");
  expect(page).toContain("`127.0.0.1`, `9876`");
  for (const path of [
    ..."/debug /debug/pprof /debug/pprof/heap /pprof /heap /heapdump /json /json/version".split(
      " ",
    ),
    ..."/metrics.json /actuator /env /api/v1/env /api/v1/debug /.env /server-status /".split(" "),
    ..."/..%2f..%2fetc%2fpasswd /%2e%2e/etc/passwd /api/v1/..%2f..%2fetc".split(" "),
  ]) {
    const { status } = await fetch(url + path);
    expect([path, status]).toEqual([path, 404]);
  }
  dbusd.kill("SIGTERM");
  expect(await dbusd.ended()).toBe(0);
});

/** Everything below a folder, links not followed. */
function treeOf(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((one) => {
    const path = join(folder, one.name);
    return one.isDirectory() ? [path, ...treeOf(path)] : [path];
  });
}

test("S9: whatever dbus makes is for its owner only, under any umask", async () => {
  const dir = tempDir("modes");
  const port = await freePort();
  const config = {
    state: { dir: join(dir, "made", "state") },
    inputs: [{ name: "in", plugin: "HttpInput", port }],
    filters: [{ name: "refuses", plugin: "MockFilter", match: "in" }],
    outputs: [
      { name: "rotates", plugin: "StreamOutput", match: "*", rotate: { bytesMax: 50 } },
      { name: "named", plugin: "StreamOutput", match: "*", file: join(dir, "made", "x", "y.log") },
    ],
  };
  const umask = process.umask(0);
  try {
    const daemon = await startDaemonProcess({ dir, config });
    await daemon.ready();
    const headers = { "content-type": "application/json" };
    const post = () =>
      fetch(`http://127.0.0.1:${port}/`, { method: "POST", headers, body: '{"x":"0123456789"}' });
    for (let n = 0; n < 10; n++) expect((await post()).status).toBe(202);
    const made = [join(dir, "made"), ...treeOf(join(dir, "made"))];
    expect(made.length).toBeGreaterThan(10);
    const open = made.filter((path) => (lstatSync(path).mode & 0o077) !== 0);
    expect(open).toEqual([]);
    expect(await daemon.stop()).toBe(0);
  } finally {
    process.umask(umask);
  }
});

test.each([
  ["its folder", (state: string, target: string) => symlinkSync(target, join(state, "kept"))],
  [
    "its file",
    (state: string, target: string) => {
      mkdirSync(join(state, "kept"));
      symlinkSync(join(target, "stolen"), join(state, "kept", "kept.ndjson"));
    },
  ],
])("S9: an output follows no link out of the data folder: %s", async (_, link) => {
  const dir = tempDir("links");
  const target = join(dir, "elsewhere");
  const state = join(dir, "state");
  mkdirSync(target);
  mkdirSync(state, { mode: 0o700 });
  link(state, target);
  const daemon = await startDaemonProcess({
    dir,
    config: {
      state: { dir: state },
      inputs: [{ name: "in", plugin: "MockInput", count: 5 }],
      outputs: [{ name: "kept", plugin: "StreamOutput", match: "in" }],
    },
  });
  await waitFor(async () => (await daemon.log()).includes("STREAM_UNWRITABLE"), {
    what: "the refusal",
    timeoutMs: 20_000,
  });
  expect(readdirSync(target)).toEqual([]);
  daemon.kill("SIGKILL");
  await daemon.exited;
});
