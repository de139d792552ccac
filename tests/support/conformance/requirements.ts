import { bulkWrites } from "./bulk_writes.ts";
import { closing } from "./closing.ts";
import type { Requirement } from "./kind.ts";
import { listings } from "./listing.ts";
import { lookups } from "./lookups.ts";
import { refusals } from "./refusals.ts";
import { writes } from "./writes.ts";

/** All requirements. */
export const requirements: readonly Requirement[] = [
  ...lookups,
  ...writes,
  ...bulkWrites,
  ...refusals,
  ...listings,
  ...closing,
];
