/** What the page says of visits without a network. */
export class Offline {
  /** Whether all files are kept; nothing is while `cargo xtask serve` shows each change. */
  kept: "keeping" | "kept" | "failed" | "nothing" = $state("keeping");
  /** Why a file could not be kept. */
  reason = $state("");
  /** True if a newer build waits. */
  hasUpdate = $state(false);
}
