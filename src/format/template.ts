/** A name with variables in it, such as `cdc.${db}.${tbl}`. */
export type Template = {
  readonly text: string;
  /** The variables, each once, in the order in which they come. */
  readonly variables: readonly string[];
  /** What it says without its variables. */
  readonly fixed: string;
  /** The name, its variables replaced by what `value` says of each. */
  fill(value: (variable: string) => string): string;
};

const variable = /\$\{([^}]*)\}/g;

export function parseTemplate(text: string): Template {
  // Text and variable by turns: split keeps what the parentheses caught.
  const parts = text.split(variable);
  const isVariable = (i: number) => i % 2 === 1;
  return {
    text,
    variables: [...new Set(parts.filter((_, i) => isVariable(i)))],
    fixed: parts.filter((_, i) => !isVariable(i)).join(""),
    fill: (value) => parts.map((part, i) => (isVariable(i) ? value(part) : part)).join(""),
  };
}
