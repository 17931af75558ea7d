import { DbusError, type InputContext, type Json, sleep } from "#plugin";
import { type BinlogDecoder, createBinlogDecoder } from "#src/clients/mysql/binlog/decoder.ts";
import type { BinlogEvent } from "#src/clients/mysql/binlog/event.ts";
import { type BinlogFileReader, openBinlogFile } from "#src/clients/mysql/binlog/file-reader.ts";
import { type MysqlPosition, mysqlPositionSchema } from "#src/clients/mysql/binlog/position.ts";
import { createRowStream, type RowStream } from "#src/clients/mysql/binlog/row-stream.ts";
import { noSchema } from "#src/clients/mysql/binlog/schema-lookup.ts";
import type { TableFilter } from "#src/clients/mysql/binlog/table-filter.ts";
import { inFile, lost } from "./file-errors.ts";
import { createFileLag, type FileLag } from "./file-lag.ts";
import { type BinlogFile, binlogFile, inOrder, listFiles } from "./file-list.ts";
import { createRowBatch, type RowBatch } from "./row-batch.ts";

export type FileRunOptions = {
  readonly files: readonly string[];
  /** How often to look for more at the end; undefined ends there. */
  readonly pollMs: number | undefined;
  readonly filter: TableFilter;
  readonly eventBytesMax: number;
};

export type FileRun = {
  readonly options: FileRunOptions;
  readonly resume: MysqlPosition | null;
};

export function createFileRun(context: InputContext, options: FileRunOptions): FileRun {
  const stored = context.resume();
  return { options, resume: stored === null ? null : mysqlPositionSchema.parse(stored) };
}

/** Others want their turn on this thread. */
const turnMs = 10;

/** What is read now. The stream is made when the first file says which server wrote it. */
type Reading = {
  readonly run: FileRun;
  readonly context: InputContext;
  rows: RowStream | undefined;
  readonly batch: RowBatch;
  turnEnds: number;
  readonly lag: FileLag;
  /** The file that the last one named as the next. */
  expected: string | undefined;
};

/** Reads file after file. Ends at the end of the last one, unless it follows. */
export async function runFiles(run: FileRun, context: InputContext): Promise<void> {
  const turnEnds = context.clock.now() + turnMs;
  const reading: Reading = {
    run,
    context,
    rows: undefined,
    batch: createRowBatch(context),
    turnEnds,
    lag: createFileLag(context, run.options.files),
    expected: undefined,
  };
  let file = await firstFile(run, context);
  while (file !== undefined && !context.signal.aborted) {
    await readFile(reading, file);
    file = await fileAfter(reading, file);
  }
  context.reportState(null);
}

/** The file to begin with: that of the checkpoint, or the first that there is. */
async function firstFile(run: FileRun, context: InputContext): Promise<BinlogFile | undefined> {
  const { options, resume } = run;
  for (;;) {
    const files = await listFiles(options.files);
    const file = resume === null ? files[0] : files.find(({ name }) => name === resume.file);
    if (file !== undefined) return file;
    if (resume !== null) {
      const wanted = binlogFile(resume.file);
      if (files.some((other) => inOrder(wanted, other) < 0)) throw lost(resume.file);
    }
    if (!(await waitFor(options, context, `waiting for ${resume?.file ?? "files"}`))) {
      if (files.length === 0) throw new DbusError("BINLOG_FILE", "no file has such a name");
      return undefined;
    }
  }
}

/** Whether to look again, after a while. */
async function waitFor(
  options: FileRunOptions,
  context: InputContext,
  state: string,
): Promise<boolean> {
  if (options.pollMs === undefined || context.signal.aborted) return false;
  context.reportState(state);
  await sleep(context.clock, options.pollMs, context.signal);
  return !context.signal.aborted;
}

/** The file behind one that was read to its end. Never leaves one out of the sequence silently. */
async function fileAfter(reading: Reading, file: BinlogFile): Promise<BinlogFile | undefined> {
  const { run, context, expected } = reading;
  for (;;) {
    const next = (await listFiles(run.options.files)).find((other) => inOrder(file, other) < 0);
    if (next !== undefined) {
      // Files may have been renamed: then their numbers, without a hole, are as good.
      const following = nameOf(file, 1n);
      const whole = next.base !== file.base || next.name === following || next.name === expected;
      if (whole) return next;
      const missing = expected ?? following;
      const message = `${missing} is missing between ${file.name} and ${next.name}`;
      throw new DbusError("BINLOG_FILE", message);
    }
    const state = `waiting for ${expected ?? "more"}`;
    if (!(await waitFor(run.options, context, state))) return undefined;
  }
}

function nameOf({ base, number, name }: BinlogFile, plus: bigint): string {
  const digits = name.length - base.length - 1;
  return `${base}.${String(number + plus).padStart(digits, "0")}`;
}

