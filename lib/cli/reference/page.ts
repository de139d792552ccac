/** A page of the reference. Help texts and the manual page are made of it. */
export interface ReferencePage {
  /** What it is about, as a heading. */
  readonly title: string;
  /** The same in a few words, for the list of topics. */
  readonly summary: string;
  /** Paragraphs at the top. */
  readonly intro: readonly string[];
  /** Terms, each with its explanation. */
  readonly terms?: readonly (readonly [term: string, text: string])[];
  /** Facts that have no term. */
  readonly facts?: readonly string[];
}
