import type { ColumnDefinition } from "./column.ts";
import { NotUnderstood } from "./tokens.ts";

/** A table as its statements made it. Names of columns compare without case. */
export type TableModel = {
  readonly columns: readonly ModelColumn[];
  /** Names, in the order of the key. */
  readonly primaryKey: readonly string[];
  /** What columns get that are added without one; undefined is that of the database. */
  readonly charset: string | undefined;
};

/** A `charset` that is undefined is that of the database. */
export type ModelColumn = Omit<ColumnDefinition, "primaryKey">;

/** Where a column goes: at the end, first, or behind another. */
export type Place = "last" | "first" | { readonly after: string };

/** A table while a statement changes it. Every clause speaks of the columns as they were. */
export type Draft = {
  add(definition: ColumnDefinition, place: Place): void;
  /** Gives a column another definition, and another place if one is named. */
  change(old: string, definition: ColumnDefinition, place: Place | undefined): void;
  rename(old: string, name: string): void;
  drop(name: string): void;
  has(name: string): boolean;
  setPrimaryKey(names: readonly string[]): void;
  setCharset(charset: string): void;
  done(): TableModel;
};

type Slot = { column: ModelColumn; readonly old: string | undefined; fresh: boolean };

export function createDraft(from: TableModel): Draft {
  const slots: Slot[] = from.columns.map((column) => ({
    ...{ column, old: fold(column.name), fresh: false },
  }));
  let key: readonly string[] = from.primaryKey.map(fold);
  let { charset } = from;
  let keyNamed = false;
  const renamed = new Set<string>();

  function find(name: string): number {
    const at = slots.findIndex((slot) => slot.old === fold(name));
    if (at < 0) throw new NotUnderstood(`no column ${name}`);
    return at;
  }

  function insert(slot: Slot, place: Place) {
    if (place === "last") slots.push(slot);
    else if (place === "first") slots.unshift(slot);
    else {
      // Whether its old or its new name counts is not the same on all servers.
      if (renamed.has(fold(place.after))) throw new NotUnderstood("after a renamed column");
      const at = slots.findIndex((each) => fold(each.column.name) === fold(place.after));
      if (at < 0) throw new NotUnderstood(`after no column ${place.after}`);
      slots.splice(at + 1, 0, slot);
    }
  }

  function keyed(definition: ColumnDefinition): ModelColumn {
    const { primaryKey, ...column } = definition;
    if (primaryKey) {
      key = [fold(column.name)];
      keyNamed = true;
    }
    return column;
  }

  function renameInKey(old: string, name: string) {
    if (fold(old) === fold(name)) return;
    renamed.add(fold(old)).add(fold(name));
    if (!keyNamed) key = key.map((each) => (each === fold(old) ? `\0${fold(name)}` : each));
  }

  return {
    add(definition, place) {
      insert({ column: keyed(definition), old: undefined, fresh: true }, place);
    },
    change(old, definition, place) {
      const slot = slots[find(old)]!;
      renameInKey(old, definition.name);
      slot.column = keyed(definition);
      slot.fresh = true;
      if (place === undefined) return;
      slots.splice(slots.indexOf(slot), 1);
      insert(slot, place);
    },
    rename(old, name) {
      const slot = slots[find(old)]!;
      renameInKey(old, name);
      slot.column = { ...slot.column, name };
    },
    drop(name) {
      slots.splice(find(name), 1);
      key = key.filter((each) => each !== fold(name));
    },
    has: (name) => slots.some((slot) => fold(slot.column.name) === fold(name)),
    setPrimaryKey(names) {
      key = names.map(fold);
      keyNamed = true;
    },
    setCharset(name) {
      charset = name;
    },
    done: () => finish(slots, key, charset),
  };
}

function finish(
  slots: readonly Slot[],
  key: readonly string[],
  charset: string | undefined,
): TableModel {
  // A zero marks a name that a rename gave, so that swapped names are not taken for one another.
  const names = key.map((each) => each.replace("\0", ""));
  const columns = slots.map(({ column, fresh }) => ({
    ...column,
    ...(fresh && column.charset === undefined ? { charset } : {}),
    ...(names.includes(fold(column.name)) ? { nullable: false } : {}),
  }));
  const folded = columns.map((column) => fold(column.name));
  if (new Set(folded).size < folded.length) throw new NotUnderstood("a column twice");
  const primaryKey = names.map((name) => {
    const column = columns[folded.indexOf(name)];
    if (!column) throw new NotUnderstood(`a key of no column ${name}`);
    return column.name;
  });
  return { columns, primaryKey, charset };
}

function fold(name: string): string {
  return name.toLowerCase();
}
