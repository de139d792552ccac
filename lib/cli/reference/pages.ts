import { differencesPage } from "./differences.ts";
import type { ReferencePage } from "./page.ts";
import { parametersPage } from "./parameters.ts";
import { permissionsPage } from "./permissions.ts";

/** The pages of the reference, by the subject of `help`. */
export const referencePages: Readonly<Record<string, ReferencePage>> = {
  parameters: parametersPage,
  permissions: permissionsPage,
  differences: differencesPage,
};
