/** What the page says of visits without a network. */
export class Offline {
  /** Whether all files are kept. */
  kept: "keeping" | "kept" | "failed" = $state("keeping");
  /** Why a file could not be kept. */
  reason = $state("");
  /** True if a newer build waits. */
  hasUpdate = $state(false);
}
