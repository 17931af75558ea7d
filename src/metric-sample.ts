export type Sample = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

export type Add = (
  kind: "counter" | "gauge",
  name: string,
  help: string,
  samples: readonly Sample[],
) => void;
