// Makes the completion of bash, of what `--help` knows.
import type { Option } from "../../lib/cli/options.ts";
import { postmapOptions } from "../../lib/cli/postmap_options.ts";
import { referencePages } from "../../lib/cli/reference/pages.ts";
import { helpPageOf } from "../../lib/cli/subcommands/subcommand.ts";
import { subcommands } from "../../lib/cli/subcommands/subcommands.ts";
import { tableTypes } from "../../mod.ts";

function spellings({ letter, name }: Option): string[] {
  return [
    ...(letter === undefined ? [] : [`-${letter}`]),
    ...(name === undefined ? [] : [`--${name}`]),
  ];
}

function words(options: readonly Option[]): string {
  return options.flatMap(spellings).join(" ");
}

/** The completion script. */
export async function bashCompletion(): Promise<string> {
  const names = Object.keys(subcommands);
  const topics = ["topics", "tables", ...Object.keys(referencePages)];
  const cases = await Promise.all(names.map(async (name) => {
    const { options } = helpPageOf(await subcommands[name].load());
    return `    ${name}) options="${words(options)}" ;;`;
  }));
  const types = tableTypes.map((type) => `${type}:`).join(" ");
  return `# Completion of bash for memcache-table: options, subcommands, tables, files.

_memcache_table() {
  local word=\${COMP_WORDS[COMP_CWORD]} first=\${COMP_WORDS[1]} options
  COMPREPLY=()
  # Where : is a word of its own, the path behind it is completed.
  local before=\${COMP_WORDS[COMP_CWORD-1]}
  if [[ $word == : || $before == : ]]; then
    [[ $word == : ]] && word=
    COMPREPLY=($(compgen -f -- "$word"))
    compopt -o filenames 2>/dev/null
    return
  fi
  case $first in
${cases.join("\n")}
    help)
      COMPREPLY=($(compgen -W "${names.join(" ")} ${
    topics.join(" ")
  }" -- "$word"))
      return ;;
    *) options="${words(postmapOptions)}" ;;
  esac
  if [[ $before == -c ]]; then
    COMPREPLY=($(compgen -d -- "$word"))
    compopt -o filenames 2>/dev/null
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "${names.join(" ")} help ${types}" -- "$word"))
    [[ \${COMPREPLY[0]} == *: ]] && compopt -o nospace 2>/dev/null
  elif [[ $word == *:* ]]; then
    COMPREPLY=($(compgen -P "\${word%%:*}:" -f -- "\${word#*:}"))
    compopt -o filenames 2>/dev/null
  else
    COMPREPLY=($(compgen -W "${types}" -- "$word"))
    compopt -o nospace 2>/dev/null
  fi
}

complete -F _memcache_table memcache-table
`;
}
