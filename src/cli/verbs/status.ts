import type { Stat } from "../../api/port.ts";
import { sleep, systemClock } from "../../clock.ts";
import { bytesText, durationText, printable, tableText, timeText } from "../text.ts";
import { show, textOption, usageError, type Verb, type VerbContext } from "../verb.ts";

const usage = "status [--watch] [--interval SECONDS]";

export const statusVerb: Verb = {
  name: "status",
  summary: "what runs, how fast, and how far behind it is",
  usage: [usage],
  options: {
    watch: { type: "boolean", short: "w" },
    interval: { type: "string", short: "n" },
    count: { type: "string" },
  },
  help: `  -w, --watch          goes on, like top; with --json one object a line
  -n, --interval SECS  how often, 2 unless told
      --count N        ends after so many
`,
  async run(context) {
    const { values } = context;
    const everyMs = 1000 * positive(textOption(values, "interval") ?? "2");
    const count = values.count === undefined ? Infinity : positive(String(values.count));
    if (values.watch !== true) {
      const stat = await context.client.get<Stat>("/api/v1/stat");
      show(context, stat, () => statusText(stat, null));
      return 0;
    }
    let before: Stat | null = null;
    for (let n = 0; n < count && !context.signal.aborted; n++) {
      if (n > 0) await sleep(systemClock, everyMs, context.signal);
      if (context.signal.aborted) break;
      const stat: Stat = await context.client.get<Stat>("/api/v1/stat");
      draw(context, stat, before);
      before = stat;
    }
    return 0;
  },
};

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw usageError(`${text} is no number`, usage);
  return value;
}

function draw(context: VerbContext, stat: Stat, before: Stat | null): void {
  if (context.json) {
    context.out(`${JSON.stringify(stat)}\n`);
    return;
  }
  const clear = context.terminal ? "\u001b[H\u001b[2J" : "";
  context.out(clear + statusText(stat, before) + (context.terminal ? "" : "\n"));
}

/** Rates come from the difference to the status before, or from the whole time when it is first. */
function statusText(stat: Stat, before: Stat | null): string {
  const seconds = Math.max(0.001, (stat.uptimeMs - (before?.uptimeMs ?? 0)) / 1000);
  const rate = (now: number, then: number | undefined) => Math.round((now - (then ?? 0)) / seconds);
  const inputs = stat.inputs.map((one) => {
    const then = before?.inputs.find((b) => b.name === one.name && b.resource === one.resource);
    const lag = lagText(one);
    const speed = rate(one.packets, then?.packets);
    return [one.name, one.label, one.state, one.packets, speed, one.inFlight, lag];
  });
  const filters = stat.filters.map((one) => {
    const then = before?.filters.find((b) => b.name === one.name);
    const speed = rate(one.packets, then?.packets);
    return [one.name, one.state, one.packets, speed, one.emitted, one.dropped, one.failed];
  });
  const outputs = stat.outputs.map((one) => {
    const then = before?.outputs.find((b) => b.name === one.name);
    const speed = rate(one.packets, then?.packets);
    return [one.name, one.state, one.packets, speed, one.queued, one.retried, one.failed];
  });
  const tables = [
    tableText(["INPUT", "READS", "STATE", "PACKETS", "PER S", "IN FLIGHT", "LAG"], inputs),
    filters.length > 0
      ? tableText(["FILTER", "STATE", "PACKETS", "PER S", "EMITTED", "DROPPED", "FAILED"], filters)
      : "",
    tableText(["OUTPUT", "STATE", "PACKETS", "PER S", "QUEUED", "RETRIED", "FAILED"], outputs),
  ];
  return [headText(stat), ...tables.filter((one) => one !== ""), notesText(stat)]
    .filter((part) => part !== "")
    .join("\n");
}