async function readFile(reading: Reading, file: BinlogFile): Promise<void> {
  const { options } = reading.run;
  const { eventBytesMax } = options;
  const reader = await openBinlogFile({ path: file.path, eventBytesMax });
  const decoder = createBinlogDecoder({ eventBytesMax });
  reading.expected = undefined;
  try {
    await readEvents(reading, file, reader, decoder);
  } catch (thrown) {
    if (reading.context.signal.aborted) return;
    // How far an event got that failed is not known, but its last row is.
    await reading.batch.emit();
    throw inFile(thrown, file, reader.pos());
  } finally {
    await reader.close();
  }
}

async function readEvents(
  reading: Reading,
  file: BinlogFile,
  reader: BinlogFileReader,
  decoder: BinlogDecoder,
): Promise<void> {
  const { context, run } = reading;
  for (;;) {
    const bytes = reader.read();
    if (bytes !== undefined) {
      const event = decoder.decode(bytes);
      if (event.kind === "format_description") enter(reading, file, reader, event);
      // A file may have another name here than there: positions speak of the files that are here.
      if (event.kind === "rotate") reading.expected = event.file;
      else {
        const taking = take(reading, event);
        if (taking) await taking;
      }
      continue;
    }
    const filled = await reader.fill();
    await handOver(reading);
    if (filled === "read") {
      context.reportState(null);
      const { timestamp } = reading.rows?.progress() ?? { timestamp: 0 };
      if (timestamp > 0) await reading.lag.behind(file, reader.pos(), timestamp);
      await turn(reading);
      continue;
    }
    if (context.signal.aborted) return;
    const next = await followed(reading, file);
    if (next !== undefined) {
      // Whatever was written while we looked is read first.
      if ((await reader.fill()) === "read") continue;
      if (filled === "partial") await noteTail(reading, file, reader.pos(), next);
      return;
    }
    reading.lag.none();
    if (!(await waitFor(run.options, context, "waiting for more"))) {
      if (filled === "partial" && run.options.pollMs === undefined) warnTail(context, file, reader);
      return;
    }
  }
}

/** At the head of a file: says which one it is, and jumps to where reading goes on. */
function enter(
  reading: Reading,
  file: BinlogFile,
  reader: BinlogFileReader,
  event: BinlogEvent & { kind: "format_description" },
): void {
  const { run, context } = reading;
  const first = reading.rows === undefined;
  const resume = run.resume ?? {
    lineage: "",
    file: file.name,
    pos: 4,
    gtid: null,
    txn: null,
    rows: 0,
  };
  reading.rows ??= createRowStream({
    flavor: /mariadb/i.test(event.serverVersion) ? "mariadb" : "mysql",
    lineage: context.name,
    resume,
    filter: run.options.filter,
    schema: noSchema,
    eventIdent: context.ident,
  });
  if (!first) {
    const header = { ...event.header, type: 4, size: 0, logPos: 0 };
    reading.rows.push({ kind: "rotate", header, file: file.name, pos: 4n, fake: true });
  } else if (resume.pos > reader.pos()) reader.jump(resume.pos);
}

/** Waits only when it must: a promise for each event would cost more than the event. */
function take({ rows, batch }: Reading, event: BinlogEvent): Promise<void> | undefined {
  if (rows === undefined) throw new DbusError("BINLOG_CORRUPT", "it has no format description");
  return batch.take(rows, event);
}

/** Nothing more is there: what was read goes out, and the checkpoint may follow. */
async function handOver(reading: Reading): Promise<void> {
  await reading.batch.emit();
  const { rows, context } = reading;
  if (rows === undefined) return;
  if (!rows.inTransaction()) context.idle(rows.position());
}

async function turn(reading: Reading): Promise<void> {
  const { clock } = reading.context;
  if (clock.now() < reading.turnEnds) return;
  await new Promise((resolve) => setImmediate(resolve));
  reading.turnEnds = clock.now() + turnMs;
}

/** The next file, if it is there: then nothing more will come in this one. */
async function followed(reading: Reading, file: BinlogFile): Promise<BinlogFile | undefined> {
  const files = await listFiles(reading.run.options.files);
  return files.find((other) => inOrder(file, other) < 0);
}

/** A file that was cut off although another follows: a crash, or a copy that is not whole. */
async function noteTail(
  reading: Reading,
  file: BinlogFile,
  pos: number,
  next: BinlogFile,
): Promise<void> {
  await reading.context.gap({
    from: { file: file.name, pos } as Json,
    to: { file: next.name, pos: 4 } as Json,
    reason: `${file.path} ends in the midst of an event`,
  });
}

function warnTail(context: InputContext, file: BinlogFile, reader: BinlogFileReader): void {
  context.log.warn("the last file ends in the midst of an event, which is left out", {
    file: file.path,
    pos: reader.pos(),
  });
}
