import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onReload, type ReloadTriggers } from "#src/cli/reload-triggers.ts";
import { contentOf, type FileWatch, watchFile } from "#src/cli/watch-file.ts";
import { silentLog } from "#src/log.ts";
import { holdsFor } from "../support/holds-for.ts";
import { tempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const parent = tempDir("watch");
let runs = 0;
let folder = "";
let file = "";
/** What the file held each time when it was told of. */
let told: string[] = [];
let watched: FileWatch | undefined;

beforeEach(() => {
  folder = join(parent, String(runs++));
  mkdirSync(folder);
  file = join(folder, "dbus.yaml");
  writeFileSync(file, "one");
  told = [];
});
afterEach(() => watched?.close());

function watching(known: string | undefined = contentOf(file)): void {
  const onChange = () => void told.push(contentOf(file) ?? "");
  watched = watchFile({ file, known, log: silentLog, onChange });
}

const isTold = (...texts: string[]) =>
  waitFor(() => told.length >= texts.length, { what: texts.join() }).then(() => {
    expect(told).toEqual(texts);
  });

/** For more than two readings of the file, nothing more is told. */
async function staysSo(what: string): Promise<void> {
  const { length } = told;
  await holdsFor(() => told.length === length, { ms: 700, what });
}

describe("a watched file", () => {
  test("is told of once it is written, whatever storm of halves that was", async () => {
    watching();
    for (let i = 0; i < 2_000; i++) writeFileSync(file, `half ${i}`);
    writeFileSync(file, "whole");
    await isTold("whole");
    await staysSo("once is enough");
  });

  test("is told of when another file or link takes its place, as editors and Kubernetes do", async () => {
    watching();
    writeFileSync(join(folder, "new"), "two");
    renameSync(join(folder, "new"), file);
    await isTold("two");
    for (const day of ["monday", "tuesday"]) {
      mkdirSync(join(folder, day));
      writeFileSync(join(folder, day, "dbus.yaml"), day);
    }
    symlinkSync("monday", join(folder, "..data"));
    rmSync(file);
    symlinkSync(join("..data", "dbus.yaml"), file);
    await isTold("two", "monday");
    symlinkSync("tuesday", join(folder, "..new"));
    renameSync(join(folder, "..new"), join(folder, "..data"));
    await isTold("two", "monday", "tuesday");
  });

  test("is not told of when it holds the same, is gone, or others change beside it", async () => {
    watching();
    writeFileSync(file, "one");
    writeFileSync(join(folder, "other"), "two");
    await staysSo("nothing has changed");
    rmSync(file);
    await staysSo("it is waited for");
    writeFileSync(file, "three");
    await isTold("three");
  });

  test("has what changed since it was read told of, too", async () => {
    watching("zero");
    await isTold("one");
  });

  test("in a folder that is not there is an error with a way out", () => {
    file = join(folder, "none", "dbus.yaml");
    expect(() => watching()).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});

describe("SIGHUP", () => {
  let triggers: ReloadTriggers;
  let reloads: PromiseWithResolvers<void>[] = [];
  let stops: string[] = [];
  const daemon = {
    reload() {
      const one = Promise.withResolvers<void>();
      reloads.push(one);
      return one.promise;
    },
    async stop(reason: string) {
      stops.push(reason);
    },
  };
  const hangUp = () => void process.emit("SIGHUP");

  beforeEach(() => {
    reloads = [];
    stops = [];
  });
  afterEach(() => triggers.off());

  test("while starting is kept until the daemon runs; many during a reload are one more", async () => {
    triggers = onReload({ log: silentLog, watch: undefined, terminal: false });
    hangUp();
    hangUp();
    triggers.ready(daemon);
    expect(reloads.length).toBe(1);
    for (let i = 0; i < 5; i++) hangUp();
    expect(reloads.length).toBe(1);
    reloads[0]?.reject(new Error("refused"));
    await waitFor(() => reloads.length === 2, { what: "the one that follows" });
    reloads[1]?.resolve();
    await holdsFor(() => reloads.length === 2, { ms: 20, what: "no third one" });
    hangUp();
    expect([reloads.length, stops]).toEqual([3, []]);
  });

  test("from a terminal that was closed stops it, and else reloads", () => {
    let gone = false;
    const terminalIsGone = () => gone;
    triggers = onReload({ log: silentLog, watch: undefined, terminal: true, terminalIsGone });
    triggers.ready(daemon);
    hangUp();
    expect([reloads.length, stops.length]).toEqual([1, 0]);
    gone = true;
    hangUp();
    expect([reloads.length, stops]).toEqual([1, ["SIGHUP: the terminal was closed"]]);
  });
});