function headText(stat: Stat): string {
  const state = stat.ready ? "ready" : "not ready";
  const up = durationText(stat.uptimeMs);
  const memory = `${bytesText(stat.rssBytes)} (at most ${bytesText(stat.memoryBoundBytes)})`;
  const { file, version, hash, loadedAt } = stat.config;
  return (
    `dbus ${stat.version}  pid ${stat.pid}  ${state}  up ${up}  memory ${memory}\n` +
    `config ${printable(file)}  version ${version}  ${hash}  loaded ${timeText(loadedAt)}\n`
  );
}

type Lags = Pick<Stat["inputs"][number], "lagSeconds" | "lagBytes" | "lagRecords">;

function lagText({ lagSeconds: seconds, lagBytes: bytes, lagRecords: records }: Lags) {
  const parts = [
    seconds === null ? null : durationText(seconds * 1000),
    bytes === null ? null : bytesText(bytes),
    records === null ? null : counted(records, "record"),
  ].filter((part) => part !== null);
  return parts.length === 0 ? null : parts.join(", ");
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** What plugins did that did not return, or that crashed on one row each time. */
function crashNotes({ filters, outputs, loopLag }: Stat): string[] {
  const lines: string[] = [];
  for (const { name, timeouts, poisoned, suspects } of [...filters, ...outputs]) {
    if (timeouts > 0) lines.push(`${name}: ${counted(timeouts, "call")} did not return in time`);
    if (poisoned > 0) lines.push(`${name}: crashed on ${counted(poisoned, "row")} each time`);
    if (suspects > 0) lines.push(`${name}: looks for its cause among ${counted(suspects, "row")}`);
  }
  if (loopLag && loopLag.stalls > 0) {
    const most = durationText(loopLag.maxMs);
    const times = counted(loopLag.stalls, "time");
    lines.push(
      `the event loop stood still ${times}, at most ${most}, last at ${loopLag.lastActor}`,
    );
  }
  return lines;
}

/** What a person should look at; nothing where all is well. */
function notesText(stat: Stat): string {
  const lines: string[] = stat.insecure.map((what) => `insecure: ${what}`);
  const { refused } = stat.config;
  if (refused) {
    const [first] = refused.message.split("\n");
    lines.push(`the reload of ${timeText(refused.at)} was refused, ${refused.code}: ${first}`);
  }
  for (const one of [...stat.inputs, ...stat.outputs]) {
    if (one.note) lines.push(`${one.name}: ${one.note}`);
  }
  for (const { name, buffer } of stat.outputs) {
    if (!buffer || (buffer.packets === 0 && buffer.note === null)) continue;
    const { packets, bytes, oldestAgeSeconds: age } = buffer;
    const waits = packets > 0 && age !== null ? `, the oldest for ${durationText(age * 1000)}` : "";
    const size = `${counted(packets, "packet")} on disk, ${bytesText(bytes)}${waits},`;
    lines.push(`${name}: ${size} in its buffer${buffer.note ? ` (${buffer.note})` : ""}`);
  }
  for (const one of [...stat.inputs, ...stat.filters, ...stat.outputs]) {
    const { lastError } = one;
    if (lastError) lines.push(`${one.name}: last error ${lastError.code}: ${lastError.message}`);
  }
  lines.push(...crashNotes(stat));
  for (const { name, stuck } of stat.inputs) {
    for (const { position, heldMs, at } of stuck) {
      const where = at.length === 0 ? "nowhere: a bug" : at.join(", ");
      lines.push(`${name}: stuck for ${durationText(heldMs)} behind ${position}, at ${where}`);
    }
  }
  if (stat.unrouted.packets > 0) {
    const idents = stat.unrouted.idents.slice(0, 10).join(", ");
    lines.push(`${stat.unrouted.packets} packets matched nothing, from: ${idents}`);
  }
  if (stat.deadLetters > 0) {
    lines.push(`${counted(stat.deadLetters, "dead letter")}: dbc deadletters list`);
  }
  if (stat.gaps > 0) lines.push(`${counted(stat.gaps, "gap")} in a source: dbc gaps`);
  return lines.map((line) => `${printable(line)}\n`).join("");
}
