import { expect } from "bun:test";
import { connect } from "node:net";
import { useServices } from "../../services/index.ts";

const services = await useServices("mysql", "mariadb");

services.test("both flavors answer with their greeting", async ({ mysql, mariadb }) => {
  expect(await greeting(mysql.port)).toMatch(/^9\./);
  expect(await greeting(mariadb.port)).toContain("MariaDB");
});

function greeting(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("error", reject);
    socket.on("data", (chunk: Buffer) => {
      resolve(chunk.toString("latin1", 5, chunk.indexOf(0, 5)));
      socket.destroy();
    });
  });
}
