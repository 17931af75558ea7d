import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { startMysql, useStarted } from "../../services/index.ts";
import { ask } from "../../services/server-process.ts";
import { waitFor } from "../../support/index.ts";

const services = await useStarted("mariadb", async () => {
  const mariadb = await startMysql({ flavor: "mariadb" });
  return { mariadb };
});

services.test("a killed server comes back on its port with its data", async ({ mariadb }) => {
  const { pid, port } = mariadb;
  await Bun.write(join(mariadb.dir, "mark"), "here");
  mariadb.kill("SIGKILL");
  await waitFor(() => answers(port).then((yes) => !yes), { what: "the server to be gone" });
  await mariadb.restart();
  expect(mariadb.pid).not.toBe(pid);
  expect(await answers(port)).toBe(true);
  expect(await Bun.file(join(mariadb.dir, "mark")).text()).toBe("here");
});

services.test("a server ends with the process that started it, even by SIGKILL", async () => {
  const script = `
    const { startMysql } = await import(${JSON.stringify(join(import.meta.dir, "../../services/index.ts"))});
    const server = await startMysql({ flavor: "mariadb" });
    process.stdout.write(server.port + "\\n");
    await new Promise(() => setInterval(() => {}, 1000));
  `;
  const owner = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "ignore" });
  const first = await owner.stdout.getReader().read();
  const port = Number(new TextDecoder().decode(first.value).trim());
  expect(await answers(port)).toBe(true);
  owner.kill("SIGKILL");
  await waitFor(async () => !(await answers(port)), { what: "the orphan to end" });
});

services.test("stop ends the server and removes its data", async ({ mariadb }) => {
  const { port, dir } = mariadb;
  await mariadb.stop();
  expect(await answers(port)).toBe(false);
  expect(existsSync(dir)).toBe(false);
});

function answers(port: number): Promise<boolean> {
  return ask(port, new Uint8Array(0), 5).then(
    () => true,
    () => false,
  );
}
