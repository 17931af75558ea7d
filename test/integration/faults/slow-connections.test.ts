import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../services/port.ts";
import { runDir } from "../../services/run-dir.ts";
import { startDaemonProcess } from "../../support/daemon-process.ts";
import { waitFor } from "../../support/wait-for.ts";

const count = Number(process.env.DBUS_SLOW_CONNECTIONS ?? 5000);

/** Opens connections to a port, each with the beginning of a request that never goes on. */
async function openSlow(port: number, many: number) {
  const open = new Set<Bun.Socket>();
  let ended = 0;
  const head = "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ";
  const connect = () =>
    Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open(socket) {
          open.add(socket);
          socket.write(head.slice(0, open.size % head.length));
        },
        data() {},
        close(socket) {
          if (open.delete(socket)) ended++;
        },
      },
    }).catch(() => ended++);
  for (let at = 0; at < many; at += 100) {
    await Promise.all(Array.from({ length: Math.min(100, many - at) }, connect));
  }
  return {
    get ended() {
      return ended;
    },
    drip() {
      for (const socket of open) socket.write("y");
    },
    end() {
      for (const socket of open) socket.terminate();
    },
  };
}

test("fault 90: thousands of slow connections keep neither probes nor packets out", async () => {
  const dir = await runDir("slow-connections");
  const port = await freePort();
  const daemon = await startDaemonProcess({
    dir,
    config: {
      state: { dir: join(dir, "state") },
      inputs: [{ name: "http", plugin: "HttpInput", port, clientConnectionsMax: 200 }],
      outputs: [{ name: "copy", plugin: "StreamOutput", match: "http" }],
    },
  });
  try {
    await daemon.ready();
    const admin = Number(new URL(daemon.adminUrl).port);
    const slow = [openSlow(port, count / 2), openSlow(admin, count / 2)] as const;
    let posted = 0;
    let slowestMs = 0;
    const timed = async (call: () => Promise<Response>) => {
      const since = performance.now();
      const { status } = await call();
      slowestMs = Math.max(slowestMs, performance.now() - since);
      return status;
    };
    const rounds = async () => {
      const body = JSON.stringify([1, 2, 3]);
      const headers = { "content-type": "application/json" };
      const url = `http://127.0.0.1:${port}/`;
      expect(await timed(() => fetch(url, { method: "POST", body, headers }))).toBe(202);
      expect(await timed(() => fetch(`${daemon.adminUrl}/healthz`))).toBe(200);
      expect(await timed(() => fetch(`${daemon.adminUrl}/api/v1/stat`))).toBe(200);
      posted++;
    };
    let attacking = true;
    const attack = Promise.all(slow).then((all) => {
      attacking = false;
      return all;
    });
    while (attacking) await rounds();
    const all = await attack;
    for (let n = 0; n < 50; n++) {
      for (const one of all) one.drip();
      await rounds();
    }
    // Of each sort as many are left as one client may have, and the process holds no more.
    const ended = () => all[0].ended + all[1].ended;
    await waitFor(() => ended() >= count - 264, { what: "the rest to be gone" });
    const files = readdirSync(`/proc/${daemon.pid}/fd`).length;
    process.stderr.write(
      `[http] ${count} slow connections: ${posted} rounds, the slowest answer ` +
        `${slowestMs.toFixed(0)} ms, ${files} files open\n`,
    );
    expect(files).toBeLessThan(1_000);
    expect(slowestMs).toBeLessThan(2_000);
    for (const one of all) one.end();
  } finally {
    daemon.kill("SIGTERM");
    await daemon.exited;
  }
  expect(await daemon.log()).toContain("turned away or gave room");
}, 60_000);
