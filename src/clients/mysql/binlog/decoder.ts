import type { BinlogEvent, Flavor } from "./event.ts";

export type BinlogDecoderOptions = {
  readonly flavor: Flavor;
  /** The most that a compressed transaction may hold, in bytes; the default is 1 GiB. */
  readonly payloadBytesMax?: number;
};

export type BinlogDecoder = {
  /**
   * Decodes one whole event, header to checksum. Keeps the format description and the table maps
   * between calls. Throws BINLOG_CHECKSUM, BINLOG_CORRUPT, BINLOG_EVENT_UNSUPPORTED.
   */
  decode(bytes: Uint8Array): BinlogEvent;
};

export type CreateBinlogDecoder = (options: BinlogDecoderOptions) => BinlogDecoder;
