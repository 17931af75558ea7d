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
  /** The newest decisions, for people. */
  history: "/history",
  wishes: "/wishes",
  /** What operators said of participants; persistent, so that it outlives a restart of theirs. */
  orders: "/orders",
  /** Somebody asks for a decision now; the leader takes it away with its answer. */
  request: "/request",
  config: "/config",
  /** What each participant made of the newest configuration; ephemeral. */
  configState: "/config_state",
  serverIds: "/server_ids",
} as const;

export const memberPath = (pid: string): string => `${paths.members}/${pid}`;
export const participantPath = (pid: string): string => `${paths.participants}/${pid}`;
export const resourcePath = (rid: string): string => `${paths.resources}/${rid}`;
export const assignPath = (rid: string): string => `${paths.assign}/${rid}`;
export const claimPath = (rid: string): string => `${paths.claim}/${rid}`;
export const checkpointPath = (rid: string): string => `${paths.checkpoint}/${rid}`;
export const statusPath = (rid: string): string => `${paths.status}/${rid}`;
export const orderPath = (pid: string): string => `${paths.orders}/${pid}`;
export const serverIdPath = (id: number): string => `${paths.serverIds}/${id}`;
export const wishPath = (rid: string): string => `${paths.wishes}/${rid}`;
