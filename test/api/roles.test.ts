import { afterEach, describe, expect, test } from "bun:test";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createApp, routeTable } from "#src/api/app.ts";
import { roles } from "#src/api/role.ts";
import { createTokens } from "#src/api/tokens.ts";
import type { AdminToken } from "#src/config/config.ts";
import { silentLog } from "#src/log.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { recordedLog } from "../support/recorded-log.ts";
import { tempDir } from "../support/temp-dir.ts";
import { clusterBodies, fakePort } from "./fake-port.ts";

const tokenOf = (name: string) => `${name}-token-0123456789`;
const dir = tempDir("tokens");

function appOf(tokens: readonly AdminToken[], token?: string) {
  const port = fakePort();
  const log = recordedLog();
  const app = createApp(port, { tokens: createTokens({ token, tokens }, log.log), log: log.log });
  return { app, port, log };
}

const bodies: Record<string, unknown> = {
  "put /api/v1/checkpoints/{input}/{resource}/{partition}": { position: 1 },
  "post /api/v1/deadletters/redrive": { ids: [5] },
  ...clusterBodies,
};

const concrete = (path: string) =>
  path
    .replace("{input}", "shop")
    .replace("{resource}", "mysql-1")
    .replace("{partition}", "0")
    .replace("{id}", "5")
    .replace("{version}", "4");

/** Where a token of each role stands to each route. */
const matrix = routeTable().flatMap((one) =>
  roles.map((held) => [one.method, one.path, held, one] as const),
);

test.each(matrix)("S1: %s %s with a token of the role %s", async (method, path, held, one) => {
  const all = roles.map((role) => ({ name: role, role, token: tokenOf(role) }));
  const { app, port, log } = appOf(all);
  const body = bodies[`${method} ${path}`];
  const response = await app.request(`http://127.0.0.1${concrete(path)}`, {
    method: method.toUpperCase(),
    headers: { "content-type": "application/json", authorization: `Bearer ${tokenOf(held)}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const allowed = one.open || roles.indexOf(held) >= roles.indexOf(one.role);
  expect(response.status).toBe(allowed ? 200 : 403);
  if (!allowed) {
    expect(await response.json()).toMatchObject({ code: "ROLE_DENIED" });
    expect(port.calls).toEqual([]);
  } else if (method !== "get") {
    expect(JSON.stringify(log.entries)).toContain(`"by":"${held}"`);
  }
  expect(JSON.stringify(log.entries)).not.toContain("token-0123456789");
});

test("S1: what changes where the bus reads on is for admins, row data is not for readers", () => {
  const wanted = routeTable().map(({ method, path, role }) => `${role} ${method} ${path}`);
  const changing = routeTable().filter(({ method }) => method !== "get");
  expect(changing.filter(({ role }) => role === "read")).toEqual([]);
  expect(wanted).toContain("operate get /api/v1/deadletters/{id}");
  expect(wanted).toContain("admin put /api/v1/checkpoints/{input}/{resource}/{partition}");
});

test("S1: every token of a list is known, and admin.token beside them", async () => {
  const all = [
    { name: "one", role: "read", token: tokenOf("one") },
    { name: "two", role: "read", token: tokenOf("two") },
  ] as const;
  const { app } = appOf(all, tokenOf("old"));
  const statusWith = async (authorization: string) =>
    (await app.request("http://127.0.0.1/api/v1/stat", { headers: { authorization } })).status;
  for (const name of ["one", "two", "old"]) {
    expect(await statusWith(`Bearer ${tokenOf(name)}`)).toBe(200);
    expect(await statusWith(`Bearer ${tokenOf(name).slice(1)}`)).toBe(401);
  }
  for (const nothing of ["", "Bearer", "Bearer ", "Bearer undefined", "Bearer null"]) {
    expect(await statusWith(nothing)).toBe(401);
  }
});

describe("S1: a token in a file", () => {
  const file = join(dir, "token");
  afterEach(() => rmSync(file, { force: true }));

  function rotating() {
    const clock = createManualClock();
    const log = recordedLog();
    const entry = { name: "ci", role: "read", tokenFile: file } as const;
    return {
      clock,
      log,
      tokens: createTokens({ token: undefined, tokens: [entry] }, log.log, clock),
    };
  }

  test("is replaced without a restart, and the old one is worth nothing then", () => {
    writeFileSync(file, `${tokenOf("old")}\n`);
    const { clock, log, tokens } = rotating();
    expect(tokens.find(tokenOf("old"))).toEqual({ name: "ci", role: "read" });
    writeFileSync(`${file}.new`, `${tokenOf("new")}\n`);
    renameSync(`${file}.new`, file);
    clock.advance(1_001);
    expect(tokens.find(tokenOf("old"))).toBeUndefined();
    expect(tokens.find(tokenOf("new"))?.name).toBe("ci");
    expect(JSON.stringify(log.entries)).not.toContain("0123456789");
  });

  test.each(["", "short", `${tokenOf("two")}\n${tokenOf("lines")}`, "x".repeat(5_000)])(
    "that becomes useless lets nobody in, and the log says so (%#)",
    (text) => {
      writeFileSync(file, tokenOf("old"));
      const { clock, log, tokens } = rotating();
      writeFileSync(file, text);
      clock.advance(1_001);
      expect(tokens.required).toBe(true);
      for (const sent of [tokenOf("old"), text, "", "undefined"]) {
        expect(tokens.find(sent)).toBeUndefined();
      }
      expect(log.entries.some((line) => line.level === "error")).toBe(true);
    },
  );

  test("that is not there refuses the start", () => {
    expect(rotating).toThrow(expect.objectContaining({ code: "SECRET_MISSING" }));
  });
});

test("S1: the app without tokens asks for none, and nobody is let in by an empty one", async () => {
  const { app } = appOf([]);
  expect((await app.request("http://127.0.0.1/api/v1/stat")).status).toBe(200);
  const tokens = createTokens({ token: tokenOf("a"), tokens: [] }, silentLog);
  expect(tokens.find("")).toBeUndefined();
});
