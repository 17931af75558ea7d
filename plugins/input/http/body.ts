import { isUtf8 } from "node:buffer";
import { type JsonSpan, placeOf, scanJson } from "./json-scan.ts";

/** The documents of a body as the client wrote them, or what is wrong with it and where. */
export type Parsed =
  | { readonly documents: readonly string[] }
  | {
      readonly detail: string;
      readonly line: number;
      readonly column: number;
      /** Which of several documents, from 0. */
      readonly index?: number;
    };

/** One JSON value, or the elements of a list of them. */
export function parseJson(body: Buffer): Parsed {
  const text = decode(body);
  if (typeof text !== "string") return text;
  const elements: JsonSpan[] = [];
  const found = scanJson(text, 0, elements);
  if ("offset" in found) {
    const index = elements.length > 0 ? { index: elements.length } : {};
    return { detail: `not valid JSON: ${found.message}`, ...placeOf(text, found.offset), ...index };
  }
  const spans = text[found.from] === "[" ? elements : [found];
  return { documents: spans.map(({ from, to }) => text.slice(from, to)) };
}

/** One JSON value a line; empty lines are passed over. */
export function parseNdjson(body: Buffer): Parsed {
  const text = decode(body);
  if (typeof text !== "string") return text;
  const documents: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const found = scanJson(line);
    if ("offset" in found) {
      const place = { line: index + 1, column: found.offset + 1, index: documents.length };
      return { detail: `not valid JSON: ${found.message}`, ...place };
    }
    documents.push(line.slice(found.from, found.to));
  }
  return { documents };
}

function decode(body: Buffer): string | Parsed {
  if (isUtf8(body)) {
    const text = body.toString();
    return text.startsWith("\ufeff") ? text.slice(1) : text;
  }
  for (let from = 0, line = 1; from < body.length; line++) {
    const end = body.indexOf(10, from);
    const bytes = body.subarray(from, end === -1 ? body.length : end);
    if (!isUtf8(bytes)) {
      const column = bytes.toString().indexOf("\ufffd") + 1;
      return { detail: "not valid UTF-8", line, column };
    }
    from = end === -1 ? body.length : end + 1;
  }
  return { detail: "not valid UTF-8", line: 1, column: 1 };
}
