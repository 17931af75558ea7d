import { DbusError, toDbusError } from "#plugin";
import type { BinlogFile } from "./file-list.ts";

/** The file in which reading is to go on. */
export function lost(name: string): DbusError {
  const remedy = "put the file back, or dbc checkpoint reset to begin with the first one";
  return new DbusError("POSITION_LOST", `${name} is not there any more`, { remedy });
}

/** Says in which file it happened. On disk a wrong checksum does not heal by reading again. */
export function inFile(thrown: unknown, file: BinlogFile, pos: number): DbusError {
  const error = toDbusError(thrown);
  const code = error.code === "BINLOG_CHECKSUM" ? "BINLOG_CORRUPT" : error.code;
  if (error.place !== undefined && code === error.code) return error;
  const place = { file: file.path, path: `${pos}` };
  return new DbusError(code, `${file.path} before ${pos}: ${error.message}`, {
    cause: error,
    place,
  });
}
