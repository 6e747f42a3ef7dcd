import type { Command, Option } from 'commander';

/** Names that only the server knows; asked for when they are needed. */
export type NameKind = 'pipeline' | 'job' | 'resource' | 'target' | 'team';
export type NamesOf = (kind: NameKind) => Promise<readonly string[]>;

/** Which names an option takes, by what stands in its angle brackets or by its own name. */
const KIND_OF_VALUE: Readonly<Record<string, NameKind>> = {
  '<pipeline/job>': 'job',
  '<pipeline/resource>': 'resource',
  '--pipeline': 'pipeline',
  '--old-name': 'pipeline',
  '--target': 'target',
  '--team': 'team',
  '--team-name': 'team',
};

/**
 * What can stand for the last of these words of a command line: commands, options, or names of the server.
 * @param words without the program's name; the last may be empty or half of a word
 * @returns undefined where a file name is as good as anything
 */
export async function complete(
  root: Command,
  words: readonly string[],
  namesOf: NamesOf,
): Promise<readonly string[] | undefined> {
  const current = words.at(-1) ?? '';
  const { command, awaiting, operands } = walk(root, words.slice(0, -1));
  if (awaiting) return matching(current, await valuesOf(awaiting, command, namesOf));
  if (current.startsWith('-')) return matching(current, [...optionsOf(command), ...optionsOf(root), '--help']);
  if (command.commands.length > 0 && operands === 0)
    return matching(
      current,
      command.commands.map((each) => each.name()),
    );
  const argument = command.registeredArguments[0]?.name();
  const kind = argument === undefined ? undefined : KIND_OF_VALUE[`<${argument.replace(/[<>]/g, '')}>`];
  if (kind) return matching(current, await namesOf(kind));
  return command.registeredArguments[0]?.argChoices
    ? matching(current, command.registeredArguments[0].argChoices)
    : undefined;
}

/** The command that the words lead to, and the option whose value comes next. */
function walk(root: Command, words: readonly string[]): { command: Command; awaiting?: Option; operands: number } {
  let [command, operands] = [root, 0];
  let awaiting: Option | undefined;
  for (const word of words) {
    if (awaiting) awaiting = undefined;
    else if (word.startsWith('-')) {
      const option = [...command.options, ...root.options].find((each) => each.long === word || each.short === word);
      if (option && (option.required || option.optional)) awaiting = option;
    } else {
      const next = operands === 0 && command.commands.find((each) => [each.name(), ...each.aliases()].includes(word));
      if (next) command = next;
      else operands += 1;
    }
  }
  return { command, operands, ...(awaiting ? { awaiting } : {}) };
}

async function valuesOf(option: Option, command: Command, namesOf: NamesOf): Promise<readonly string[] | undefined> {
  if (option.argChoices) return option.argChoices;
  const value = /<.*>/.exec(option.flags)?.[0] ?? '';
  // A team is renamed with the same words as a pipeline.
  if (option.long === '--old-name' && command.name() === 'rename-team') return namesOf('team');
  const kind = KIND_OF_VALUE[value] ?? KIND_OF_VALUE[option.long ?? ''];
  return kind ? namesOf(kind) : undefined;
}

function optionsOf(command: Command): string[] {
  return command.options.filter((option) => !option.hidden).map((option) => option.long ?? option.short ?? '');
}

function matching(start: string, words: readonly string[] | undefined): readonly string[] | undefined {
  return words && [...new Set(words)].filter((word) => word.startsWith(start)).toSorted();
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Each asks `weir __complete` what can stand here; answers are lines, and none means files. */
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `_weir() {
  local line
  COMPREPLY=()
  # Words as typed: bash splits them at colons, which our names have.
  local -a words
  read -r -a words <<< "\${COMP_LINE:0:COMP_POINT}"
  [[ "\${COMP_LINE:0:COMP_POINT}" == *[[:space:]] ]] && words+=("")
  local typed="\${words[-1]}" cut=""
  [[ "$typed" == *:* && "$COMP_WORDBREAKS" == *:* ]] && cut="\${typed%"\${typed##*:}"}"
  while IFS= read -r line; do
    COMPREPLY+=("\${line#"$cut"}")
  done < <(weir __complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -o default -F _weir weir
`,
  zsh: `#compdef weir
_weir() {
  local -a found
  found=("\${(@f)$(weir __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[1]}" ]]; then compadd -- "\${found[@]}"; else _files; fi
}
if [[ "$funcstack[1]" == _weir ]]; then _weir "$@"; else compdef _weir weir; fi
`,
  fish: `function __weir_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (weir __complete -- $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c weir -f -a '(__weir_complete)'
`,
};

/** What a shell must read to complete our command lines. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
