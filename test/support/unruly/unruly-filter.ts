import { basename } from "node:path";
import { z } from "zod";
import { defineFilter, type Packet } from "#plugin";
import { isFirst, type Misdeed, misdeeds } from "./misdeeds.ts";

const where = basename(import.meta.path, ".ts").split("-")[2] ?? "";

function fail(place: string): never {
  throw new Error(`thrown in ${place}`);
}

/** Passes packets on, and fails once on the tenth, somewhere. */
export const unrulyFilter = defineFilter<object, object>({
  name: "UnrulyFilter",
  summary: "fails once, somewhere",
  configSchema: z.strictObject({}),
  open: () => ({}),
  apply(_, packet, { ident, signal }) {
    const passed: Packet = { ...packet, ident };
    if (packet.position !== 10 || !isFirst(`${import.meta.dir}/filter-${where}.once`)) {
      return passed;
    }
    if (where === "generator") {
      return (function* () {
        yield passed;
        throw new Error("thrown in generator");
      })();
    }
    const misdeed = misdeeds[where as Misdeed];
    if (misdeed === undefined) throw new Error(`thrown in ${where}`);
    misdeed(fail);
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve(null)));
  },
});
