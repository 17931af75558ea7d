/** What a token may do: look; steer what runs; change from where the bus reads on. */
export const roles = ["read", "operate", "admin"] as const;

export type Role = (typeof roles)[number];

/** Each role may do what those before it may. */
export function allows(held: Role, wanted: Role): boolean {
  return roles.indexOf(held) >= roles.indexOf(wanted);
}
