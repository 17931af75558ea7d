/** Where things stand below the root of a cluster; the protocol page has the whole layout. */
export const paths = {
  format: "/format",
  leaderEpoch: "/leader_epoch",
  election: "/election",
  leader: "/leader",
  /** Everybody that has ever joined and was not told to be forgotten; persistent. */
  members: "/members",
  participants: "/participants",
  resources: "/resources",
  assign: "/assign",
  claim: "/claim",
  checkpoint: "/ckpt",
  status: "/status",
  decision: "/decision",
  history: "/history",
  wishes: "/wishes",
  config: "/config",
  serverIds: "/server_ids",
} as const;

export const memberPath = (pid: string): string => `${paths.members}/${pid}`;
export const participantPath = (pid: string): string => `${paths.participants}/${pid}`;
export const resourcePath = (rid: string): string => `${paths.resources}/${rid}`;
export const assignPath = (rid: string): string => `${paths.assign}/${rid}`;
export const claimPath = (rid: string): string => `${paths.claim}/${rid}`;
export const checkpointPath = (rid: string): string => `${paths.checkpoint}/${rid}`;
export const statusPath = (rid: string): string => `${paths.status}/${rid}`;
export const wishPath = (rid: string): string => `${paths.wishes}/${rid}`;
