import type { OpenOptions } from "../../table.ts";
import type {
  MemcacheParameters,
  ParameterSource,
} from "../../tables/memcache/parameters.ts";
import type { Instance } from "../instances.ts";
import type { Use } from "../named_tables.ts";

/** A memcache table, and what Postfix does with it: what the rules are about. */
export interface UsedTable {
  /** Its name as main.cf has it. */
  readonly table: string;
  readonly source: ParameterSource;
  /** Its parameters, with defaults in place of invalid values. */
  readonly parameters: MemcacheParameters;
  /** Where main.cf and master.cf name it; empty if they do not. */
  readonly uses: readonly Use[];
  /** The instances of Postfix that it may be used by; none if main.cf is unreadable. */
  readonly instances: readonly Instance[];
  /** The options of the check. */
  readonly options: OpenOptions;
}
