import { JsonText } from "#src/flow/packet.ts";
import { bitReader, enumReader, paddedBytesReader, readBytes, setReader } from "./binary.ts";
import { corrupt } from "./bytes.ts";
import type { TextReader } from "./charset.ts";
import { columnType as t } from "./column-type.ts";
import { decimalBytes, decimalReader } from "./decimal.ts";
import { readJson } from "./json.ts";
import type { ColumnCodec, FixedReader } from "./row-codec.ts";
import {
  datetimeReader,
  fractionBytes,
  readDate,
  readOldDatetime,
  readOldTime,
  readOldTimestamp,
  timeReader,
  timestampReader,
} from "./temporal.ts";

/** What of a column is not in its protocol type. */
export type ColumnTraits = {
  readonly unsigned: boolean;
  /** Undefined for the character set `binary`: then character types are bytes. */
  readonly text: TextReader | undefined;
  /** Of ENUM and SET. */
  readonly members: readonly string[];
};

/** Traits that are good enough to walk over values, not to read them. */
const skipOnly: ColumnTraits = { unsigned: false, text: undefined, members: [] };

const readYear: FixedReader = (b, p) => (b[p] === 0 ? 0 : 1900 + b[p]!);

function fixed(bytes: number, read: FixedReader): ColumnCodec {
  return { shape: "fixed", bytes, read };
}

/**
 * How values of a protocol type lie in a row, and how they are read; undefined for a type that
 * cannot be read yet. `meta` is what TABLE_MAP says beside the type.
 */
export function columnCodec(
  type: number,
  meta: number,
  traits: ColumnTraits,
): ColumnCodec | undefined {
  checkMeta(type, meta);
  switch (type) {
    case t.tiny:
      return { shape: "int", bytes: 1, unsigned: traits.unsigned };
    case t.short:
      return { shape: "int", bytes: 2, unsigned: traits.unsigned };
    case t.int24:
      return { shape: "int", bytes: 3, unsigned: traits.unsigned };
    case t.long:
      return { shape: "int", bytes: 4, unsigned: traits.unsigned };
    case t.longlong:
      return { shape: "bigint", unsigned: traits.unsigned };
    case t.float:
      return { shape: "float" };
    case t.double:
      return { shape: "double" };
    case t.newdecimal: {
      const precision = meta & 255;
      const scale = meta >> 8;
      return fixed(decimalBytes(precision, scale), decimalReader(precision, scale));
    }
    case t.bit: {
      const bytes = (meta >> 8) + ((meta & 255) > 0 ? 1 : 0);
      return fixed(bytes, bitReader(bytes));
    }
    case t.enum:
      return fixed(meta >> 8, enumReader(traits.members, meta >> 8));
    case t.set:
      return fixed(meta >> 8, setReader(traits.members, meta >> 8));
    default:
      return temporalCodec(type, meta) ?? sizedCodec(type, meta, traits);
  }
}

/** Nothing is compiled from numbers that no server would send. Throws BINLOG_CORRUPT. */
function checkMeta(type: number, meta: number): void {
  const low = meta & 255;
  const high = meta >> 8;
  const wrong =
    // MariaDB has 38 digits behind the point at most, MySQL 30.
    (type === t.newdecimal && (low < 1 || low > 65 || high > 38 || high > low)) ||
    (type === t.bit && (low > 7 || high * 8 + low < 1 || high * 8 + low > 64)) ||
    (type === t.enum && high !== 1 && high !== 2) ||
    (type === t.set && (high < 1 || high > 8)) ||
    ((type === t.time2 || type === t.datetime2 || type === t.timestamp2) && meta > 6);
  if (wrong) throw corrupt("the metadata of a column does not fit its type");
}

function temporalCodec(type: number, digits: number): ColumnCodec | undefined {
  switch (type) {
    case t.date:
    case t.newdate:
      return fixed(3, readDate);
    case t.year:
      return fixed(1, readYear);
    case t.datetime2:
      return fixed(5 + fractionBytes(digits), datetimeReader(digits));
    case t.timestamp2:
      return fixed(4 + fractionBytes(digits), timestampReader(digits));
    case t.time2:
      return fixed(3 + fractionBytes(digits), timeReader(digits));
    case t.datetime:
      return fixed(8, readOldDatetime);
    case t.timestamp:
      return fixed(4, readOldTimestamp);
    case t.time:
      return fixed(3, readOldTime);
    default:
      return undefined;
  }
}

function sizedCodec(type: number, meta: number, traits: ColumnTraits): ColumnCodec | undefined {
  const read = traits.text ?? readBytes;
  switch (type) {
    case t.varchar:
    case t.varString:
      return { shape: "sized", lengthBytes: meta > 255 ? 2 : 1, read };
    case t.string: {
      const length = stringLength(meta);
      const padded = traits.text ?? paddedBytesReader(length);
      return { shape: "sized", lengthBytes: length > 255 ? 2 : 1, read: padded };
    }
    case t.blob:
    case t.tinyBlob:
    case t.mediumBlob:
    case t.longBlob:
      return { shape: "sized", lengthBytes: lengthBytes(meta), read };
    case t.geometry:
    case t.vector:
      return { shape: "sized", lengthBytes: lengthBytes(meta), read: readBytes };
    case t.json:
      return {
        shape: "sized",
        lengthBytes: lengthBytes(meta),
        read: (b, start, end) => new JsonText(readJson(b, start, end)),
      };
    default:
      return undefined;
  }
}

/** For types that are only walked over, those that cannot be read included. */
export function skipCodec(type: number, meta: number): ColumnCodec | undefined {
  switch (type) {
    case t.mariadbBlobCompressed:
      return { shape: "sized", lengthBytes: lengthBytes(meta), read: readBytes };
    case t.mariadbVarcharCompressed:
      return { shape: "sized", lengthBytes: meta > 255 ? 2 : 1, read: readBytes };
    case t.null:
      return fixed(0, () => null);
    default:
      return columnCodec(type, meta, skipOnly);
  }
}

/**
 * The most bytes of a CHAR or BINARY. Lengths above 255 have their upper two bits, inverted, in
 * the type byte (MySQL `Field_string::do_save_field_metadata`).
 */
export function stringLength(meta: number): number {
  return (((meta & 0x30) ^ 0x30) << 4) | (meta >> 8);
}

function lengthBytes(meta: number): 1 | 2 | 3 | 4 {
  return meta === 1 || meta === 2 || meta === 3 ? meta : 4;
}
