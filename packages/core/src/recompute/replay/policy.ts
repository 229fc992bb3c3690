/** After how many tries a part of a replay is tried no more, by what stood in its way. */
export const mostTries = {
  /** It could not be started for a reason that may pass, or failed for one that we cannot explain. */
  failed: 5,
  /** The worker that ran it was lost. */
  lost: 5,
  /** Tries in all, whatever stood in the way; with the pauses between them this is a day. */
  all: 300,
} as const;
