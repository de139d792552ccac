import { databasesPage } from "./databases.ts";
import { differencesPage } from "./differences.ts";
import type { ReferencePage } from "./page.ts";
import { parametersPage } from "./parameters.ts";
import { permissionsPage } from "./permissions.ts";
import { rulesPage } from "./rules.ts";
import { servingPage } from "./serving.ts";

/** The pages of the reference, by the subject of `help`. */
export const referencePages: Readonly<Record<string, ReferencePage>> = {
  parameters: parametersPage,
  databases: databasesPage,
  serving: servingPage,
  rules: rulesPage,
  permissions: permissionsPage,
  differences: differencesPage,
};
