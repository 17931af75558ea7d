export type ChildOptions = {
  readonly target: string;
  /** The file that exports `targets`. */
  readonly module: string;
  readonly seed: number;
  readonly seconds: number;
  /** Files of recorded inputs: all are fed first, and mutated then. */
  readonly corpus: readonly string[];
  /** A single case of the seed, or all of them; null to feed nothing but `inputs`. */
  readonly only: { readonly case: number | null } | null;
  readonly inputs: readonly string[];
  /** Only writes the input of that single case into this file: it is what hangs or crashes. */
  readonly saveTo: string | null;
  readonly progressFile: string;
  readonly summaryFile: string;
};

export type Failure = {
  /** null for a recorded input. */
  readonly case: number | null;
  readonly label: string;
  readonly what: string;
  /** Where its input and this report are. */
  readonly folder: string;
  readonly replay: string;
};

export type Summary = {
  readonly target: string;
  readonly seed: number;
  readonly cases: number;
  readonly seconds: number;
  /** How often each answer was given. */
  readonly codes: Readonly<Record<string, number>>;
  readonly failures: readonly Failure[];
  /** Of the resident memory, recorded inputs included. */
  readonly peakMiB: number;
};
