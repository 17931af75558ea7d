/** Column types as TABLE_MAP and binary JSON number them (MySQL `enum_field_types`). */
export const columnType = {
  decimal: 0,
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  null: 6,
  timestamp: 7,
  longlong: 8,
  int24: 9,
  date: 10,
  time: 11,
  datetime: 12,
  year: 13,
  newdate: 14,
  varchar: 15,
  bit: 16,
  timestamp2: 17,
  datetime2: 18,
  time2: 19,
  mariadbBlobCompressed: 140,
  mariadbVarcharCompressed: 141,
  vector: 242,
  json: 245,
  newdecimal: 246,
  enum: 247,
  set: 248,
  tinyBlob: 249,
  mediumBlob: 250,
  longBlob: 251,
  blob: 252,
  varString: 253,
  string: 254,
  geometry: 255,
} as const;

/** How many bytes of metadata a type has in TABLE_MAP; undefined for a type nobody writes. */
export function metaBytes(type: number): 0 | 1 | 2 | undefined {
  const t = columnType;
  switch (type) {
    case t.float:
    case t.double:
    case t.blob:
    case t.tinyBlob:
    case t.mediumBlob:
    case t.longBlob:
    case t.json:
    case t.geometry:
    case t.vector:
    case t.mariadbBlobCompressed:
    case t.timestamp2:
    case t.datetime2:
    case t.time2:
      return 1;
    case t.varchar:
    case t.varString:
    case t.mariadbVarcharCompressed:
    case t.bit:
    case t.newdecimal:
    case t.string:
    case t.enum:
    case t.set:
      return 2;
    case t.tiny:
    case t.short:
    case t.int24:
    case t.long:
    case t.longlong:
    case t.timestamp:
    case t.date:
    case t.newdate:
    case t.time:
    case t.datetime:
    case t.year:
    case t.null:
      return 0;
    default:
      return undefined;
  }
}

/** The types that TABLE_MAP's signedness bits speak of. */
export function isNumeric(type: number): boolean {
  const t = columnType;
  return (
    type === t.tiny ||
    type === t.short ||
    type === t.int24 ||
    type === t.long ||
    type === t.longlong ||
    type === t.float ||
    type === t.double ||
    type === t.newdecimal
  );
}

/** The types that TABLE_MAP's list of character sets speaks of: text, and binary as charset 63. */
export function isCharacter(type: number): boolean {
  const t = columnType;
  return (
    type === t.string ||
    type === t.varString ||
    type === t.varchar ||
    type === t.blob ||
    type === t.tinyBlob ||
    type === t.mediumBlob ||
    type === t.longBlob ||
    type === t.mariadbVarcharCompressed ||
    type === t.mariadbBlobCompressed
  );
}
