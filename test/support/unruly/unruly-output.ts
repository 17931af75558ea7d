import { appendFileSync } from "node:fs";
import { basename } from "node:path";
import { z } from "zod";
import { defineOutput } from "#plugin";
import { isFirst, type Misdeed, misdeeds } from "./misdeeds.ts";

const { dir } = import.meta;
/** What it does wrong is in the name of its file: `unruly-output-timer.ts`. */
const where = basename(import.meta.path, ".ts").split("-")[2] ?? "";
const file = (end: string) => `${dir}/out-${where}.${end}`;
const whole = () => void 0;

function fail(place: string): never {
  throw new Error(`thrown in ${place}`);
}

/** Writes positions to a file, and fails once, somewhere. */
export const unrulyOutput = defineOutput<object, object>({
  name: "UnrulyOutput",
  summary: "fails once, somewhere",
  configSchema: z.strictObject({}),
  open() {
    if (where === "open" && isFirst(file("once"))) throw new Error("thrown in open");
    if (where === "opening" && isFirst(file("once"))) {
      return Promise.reject(new Error("thrown in opening"));
    }
    return {};
  },
  write(_, packets, { signal }) {
    const misdeed = misdeeds[where as Misdeed];
    if (["write", "writing", "close", "stuck"].includes(where) || misdeed !== undefined) {
      if (isFirst(file("once"))) {
        if (where === "writing") return Promise.reject(new Error("thrown in writing"));
        if (where === "stuck") return new Promise(whole);
        if (misdeed === undefined) throw new Error(`thrown in ${where}`);
        misdeed(fail);
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined)));
      }
    }
    appendFileSync(file("txt"), packets.map(({ position }) => `${position}\n`).join(""));
    return undefined;
  },
  close() {
    if (where === "close") throw new Error("thrown in close");
  },
});
